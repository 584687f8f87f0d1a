//! Whether windows can be learned from: a column that was not read in them would be learned as missing.

use crate::distribution::{Distribution, WindowCounts};
use crate::record::Absence;
use crate::window::{WHOLE, is_unreadable};

/// Values that a window should have by the share of all windows, for having none of them to mean something.
const EXPECTED: f64 = 20.0;

/// The columns that have no valid value, or hardly one, in these windows together, or none in one of them although others
/// have many: somebody changed the path or the records between them. (segment, counts) pairs; the whole alone is looked at.
#[must_use]
pub fn unreadable_columns(windows: &[(String, WindowCounts)]) -> Vec<String> {
    let whole: Vec<&WindowCounts> =
        windows.iter().filter(|(segment, _)| segment == WHOLE).map(|(_, counts)| counts).collect();
    let names = whole.first().into_iter().flat_map(|counts| counts.columns()).map(Distribution::name);
    names.filter(|name| is_lost(&whole, name)).map(str::to_owned).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn is_lost(windows: &[&WindowCounts], column: &str) -> bool {
    let read: Vec<(u64, u64, u64)> = windows.iter().filter_map(|counts| reading(counts, column)).collect();
    let sum = read.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    let (rows, present, nulls) = sum;
    let share = present as f64 / (rows.saturating_sub(nulls).max(1)) as f64;
    let vanished = |(rows, present, nulls): &(u64, u64, u64)| {
        *present == 0 && share * rows.saturating_sub(*nulls) as f64 >= EXPECTED
    };
    is_unreadable(rows, present, nulls) || read.iter().any(vanished)
}

/// Records, those with a valid value, those with null.
fn reading(counts: &WindowCounts, column: &str) -> Option<(u64, u64, u64)> {
    let column = counts.column(column)?;
    let absent: u64 = Absence::ALL.iter().map(|absence| column.absent(*absence)).sum();
    Some((counts.rows(), counts.rows().saturating_sub(absent), column.absent(Absence::Null)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::binning::BinningSet;
    use crate::record::{ColumnType, ModelSchema, batch_of};

    fn window(records: impl IntoIterator<Item = String>) -> (String, WindowCounts) {
        let schema =
            ModelSchema::of_features(&[("x", ColumnType::Numeric), ("c", ColumnType::Categorical)]).unwrap();
        let batch = batch_of(&schema, records);
        let mut counts = WindowCounts::empty(Arc::new(BinningSet::universal(&schema)));
        let rows: Vec<u32> = (0u32..).take(batch.times.len()).collect();
        counts.count(&batch, &rows);
        (WHOLE.to_owned(), counts)
    }

    fn records(number: usize, text: &str) -> Vec<String> {
        vec![text.to_owned(); number]
    }

    #[test]
    fn columns_that_were_not_read_are_not_learned_from() {
        let good = || window(records(100, r#"{"x":1,"c":"a"}"#));
        assert_eq!(unreadable_columns(&[good(), good()]), Vec::<String>::new());
        let missing = window(records(100, r#"{"y":1,"c":"a"}"#));
        assert_eq!(unreadable_columns(std::slice::from_ref(&missing)), ["x"]);
        let texts = window(records(100, r#"{"x":"1,5","c":"a"}"#));
        assert_eq!(unreadable_columns(&[texts]), ["x"], "all of the wrong type");
        let nulls = window(records(100, r#"{"x":null,"c":"a"}"#));
        assert_eq!(unreadable_columns(std::slice::from_ref(&nulls)), ["x"]);
        assert_eq!(unreadable_columns(&[good(), missing]), ["x"], "read in one window, not in the other");
        // Null in most records, also in all of one window, is how a sparse column looks.
        let sparse = window([records(97, r#"{"x":null,"c":"a"}"#), records(3, r#"{"x":2,"c":"a"}"#)].concat());
        assert_eq!(unreadable_columns(&[sparse, nulls]), Vec::<String>::new());
    }
}
