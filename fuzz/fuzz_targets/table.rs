//! Files: the first byte says of which format. Profiled as `compare` does, and read with and without event times.
#![no_main]

use std::io::Cursor;
use std::sync::Once;

use bytes::Bytes;
use driftd::record::table::{
    ReadError, ReadItem, TableRows, arrow_batches, csv_batches, json_batches, parquet_batches, parquet_rows,
    profile_arrow, profile_csv, profile_json, profile_parquet,
};
use libfuzzer_sys::fuzz_target;

static BEGIN: Once = Once::new();

fn read(items: Result<impl Iterator<Item = ReadItem>, ReadError>) {
    let Ok(items) = items else { return };
    let mut rows = 0;
    for item in items {
        let Ok(item) = item else { return };
        rows += item.batch.times.len();
        // A row group of nulls says in some bytes that it has millions; that takes time and no memory.
        if rows > 100_000 {
            return;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    BEGIN.call_once(driftd_fuzz::begin);
    let Some((format, bytes)) = data.split_first() else { return };
    let timed = format & 4 != 0;
    let rows = TableRows { schema: driftd_fuzz::schema(), layout: driftd_fuzz::layout(timed), timed };
    match format & 3 {
        0 => {
            let _profile = profile_arrow(Cursor::new(bytes.to_vec()));
            read(arrow_batches(Cursor::new(bytes.to_vec()), rows));
        }
        1 => {
            let bytes = Bytes::copy_from_slice(bytes);
            let _rows = parquet_rows(bytes.clone());
            let _profile = profile_parquet(&bytes);
            read(parquet_batches(&bytes, rows));
        }
        2 => {
            let _profile = profile_csv(Cursor::new(bytes));
            read(csv_batches(Cursor::new(bytes), rows));
        }
        _ => {
            let _profile = profile_json(Cursor::new(bytes));
            read(json_batches(Cursor::new(bytes), &rows));
        }
    }
});
