//! Records of a window's sample, as they are shown: all, or those behind a finding.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use serde::Serialize;
use serde_json::{Map, Value};

use super::WindowRow;
use crate::distribution::{RecordSample, WindowCounts};
use crate::judge::why::{Contribution, contributions};
use crate::measure::{Pair, Span};
use crate::record::{Absence, EventTime, TimeSpan, Timestamp, grouped, plural, quantity};
use crate::retention::WindowRetention;
use crate::window::OffsetRanges;

/// A sampled record.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SampledRecord {
    /// Topic; null if the window has several topics.
    pub topic: Option<String>,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Event time, RFC 3339.
    pub time: Timestamp,
    /// Group of the value, if a column is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// Values of the monitored columns; null if absent.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub values: Map<String, Value>,
}

/// A group of values that became more frequent and accounts for part of the score.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GrownGroup {
    /// Description of the group.
    pub holds: String,
    /// Share in the baseline.
    pub before: f64,
    /// Share in the window.
    pub after: f64,
    /// Sampled records in the group.
    pub sampled: usize,
}

/// Sampled records of a window.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SampledRecords {
    /// The window.
    pub window: WindowRow,
    /// Column, if given.
    pub column: Option<String>,
    /// Size of the sample; 0 if the monitor keeps none.
    pub sample: usize,
    /// Reason why there is no sample any more; null otherwise.
    pub deleted: Option<String>,
    /// Groups of values that became more frequent, largest contribution to the score first.
    pub grown: Vec<GrownGroup>,
    /// Monitored columns that are not in the sample.
    pub left_out: Vec<String>,
    /// Remarks: values of the wrong type are null in the sample.
    pub remarks: Vec<String>,
    /// The records.
    pub records: Vec<SampledRecord>,
}

impl SampledRecords {
    /// Says so when a window of a monitor that keeps samples has none because of its age, `closed_for` since it was closed.
    pub fn explain_missing_sample(&mut self, kept: &WindowRetention, closed_for: Option<TimeSpan>) {
        let over = kept.samples.age().zip(closed_for).is_some_and(|(age, closed_for)| closed_for >= age);
        if self.sample == 0 && over {
            self.deleted = Some(kept.sample_deleted());
        }
    }
}

/// Groups of values that are looked for.
const GROUPS: usize = 3;
/// A group carries at least this share of the score.
const CARRIES: f64 = 0.1;

/// The records of a window's sample, at most `limit` of them. With a column those whose value belongs to what became more
/// frequent and carries the score; all when there is nothing to compare with.
#[must_use]
pub fn sampled_records(
    window: WindowRow,
    counts: &WindowCounts,
    baseline: Option<&WindowCounts>,
    (sample, offsets): (&mut RecordSample, &OffsetRanges),
    column: Option<&str>,
    limit: usize,
) -> SampledRecords {
    let topic = topic_of(offsets);
    let rows = sample.rows().cloned();
    let monitored = counts.columns().iter().map(crate::distribution::Distribution::name);
    let left_out = monitored
        .filter(|name| rows.as_ref().is_some_and(|rows| rows.column_by_name(name).is_none()))
        .map(str::to_owned)
        .collect();
    let mut answer = SampledRecords {
        window,
        column: column.map(str::to_owned),
        sample: rows.as_ref().map_or(0, RecordBatch::num_rows),
        deleted: None,
        grown: Vec::new(),
        left_out,
        remarks: remarks(counts, column),
        records: Vec::new(),
    };
    let Some(rows) = rows else { return answer };
    let pair = column.and_then(|name| {
        let (before, after) = baseline?.column(name).zip(counts.column(name))?;
        Pair::new(before, after).ok()
    });
    let values = column.and_then(|name| rows.column_by_name(name));
    let Some((pair, values)) = pair.zip(values) else {
        if column.is_none() || values.is_some() {
            answer.records =
                (0..rows.num_rows().min(limit)).map(|row| record(&rows, row, topic.as_deref(), None)).collect();
        }
        return answer;
    };
    let carries = |group: &Contribution| group.share >= CARRIES && group.after > group.before;
    for group in contributions(&pair).into_iter().take(GROUPS).filter(carries) {
        let held: Vec<usize> =
            (0..rows.num_rows()).filter(|row| holds(&pair, &group.span, values, *row)).collect();
        answer.records.extend(held.iter().map(|row| record(&rows, *row, topic.as_deref(), Some(&group.label))));
        answer.grown.push(GrownGroup {
            holds: group.label,
            before: group.before,
            after: group.after,
            sampled: held.len(),
        });
    }
    answer.records.truncate(limit);
    answer
}

/// Columns with values that a sample cannot hold; of one column that alone.
fn remarks(counts: &WindowCounts, column: Option<&str>) -> Vec<String> {
    let asked = counts.columns().iter().filter(|known| column.is_none_or(|column| column == known.name()));
    let invalid = asked.filter(|known| known.invalid() > 0);
    invalid
        .map(|known| {
            let all = known.invalid();
            let kinds: Vec<String> =
                [(Absence::WrongType, "of another type"), (Absence::Nan, "NaN"), (Absence::Infinite, "infinite")]
                    .into_iter()
                    .filter(|(kind, _)| known.absent(*kind) > 0)
                    .map(|(kind, words)| format!("{} {words}", grouped(known.absent(kind))))
                    .collect();
            format!(
                "{} of `{}` in the window {} not of its column ({}): a record shows null for them",
                quantity(all, "value", "values"),
                known.name(),
                plural(all, "is", "are"),
                kinds.join(", ")
            )
        })
        .collect()
}

/// The topic, where there is one alone.
fn topic_of(offsets: &OffsetRanges) -> Option<String> {
    let mut topics = offsets.as_slice().iter().map(|(partition, _, _)| &partition.topic);
    let first = topics.next()?;
    topics.all(|topic| topic == first).then(|| first.to_string())
}

/// Whether a value belongs to a group of bins.
fn holds(pair: &Pair<'_>, span: &Span, values: &ArrayRef, row: usize) -> bool {
    let Span::Bins(first, last) = span else { return values.is_null(row) };
    if values.is_null(row) {
        return false;
    }
    let inside = |bin: usize| (*first..=*last).contains(&bin);
    if let (Some(binning), Some(numbers)) = (pair.numeric_binning(), values.as_primitive_opt::<Float64Type>()) {
        return inside(binning.bin(numbers.value(row)));
    }
    let Some(binning) = pair.categorical_binning() else { return false };
    match value_of(values, row) {
        Value::String(text) => inside(binning.bin(&text)),
        Value::Bool(yes) => inside(binning.bin(if yes { "true" } else { "false" })),
        Value::Array(words) => words.iter().filter_map(Value::as_str).any(|word| inside(binning.bin(word))),
        _ => false,
    }
}

fn record(rows: &RecordBatch, row: usize, topic: Option<&str>, holds: Option<&str>) -> SampledRecord {
    let leading = RecordSample::LEADING;
    let integer =
        |index: usize| rows.column(index).as_primitive_opt::<Int64Type>().map_or(0, |column| column.value(row));
    let partition = rows.column(1).as_primitive_opt::<Int32Type>().map_or(0, |column| column.value(row));
    let schema = rows.schema();
    let fields = schema.fields().iter().zip(rows.columns()).skip(leading);
    SampledRecord {
        topic: topic.map(str::to_owned),
        partition,
        offset: integer(2),
        time: EventTime::from_micros(integer(3)).unwrap_or_default().into(),
        holds: holds.map(str::to_owned),
        values: fields.map(|(field, values)| (field.name().clone(), value_of(values, row))).collect(),
    }
}

/// A number as records have it: whole ones without a point.
#[expect(clippy::cast_possible_truncation, reason = "exact below 2^53")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
}

fn value_of(values: &ArrayRef, row: usize) -> Value {
    if values.is_null(row) {
        return Value::Null;
    }
    match values.data_type() {
        DataType::Float64 => number(values.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => values.as_string::<i32>().value(row).into(),
        DataType::Boolean => values.as_boolean().value(row).into(),
        DataType::List(_) => {
            let inner = values.as_list::<i32>().value(row);
            (0..inner.len()).map(|index| value_of(&inner, index)).collect()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::binning::{Binning, BinningSet, CategoricalBinning, NumericBinning};
    use crate::distribution::{RowOrigin, sample_hashes};
    use crate::record::{ColumnType, ModelSchema, batch_of};
    use crate::window::Partition;

    fn window() -> WindowRow {
        WindowRow {
            id: 1,
            version: String::new(),
            segment: "*".to_owned(),
            start: Timestamp::default(),
            pane_start: Timestamp::default(),
            end: Timestamp::default(),
            status: crate::view::WindowState::Closed,
            rows: 300,
            pane_rows: 300,
            revision: 0,
            usual_rows: None,
            volume: None,
            late: 0,
            verdict: None,
            complete: None,
            missing: Vec::new(),
            baseline: None,
            reference: None,
            backfill: None,
            configuration: None,
            retraining: None,
        }
    }

    #[test]
    fn the_records_behind_a_finding_are_those_of_what_grew() {
        let schema =
            ModelSchema::of_features(&[("x", ColumnType::Numeric), ("k", ColumnType::Categorical)]).unwrap();
        let binnings = Arc::new(BinningSet::new(vec![
            ("x".into(), Binning::Numeric(NumericBinning::new((0..=100).map(f64::from).collect(), 0.01).unwrap())),
            ("k".into(), Binning::Categorical(CategoricalBinning::new(vec!["a".into(), "b".into()], vec![]))),
        ]));
        let mut sample = RecordSample::new(1_000);
        let mut count = |records: Vec<String>| {
            let batch = batch_of(&schema, records);
            let rows: Vec<u32> = (0..batch.times.len() as u32).collect();
            let mut counts = WindowCounts::empty(Arc::clone(&binnings));
            counts.count(&batch, &rows);
            let origin = RowOrigin { topic: "t", partition: 3 };
            sample = RecordSample::new(1_000);
            sample.offer(&batch, origin, &sample_hashes(origin, &batch), &rows);
            counts
        };
        let before = count(
            (0..300).map(|row| format!(r#"{{"x":{}.5,"k":"{}"}}"#, row % 100, ["a", "b"][row % 2])).collect(),
        );
        let after = count(
            (0..300)
                .map(|row| {
                    if row % 3 == 0 {
                        r#"{"x":250,"k":"new"}"#.to_owned()
                    } else {
                        format!(r#"{{"x":{}.5,"k":"a"}}"#, row % 100)
                    }
                })
                .collect(),
        );
        let mut offsets = OffsetRanges::default();
        offsets.include(&Partition { topic: "t".into(), partition: 3 }, crate::record::Offset::default());
        let mut of = |column: Option<&str>, limit: usize| {
            sampled_records(window(), &after, Some(&before), (&mut sample, &offsets), column, limit)
        };
        let all = of(None, 10);
        assert_eq!((all.sample, all.records.len(), all.left_out.len()), (300, 10, 0));
        let x = of(Some("x"), 1_000);
        assert_eq!(
            x.grown.iter().map(|group| (group.holds.as_str(), group.sampled)).collect::<Vec<_>>(),
            [("above 100", 100)]
        );
        assert!(
            x.records.iter().all(|record| record.values["x"] == 250.0 && record.topic.as_deref() == Some("t"))
        );
        assert!(x.records.iter().all(|record| record.offset % 3 == 0 && record.partition == 3));
        let k = of(Some("k"), 1_000);
        assert!(k.records.iter().any(|record| record.values["k"] == "new"), "{k:?}");
        assert!(k.records.iter().all(|record| record.values["k"] != "b"));
        assert_eq!(of(Some("no such column"), 10).records.len(), 0);
    }
}
