//! Batches of a text table, bounded in rows, cells and bytes: the reader keeps sixteen bytes a cell and a batch of text.

use std::io::{BufRead, BufReader, Read};

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Decoder;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::dialect::TableDialect;

/// Cells of a batch, about: of a table of many columns fewer rows are read at once.
const CELLS: usize = 2_000_000;
/// Text of a batch, about.
pub(super) const BATCH_BYTES: usize = 32 << 20;
/// Text of a batch, at most. A quote that is never closed makes one row of the rest of the file.
const MOST_BYTES: usize = 256 << 20;

/// How many rows of so many columns are read at once.
pub(super) fn batch_rows(columns: usize, most: usize) -> usize {
    (CELLS / columns.max(1)).clamp(1, most)
}

/// The rows of a text table as text, batch by batch.
pub(super) struct Texts<R> {
    reader: BufReader<R>,
    decoder: Decoder,
    rows: usize,
    done: bool,
}

impl<R: Read> Texts<R> {
    /// `head` is the beginning of the file, by which the length of its rows is guessed.
    pub(super) fn new(reader: R, names: &SchemaRef, dialect: TableDialect, head: &str, most: usize) -> Self {
        let lines = head.bytes().filter(|byte| *byte == b'\n').count().max(1);
        let by_length = (BATCH_BYTES / (head.len() / lines).max(1)).max(1);
        let rows = batch_rows(names.fields().len(), most).min(by_length);
        let decoder = ReaderBuilder::new(names.clone())
            .with_delimiter(dialect.separator)
            .with_batch_size(rows)
            .build_decoder();
        Self { reader: BufReader::new(reader), decoder, rows: 0, done: false }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut bytes = 0usize;
        loop {
            let buffer = self.reader.fill_buf()?;
            let decoded = self.decoder.decode(buffer)?;
            self.reader.consume(decoded);
            if decoded == 0 || self.decoder.capacity() == 0 {
                break;
            }
            bytes = bytes.saturating_add(decoded);
            if bytes > MOST_BYTES {
                return Err(ArrowError::CsvError(format!(
                    "the rows after row {} are longer than {} MiB together; is a quote not closed?",
                    self.rows,
                    MOST_BYTES >> 20
                )));
            }
        }
        let batch = self.decoder.flush()?;
        self.rows = self.rows.saturating_add(batch.as_ref().map_or(0, RecordBatch::num_rows));
        Ok(batch)
    }
}

impl<R: Read> Iterator for Texts<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        self.done = !matches!(batch, Some(Ok(_)));
        batch
    }
}
