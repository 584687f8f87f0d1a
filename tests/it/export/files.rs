//! Exported files as other programs read them, and what must be in them, written down as SQL.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::json::writer::{JsonArray, WriterBuilder};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::support::World;

pub const FILES: [&str; 4] = ["windows", "findings", "columns", "alerts"];

/// Rows of a query.
pub fn stored(world: &World, query: &str) -> Vec<Value> {
    let query = AssertSqlSafe(format!("select to_jsonb(r) from ({query}) r"));
    let rows: Vec<Value> = world.runtime.block_on(sqlx::query_scalar(query).fetch_all(&world.pool)).unwrap();
    rows.into_iter().map(plain).collect()
}

/// The same with whole numbers written as such: PostgreSQL has `1` where Arrow has `1.0`.
fn plain(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(plain).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        Value::Number(number) => match number.as_f64().filter(|real| number.is_f64() && real.fract() == 0.0) {
            Some(whole) => Value::from(whole as i64),
            None => Value::Number(number),
        },
        other => other,
    }
}

/// The rows of the files of a folder, with times in microseconds, as any reader of Parquet has them.
pub fn exported(folder: &Path) -> BTreeMap<&'static str, Vec<Value>> {
    FILES.iter().map(|name| (*name, rows(&folder.join(format!("{name}.parquet"))))).collect()
}

fn rows(file: &Path) -> Vec<Value> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(fs::read(file).unwrap())).unwrap();
    let mut all = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let times = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let numbers = |array: &ArrayRef| match array.data_type() {
            DataType::Timestamp(..) => {
                assert_eq!(*array.data_type(), times);
                cast(array, &DataType::Int64).unwrap()
            }
            _ => array.clone(),
        };
        let columns: Vec<ArrayRef> = batch.columns().iter().map(numbers).collect();
        let fields = batch
            .schema()
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true))
            .collect::<Vec<_>>();
        let batch = RecordBatch::try_new(Schema::new(fields).into(), columns).unwrap();
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&writer.into_inner()).unwrap();
        all.extend(rows.into_iter().map(plain));
    }
    all
}

/// What a file says of itself.
pub fn metadata(file: &Path) -> BTreeMap<String, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(fs::read(file).unwrap())).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap().iter();
    pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
}

/// What must be in the files when everything is exported, written down as SQL.
fn everything(world: &World) -> BTreeMap<&'static str, Vec<Value>> {
    let micros = |column: &str| format!("(extract(epoch from {column}) * 1000000)::bigint");
    let (start, end) = (micros("coalesce(w.judged_from, w.starts_at)"), micros("w.ends_at"));
    let (since, fired, resolved) = (micros("since"), micros("fired_at"), micros("resolved_at"));
    let pane = micros("w.starts_at");
    let window = format!("w.monitor, w.model_version as version, w.segment, {start} as start");
    [
        (
            "windows",
            format!(
                "select w.id, {window}, {pane} as pane_start, {end} as \"end\", coalesce(w.judged_rows, w.rows) as rows, w.revision,
                        (select f.n_baseline from finding f where f.window_id = w.id and f.measure = 'row_count') as usual_rows,
                        (select f.verdict from finding f where f.window_id = w.id and f.measure = 'row_count') as volume,
                        (select coalesce(sum(l.rows), 0) from window_late l where l.window_id = w.id) as late,
                        w.verdict, w.complete,
                        (select b.version from baseline b where b.id = w.baseline_id) as baseline,
                        w.reference->>'rule' as reference_rule,
                        case when w.reference->>'rule' is not null then w.reference->>'name' end as reference_name,
                        case when w.reference->>'rule' is not null then coalesce((w.reference->>'windows')::bigint, 0) end as reference_windows,
                        case when w.reference->>'rule' is not null then (w.reference->>'records')::bigint end as reference_records,
                        w.backfill_id as backfill, w.configuration, w.retrain_decision as retraining
                 from model_window w where w.status = 'closed' order by w.monitor, w.starts_at, w.id"
            ),
        ),
        (
            "findings",
            format!(
                "select w.id as window_id, {window}, case when f.column_name = '' then '(records)' else f.column_name end as \"column\", f.measure, f.statistic, f.p_value, f.effect,
                        f.bound, f.noise_floor, f.warn, f.critical, f.n_baseline, f.n_window, f.significant, f.verdict
                 from finding f join model_window w on w.id = f.window_id
                 order by w.monitor, w.starts_at, w.id, f.column_name, f.measure"
            ),
        ),
        (
            "columns",
            format!(
                "select w.id as window_id, {window}, s.column_name as \"column\", s.present, s.nulls, s.invalid, s.below,
                        s.above, s.unseen, s.mean, s.quantiles, coalesce(s.categories, '{{}}') as categories,
                        coalesce(s.shares, '{{}}') as shares
                 from column_summary s join model_window w on w.id = s.window_id
                 order by w.monitor, w.starts_at, w.id, s.column_name"
            ),
        ),
        (
            "alerts",
            format!(
                "select id, monitor, model_version as version, segment, rule, column_name as \"column\", kind, state, severity,
                        {since} as since, {fired} as fired_at, {resolved} as resolved_at, acknowledged_by, judged, windows,
                        judged_windows, reason, evidence->>'summary' as summary
                 from alert a order by a.since, a.id"
            ),
        ),
    ]
    .into_iter()
    .map(|(name, query)| (name, stored(world, &query)))
    .collect()
}

/// Every row of every file is that of the database, and nothing else is in the folder.
pub fn assert_all_is_exported(world: &World, folder: &Path) -> BTreeMap<&'static str, Vec<Value>> {
    let (found, expected) = (exported(folder), everything(world));
    for name in FILES {
        let (found, expected) = (&found[name], &expected[name]);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found, expected, "{name}");
        }
    }
    let mut there: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, ["alerts.parquet", "columns.parquet", "findings.parquet", "windows.parquet"]);
    found
}
