//! Files of every format, mutated, read as `compare`, `replay` and `baseline build` read them.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, ListArray, NullArray,
    RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Float64Type, Int32Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use bytes::Bytes;
use driftd::record::table::{
    ReadError, ReadItem, TableRows, arrow_batches, csv_batches, json_batches, parquet_batches, parquet_rows,
    profile_arrow, profile_csv, profile_json, profile_parquet,
};
use driftd::record::{ColumnType, FieldPath, ModelSchema, RecordLayout};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::{MEMORY, in_little_memory, mutated, try_all};

/// A table with a column of every kind that readers treat differently.
fn table() -> RecordBatch {
    let rows = 0..200usize;
    let text = |row: usize| format!("value {}", row % 17);
    let dictionary: DictionaryArray<Int32Type> =
        rows.clone().map(|row| (row % 5 > 0).then_some(["a", "b", "c"][row % 3])).collect();
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(
        rows.clone().map(|row| (row % 7 > 0).then(|| vec![Some(row as f64), Some(2.0)])),
    );
    let inner: ArrayRef = Arc::new(rows.clone().map(|row| Some(row as f64 / 2.0)).collect::<Float64Array>());
    let field = Arc::new(Field::new("deep", inner.data_type().clone(), true));
    let times = rows.clone().map(|row| 1_772_323_200_000_000 + row as i64 * 1_000_000);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "x",
            Arc::new(rows.clone().map(|row| (row % 11 > 0).then_some(row as f64 / 3.0)).collect::<Float64Array>()),
        ),
        ("n", Arc::new(rows.clone().map(|row| row as i64 * 31 % 97).collect::<Int64Array>())),
        ("k", Arc::new(rows.clone().map(|row| (row % 13 > 0).then(|| text(row))).collect::<StringArray>())),
        (
            "v",
            Arc::new(
                rows.clone().map(|row| Some(format!("a longer text number {row}"))).collect::<StringViewArray>(),
            ),
        ),
        ("b", Arc::new(rows.clone().map(|row| Some(row % 2 == 0)).collect::<BooleanArray>())),
        ("d", Arc::new(dictionary)),
        ("e", Arc::new(lists)),
        ("s", Arc::new(StructArray::from(vec![(field, inner)]))),
        ("z", Arc::new(NullArray::new(200))),
        ("raw", Arc::new(rows.clone().map(|row| Some(vec![row as u8, 0xff])).collect::<BinaryArray>())),
        ("ts", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn rows(timed: bool) -> TableRows {
    let schema = ModelSchema::of_features(&[
        ("x", ColumnType::Numeric),
        ("n", ColumnType::Numeric),
        ("k", ColumnType::Categorical),
        ("v", ColumnType::Categorical),
        ("b", ColumnType::Boolean),
        ("d", ColumnType::Categorical),
        ("e", ColumnType::Embedding),
        ("s.deep", ColumnType::Numeric),
        ("z", ColumnType::Numeric),
        ("raw", ColumnType::Categorical),
    ])
    .unwrap();
    let path = |name: &str| FieldPath::parse(name).unwrap();
    let layout = RecordLayout {
        time: timed.then(|| path("ts")),
        segments: vec![("b".to_owned(), path("b"))],
        ..RecordLayout::default()
    };
    TableRows { schema, layout, timed }
}

/// Rows read, or why the file ends; the reason says what to do.
fn read(what: &str, items: Result<impl Iterator<Item = ReadItem>, ReadError>) -> u64 {
    let mut read = 0;
    let said = match items {
        Err(error) => Err(error),
        Ok(mut items) => items.try_for_each(|item| {
            read += item?.batch.times.len() as u64;
            assert!(read < 10_000_000, "{what}: rows that are not in the file");
            Ok(())
        }),
    };
    if let Err(error) = said {
        let text = error.to_string();
        assert!(
            text.contains("hint:") || matches!(error, ReadError::Convert(_) | ReadError::Io(_)),
            "{what}: {text}"
        );
    }
    read
}

fn arrow(stream: bool, packing: Option<CompressionType>) -> Vec<u8> {
    let table = table();
    let options = IpcWriteOptions::default().try_with_compression(packing).unwrap();
    if stream {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &table.schema(), options).unwrap();
        writer.write(&table).unwrap();
        writer.write(&table).unwrap();
        return writer.into_inner().unwrap();
    }
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &table.schema(), options).unwrap();
    writer.write(&table).unwrap();
    writer.write(&table).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn parquet(packing: Compression, version: WriterVersion, dictionary: bool) -> Vec<u8> {
    let table = table();
    let properties = WriterProperties::builder()
        .set_compression(packing)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .set_max_row_group_row_count(Some(90))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn mutated_arrow_files_are_damaged_or_read() {
    in_little_memory("damage::files::mutated_arrow_files_are_damaged_or_read", MEMORY, || {
        let packings = [None, Some(CompressionType::ZSTD)];
        for (seed, (stream, packing)) in
            (10..).zip([false, true].into_iter().flat_map(|it| packings.map(|of| (it, of))))
        {
            let bytes = arrow(stream, packing);
            assert_eq!(read("whole", arrow_batches(Cursor::new(bytes.clone()), rows(true))), 400);
            try_all("Arrow", seed, 1_000, |rng| {
                let bytes = mutated(&bytes, rng);
                let _profile = profile_arrow(Cursor::new(bytes.clone()));
                let timed = rng.bool();
                read("Arrow", arrow_batches(Cursor::new(bytes), rows(timed)));
            });
        }
    });
}

#[test]
fn mutated_parquet_files_are_damaged_or_read() {
    in_little_memory("damage::files::mutated_parquet_files_are_damaged_or_read", MEMORY, || {
        let gzip = Compression::GZIP(GzipLevel::default());
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let kinds = [
            (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0, true),
            (Compression::SNAPPY, WriterVersion::PARQUET_1_0, false),
            (gzip, WriterVersion::PARQUET_2_0, true),
            (zstd, WriterVersion::PARQUET_2_0, false),
            (Compression::LZ4_RAW, WriterVersion::PARQUET_2_0, true),
            (Compression::BROTLI(parquet::basic::BrotliLevel::default()), WriterVersion::PARQUET_1_0, true),
        ];
        for (seed, (packing, version, dictionary)) in (20..).zip(kinds) {
            let bytes = parquet(packing, version, dictionary);
            assert_eq!(read("whole", parquet_batches(&Bytes::from(bytes.clone()), rows(true))), 200);
            try_all("Parquet", seed, 700, |rng| {
                let bytes = Bytes::from(mutated(&bytes, rng));
                let _rows = parquet_rows(bytes.clone());
                let _profile = profile_parquet(&bytes);
                let timed = rng.bool();
                read("Parquet", parquet_batches(&bytes, rows(timed)));
            });
        }
    });
}

const CSV: &str = "x,n,k,v,b,d,e,ts\n1.5,2,red,\"a, b\",true,z,\"[1,2]\",2026-03-01T00:00:00Z\n\
                   -3e4,7,\"multi\nline\",c,false,,\"[0.5 2]\",2026-03-01T00:01:00Z\n,,NA,d,True,y,,1772323200000\n";

#[test]
fn mutated_text_files_are_damaged_or_read() {
    in_little_memory("damage::files::mutated_text_files_are_damaged_or_read", MEMORY, || {
        let csv = CSV.as_bytes().repeat(3);
        try_all("CSV", 30, 3_000, |rng| {
            let bytes = mutated(&csv, rng);
            let _profile = profile_csv(Cursor::new(&bytes));
            let timed = rng.bool();
            read("CSV", csv_batches(Cursor::new(bytes), rows(timed)));
        });
        let line = r#"{"x":1.5,"n":2,"k":"red","b":true,"e":[1,2.5],"s":{"deep":1e3},"z":null,"ts":"2026-03-01T00:00:00Z"}"#;
        let lines = format!("{line}\n{line}\n").repeat(5);
        let array = format!("[{line},\n{line},\n{line}]\n");
        for (seed, text) in [(31, lines), (32, array)] {
            try_all("JSON", seed, 3_000, |rng| {
                let bytes = mutated(text.as_bytes(), rng);
                let _profile = profile_json(Cursor::new(&bytes));
                let timed = rng.bool();
                read("JSON", json_batches(Cursor::new(bytes), &rows(timed)));
            });
        }
    });
}

/// One long text in every row of a dictionary: as many copies would be 600 megabytes.
#[test]
fn one_long_value_in_every_row_takes_the_memory_of_one() {
    in_little_memory("damage::files::one_long_value_in_every_row_takes_the_memory_of_one", 500, || {
        let long = "word ".repeat(40_000);
        let values: ArrayRef = Arc::new(StringArray::from(vec![long.as_str()]));
        let keys = arrow::array::Int32Array::from(vec![0; 3_000]);
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).unwrap());
        let table = RecordBatch::try_from_iter([("k", Arc::clone(&dictionary)), ("t", dictionary)]).unwrap();
        let mut arrow = StreamWriter::try_new(Vec::new(), &table.schema()).unwrap();
        arrow.write(&table).unwrap();
        let arrow = arrow.into_inner().unwrap();
        let mut parquet = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut parquet, table.schema(), None).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        let mut rows = rows(false);
        rows.layout.segments.clear();
        rows.schema = ModelSchema::of_features(&[("k", ColumnType::Categorical)]).unwrap();
        assert_eq!(read("Arrow", arrow_batches(Cursor::new(arrow.clone()), rows.clone())), 3_000);
        assert_eq!(read("Parquet", parquet_batches(&Bytes::from(parquet.clone()), rows.clone())), 3_000);
        assert_eq!(profile_arrow(Cursor::new(arrow)).unwrap().columns.len(), 2);
        assert_eq!(profile_parquet(&Bytes::from(parquet)).unwrap().columns.len(), 2);
    });
}
