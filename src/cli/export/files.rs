//! Parquet files that have their names once they are whole.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use crate::cli::CliError;
use crate::record::EventTime;
use crate::view::{Table, batch};

/// Rows of a batch, and of a group of rows in a file: what is in memory of a table.
const BATCH: usize = 2_048;
const ROW_GROUP: usize = 8 * BATCH;

/// The files that an export has.
const NAMES: [&str; 4] = ["windows.parquet", "findings.parquet", "columns.parquet", "alerts.parquet"];

/// Where files are written.
pub(super) struct Folder {
    path: PathBuf,
    replace: bool,
}

/// What is in the files, for those who read them.
pub(super) struct About<'a> {
    pub(super) from: EventTime,
    pub(super) to: Option<EventTime>,
    pub(super) monitors: &'a [String],
}

/// A file that is being written, under a name of its own.
pub(super) struct TableFile<T> {
    name: &'static str,
    writer: ArrowWriter<NamedTempFile>,
    pending: Vec<T>,
    rows: u64,
}

/// A file that is whole and on the disk, and does not have its name yet.
pub(super) struct WholeFile {
    name: &'static str,
    file: NamedTempFile,
    rows: u64,
    bytes: u64,
}

fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Failed(format!("cannot write {}: {error}", path.display()))
}

fn there_already(paths: &[String]) -> CliError {
    let verb = if paths.len() == 1 { "exists" } else { "exist" };
    CliError::Failed(format!(
        "{} {verb}; nothing was exported\nhint: choose another folder, or replace them with --force",
        paths.join(", ")
    ))
}

impl Folder {
    /// The folder, made if it is not there. Without `replace`, files of an earlier export are refused.
    pub(super) fn new(path: &Path, replace: bool) -> Result<Self, CliError> {
        fs::create_dir_all(path)
            .map_err(|error| CliError::Failed(format!("cannot use the folder {}: {error}", path.display())))?;
        let there = NAMES.map(|name| path.join(name)).into_iter().filter(|path| path.symlink_metadata().is_ok());
        let there: Vec<String> = there.map(|path| path.display().to_string()).collect();
        if !replace && !there.is_empty() {
            return Err(there_already(&there));
        }
        Ok(Self { path: path.to_owned(), replace })
    }

    /// Begins a file.
    pub(super) fn begin<T: Table>(&self, name: &'static str, about: &About<'_>) -> Result<TableFile<T>, CliError> {
        let path = self.path.join(name);
        // As any other file that is made: the umask says who may read it.
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.path)
            .map_err(|error| unwritten(&path, &error))?;
        let schema = batch::<T>(&[]).map_err(|error| unwritten(&path, &error))?.schema();
        let writer = ArrowWriter::try_new(file, schema, Some(properties(about)));
        let writer = writer.map_err(|error| unwritten(&path, &error))?;
        Ok(TableFile { name, writer, pending: Vec::with_capacity(BATCH), rows: 0 })
    }

    /// Gives a file its name. One that has appeared meanwhile is not replaced unless that is wanted.
    pub(super) fn name(&self, whole: WholeFile) -> Result<PathBuf, CliError> {
        let path = self.path.join(whole.name);
        let named = if self.replace { whole.file.persist(&path) } else { whole.file.persist_noclobber(&path) };
        match named {
            Ok(_) => Ok(path),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(there_already(&[path.display().to_string()]))
            }
            Err(failed) => Err(unwritten(&path, &failed.error)),
        }
    }

    /// Has the names of the files on the disk, too: what is exported may be deleted from the database next.
    pub(super) fn settle(&self) -> Result<(), CliError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|error| unwritten(&self.path, &error))
    }
}

fn properties(about: &About<'_>) -> WriterProperties {
    let said = |key: &str, value: String| KeyValue::new(format!("driftd.{key}"), value);
    let mut metadata = vec![
        said("version", env!("CARGO_PKG_VERSION").to_owned()),
        said("from", about.from.to_string()),
        said("monitors", serde_json::Value::from(about.monitors).to_string()),
    ];
    metadata.extend(about.to.map(|to| said("to", to.to_string())));
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_created_by(format!("driftd {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(metadata))
        .build()
}

impl<T: Table> TableFile<T> {
    /// Adds a row.
    pub(super) fn push(&mut self, row: T) -> Result<(), CliError> {
        self.pending.push(row);
        if self.pending.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), CliError> {
        let written = batch(&self.pending).map_err(ParquetError::from).and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| unwritten(Path::new(self.name), &error))?;
        self.rows += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes what is left, and waits until all of it is on the disk.
    pub(super) fn finish(mut self) -> Result<WholeFile, CliError> {
        self.flush()?;
        let Self { name, writer, rows, .. } = self;
        let failed = |error: &dyn std::fmt::Display| unwritten(Path::new(name), error);
        let file = writer.into_inner().map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        let bytes = file.as_file().metadata().map_err(|error| failed(&error))?.len();
        Ok(WholeFile { name, file, rows, bytes })
    }
}

impl WholeFile {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::RowGroupMetaData;

    use super::*;

    /// A row of one number.
    struct Number(i64);

    impl Table for Number {
        fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
            vec![("number", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>()))]
        }
    }

    fn about() -> About<'static> {
        About { from: EventTime::default(), to: None, monitors: &[] }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_its_rows_in_groups() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(&place.path().join("a/b"), false).unwrap();
        let mut file = folder.begin::<Number>("windows.parquet", &about()).unwrap();
        let rows = 2 * ROW_GROUP as i64 + 7;
        for number in 0..rows {
            file.push(Number(number)).unwrap();
            assert!(file.pending.len() < BATCH && file.writer.in_progress_rows() <= ROW_GROUP);
        }
        let whole = file.finish().unwrap();
        let [only] = names(&folder.path).try_into().unwrap();
        assert!(only.starts_with(".windows.parquet.") && only.ends_with(".partial"), "{only}");
        let path = folder.name(whole).unwrap();
        folder.settle().unwrap();
        assert_eq!(names(&folder.path), ["windows.parquet"]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(fs::read(path).unwrap())).unwrap();
        let groups: Vec<i64> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(groups, [ROW_GROUP as i64, ROW_GROUP as i64, 7]);
        let numbers = reader.build().unwrap().flat_map(|batch| {
            let numbers = Int64Array::from(batch.unwrap().column(0).to_data());
            numbers.values().to_vec()
        });
        assert!(numbers.eq(0..rows));
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_and_what_is_there_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path(), false).unwrap();
        let mut file = folder.begin::<Number>("alerts.parquet", &about()).unwrap();
        file.push(Number(1)).unwrap();
        drop(file);
        assert_eq!(names(place.path()), [""; 0]);
        // It appears while another one is being written.
        let whole = folder.begin::<Number>("alerts.parquet", &about()).unwrap().finish().unwrap();
        fs::write(place.path().join("alerts.parquet"), "mine").unwrap();
        let refused = folder.name(whole).unwrap_err().to_string();
        assert!(refused.contains("alerts.parquet exists"), "{refused}");
        assert_eq!(fs::read_to_string(place.path().join("alerts.parquet")).unwrap(), "mine");
        assert_eq!(names(place.path()), ["alerts.parquet"]);
        let refused = Folder::new(place.path(), false).err().unwrap().to_string();
        assert!(refused.contains("alerts.parquet exists") && refused.contains("--force"), "{refused}");
        let folder = Folder::new(place.path(), true).unwrap();
        folder.name(folder.begin::<Number>("alerts.parquet", &about()).unwrap().finish().unwrap()).unwrap();
        assert_ne!(fs::read(place.path().join("alerts.parquet")).unwrap(), b"mine");
    }
}
