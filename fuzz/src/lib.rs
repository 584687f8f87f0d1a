//! What the targets share: a schema with a column of every type, counts of it, and a backend of the listener without data.

mod nothing;

pub use nothing::Nothing;

use std::io::Cursor;
use std::sync::Arc;

use driftd::baseline::build;
use driftd::binning::{BinningSet, BuildOptions};
use driftd::distribution::WindowCounts;
use driftd::record::table::{TableRows, json_batches};
use driftd::record::{Column, ColumnRole, ColumnType, Derivation, FieldPath, ModelSchema, RecordLayout};

/// A panic that a decoder's isolation turns into an error is no find; all others are.
pub fn begin() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !driftd::record::isolate::is_isolated() {
            abort(panic);
        }
    }));
}

/// A column of every type.
#[must_use]
pub fn schema() -> ModelSchema {
    let types = [
        ("x", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
        ("e", ColumnType::Embedding),
        ("t", ColumnType::Text),
        ("s.deep", ColumnType::Numeric),
    ];
    let column = |(name, column_type): (&str, ColumnType)| Column {
        name: name.to_owned(),
        path: FieldPath::parse(name).expect("a path"),
        role: ColumnRole::Feature,
        column_type,
        derivation: Derivation::Value,
        sensitive: name == "b",
    };
    ModelSchema::new(types.into_iter().flat_map(|it| column(it).expand()).collect()).expect("a schema")
}

/// How records are read.
#[must_use]
pub fn layout(timed: bool) -> RecordLayout {
    let path = |name: &str| FieldPath::parse(name).expect("a path");
    RecordLayout {
        time: timed.then(|| path("ts")),
        version: Some(path("version")),
        segments: vec![("k".to_owned(), path("k"))],
        ..RecordLayout::default()
    }
}

/// Counts of some records, on bins placed by them or on universal ones.
#[must_use]
pub fn counts(universal: bool) -> WindowCounts {
    let text: String = (0..900u32)
        .map(|row| {
            format!(
                "{{\"x\":{},\"k\":\"k{}\",\"b\":true,\"e\":[{row},1],\"t\":\"a b{row}\"}}\n",
                row % 37,
                row % 11
            )
        })
        .collect();
    let rows = TableRows { schema: schema(), layout: layout(false), timed: false };
    let items = || json_batches(Cursor::new(text.clone()), &rows);
    let binnings = if universal {
        Arc::new(BinningSet::universal(&schema()))
    } else {
        build(&schema(), &[], BuildOptions { resolution: 20, max_categories: 5 }, items).expect("bins").0.binnings
    };
    let mut counts = WindowCounts::empty(binnings);
    for item in items().expect("rows") {
        let batch = item.expect("a batch").batch;
        let rows: Vec<u32> = (0u32..).take(batch.times.len()).collect();
        counts.count(&batch, &rows);
    }
    counts
}
