//! The values of windows that detectors read.

use crate::binning::Binning;
use crate::detector::WindowValue;
use crate::distribution::{Distribution, WindowCounts};

/// The value of a column in a window; `None` when nothing can be said: no records, no values, or a category that the bins of
/// the window do not know.
#[must_use]
pub fn window_value(counts: &WindowCounts, column: &str, value: &WindowValue) -> Option<f64> {
    let column = counts.column(column)?;
    match value {
        WindowValue::Mean => match column.binning() {
            Binning::Categorical(_) => category_share(column, "true"),
            _ => column.mean(),
        },
        WindowValue::NullShare => share(column.nulls(), column.rows()),
        WindowValue::CategoryShare(category) => category_share(column, category),
    }
}

fn category_share(column: &Distribution, category: &str) -> Option<f64> {
    let Binning::Categorical(binning) = column.binning() else { return None };
    let bin = binning.categories().iter().position(|known| known == category)?;
    share(column.counts().get(bin).copied().unwrap_or(0), column.present())
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}
