//! Data files named on the command line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::CliError;
use crate::record::table::{
    FileColumn, FileFormat, ReadError, ReadItem, SAMPLE_ROWS, TableRows, arrow_batches, csv_batches, csv_header,
    infer_fields, infer_json_lines, infer_rows, json_lines_batches, parquet_batches,
};

/// Rows of any format.
pub(super) type Rows = Box<dyn Iterator<Item = ReadItem>>;

/// A file of records, or standard input.
pub(super) struct DataFile {
    path: PathBuf,
    format: FileFormat,
    /// Standard input, kept so that it can be read more than once.
    spooled: Option<File>,
}

impl DataFile {
    /// Looks at the name only; `-` reads standard input as JSON lines into a temporary file.
    pub(super) fn new(path: &Path) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            let failed =
                |error| CliError::Failed(format!("cannot keep standard input in a temporary file: {error}"));
            let mut file = tempfile::tempfile().map_err(failed)?;
            std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(failed)?;
            file.flush().map_err(failed)?;
            return Ok(Self { path: "standard input".into(), format: FileFormat::JsonLines, spooled: Some(file) });
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let format = FileFormat::from_extension(extension).ok_or_else(|| {
            CliError::Failed(format!(
                "{}: the format is not known by this extension\nhint: name the file {}",
                path.display(),
                FileFormat::EXTENSIONS,
            ))
        })?;
        Ok(Self { path: path.to_owned(), format, spooled: None })
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its name without folders, for reports.
    pub(super) fn short_name(&self) -> String {
        short_name(&self.path)
    }

    /// About how many rows it has: what Parquet says, otherwise its size over that of its first rows.
    pub(super) fn row_estimate(&self) -> Option<u64> {
        let file = self.open().ok()?;
        let size = file.metadata().ok()?.len();
        match self.format {
            FileFormat::Parquet => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(file).ok()?;
                u64::try_from(builder.metadata().file_metadata().num_rows()).ok()
            }
            FileFormat::Arrow => None,
            FileFormat::Csv | FileFormat::JsonLines => {
                let lines: Vec<Vec<u8>> =
                    BufReader::new(file).split(b'\n').take(1_000).collect::<Result<_, _>>().ok()?;
                let bytes = lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
                Some(size * lines.len() as u64 / bytes.max(1))
            }
        }
    }

    fn open(&self) -> Result<File, ReadError> {
        match &self.spooled {
            Some(file) => {
                let mut again = file.try_clone()?;
                again.seek(SeekFrom::Start(0))?;
                Ok(again)
            }
            None => Ok(File::open(&self.path)?),
        }
    }

    /// Its columns and their types.
    pub(super) fn columns(&self) -> Result<Vec<FileColumn>, ReadError> {
        let file = self.open()?;
        match self.format {
            FileFormat::Parquet => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(SAMPLE_ROWS);
                let schema = builder.schema().clone();
                let sample = builder.with_limit(SAMPLE_ROWS).build()?.next().transpose()?;
                Ok(infer_fields(schema.fields(), sample.as_ref()))
            }
            FileFormat::Arrow => {
                let mut reader = FileReader::try_new(file, None)?;
                let schema = reader.schema();
                let sample = reader.next().transpose()?;
                Ok(infer_fields(schema.fields(), sample.as_ref()))
            }
            FileFormat::Csv => {
                let mut reader = BufReader::new(file);
                let names = csv_header(&mut reader)?;
                let mut rows = ReaderBuilder::new(names.clone()).with_batch_size(SAMPLE_ROWS).build(reader)?;
                Ok(infer_rows(&rows.next().transpose()?.unwrap_or_else(|| RecordBatch::new_empty(names))))
            }
            FileFormat::JsonLines => {
                let lines: Vec<Vec<u8>> =
                    BufReader::new(file).split(b'\n').take(SAMPLE_ROWS).collect::<Result<_, _>>()?;
                Ok(infer_json_lines(lines.iter().map(Vec::as_slice)))
            }
        }
    }

    /// Its rows.
    pub(super) fn rows(&self, rows: &TableRows) -> Result<Rows, ReadError> {
        let file = self.open()?;
        Ok(match self.format {
            FileFormat::Parquet => Box::new(parquet_batches(file, rows.clone())?),
            FileFormat::Arrow => Box::new(arrow_batches(BufReader::new(file), rows.clone())?),
            FileFormat::Csv => Box::new(csv_batches(BufReader::new(file), rows.clone())?),
            FileFormat::JsonLines => Box::new(json_lines_batches(BufReader::new(file), rows)),
        })
    }
}

/// The name of a file without folders.
pub(super) fn short_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
