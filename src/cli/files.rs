//! Data files named on the command line: plain or compressed files, folders of parts, standard input.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest as _, Sha256};

use super::CliError;
use crate::record::Offset;
use crate::record::table::{
    FileFormat, FileProfile, ReadError, ReadItem, TableRows, arrow_batches, csv_batches, json_batches,
    parquet_batches, parquet_rows, profile_arrow, profile_csv, profile_json, profile_parquet, refuse_others,
};

/// Rows of any format.
pub(super) type ReadItems = Box<dyn Iterator<Item = ReadItem>>;

/// A file of records, the parts in a folder, or standard input.
pub(super) struct DataFile {
    path: PathBuf,
    format: FileFormat,
    /// The file itself, or the parts in a folder by name.
    parts: Vec<PathBuf>,
    /// Names of partitions (`country=DE/`) of a folder: values that the files do not hold.
    partitions: Vec<String>,
    /// Standard input, kept so that it can be read more than once.
    spooled: Option<File>,
}

/// Extensions that say how a file is compressed; its first bytes say whether it is.
const COMPRESSED: [&str; 4] = ["gz", "gzip", "zst", "zstd"];

/// Refuses `-` that is given twice.
pub(super) fn once_from_standard_input(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<(), CliError> {
    let given = paths.into_iter().filter(|path| path.as_ref().as_os_str() == "-").count();
    if given > 1 {
        return Err(CliError::Usage("standard input can be read once: give `-` for one file only".to_owned()));
    }
    Ok(())
}

impl DataFile {
    /// Looks at names and first bytes only; `-` reads standard input as JSON into a temporary file.
    pub(super) fn new(path: &Path) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            let failed =
                |error| CliError::Failed(format!("cannot keep standard input in a temporary file: {error}"));
            let mut file = tempfile::tempfile().map_err(failed)?;
            std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(failed)?;
            file.flush().map_err(failed)?;
            return Ok(Self {
                path: "standard input".into(),
                format: FileFormat::JsonLines,
                parts: Vec::new(),
                partitions: Vec::new(),
                spooled: Some(file),
            });
        }
        let (mut parts, mut partitions) = (Vec::new(), Vec::new());
        if path.is_dir() {
            let failed = |error| CliError::Failed(format!("cannot list the folder {}: {error}", path.display()));
            collect(path, 0, &mut parts, &mut partitions).map_err(failed)?;
            parts.retain(|part| format_of(part).is_some());
        } else {
            parts.push(path.to_owned());
        }
        let Some(first) = parts.first() else {
            return Err(CliError::Failed(format!(
                "{}: the folder holds no file of a known format\nhint: name a file, or a folder of {}",
                path.display(),
                FileFormat::EXTENSIONS
            )));
        };
        let format = format_of(first).ok_or_else(|| {
            CliError::Failed(format!(
                "{}: the format is not known by this extension\nhint: name the file {}",
                path.display(),
                FileFormat::EXTENSIONS,
            ))
        })?;
        if let Some(other) = parts.iter().find(|part| format_of(part) != Some(format)) {
            return Err(CliError::Failed(format!(
                "{}: the folder holds files of several formats, such as {} and {}\nhint: name one of them, or move the others away",
                path.display(),
                short_name(first),
                short_name(other)
            )));
        }
        Ok(Self { path: path.to_owned(), format, parts, partitions, spooled: None })
    }

    /// How messages call it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its name without folders, for reports.
    pub(super) fn short_name(&self) -> String {
        short_name(&self.path)
    }

    /// Its size in bytes, and the SHA-256 of its bytes in base64: of all parts one after the other.
    pub(super) fn identity(&self) -> io::Result<(u64, String)> {
        let mut hash = Sha256::new();
        let mut size = 0_u64;
        let mut buffer = vec![0; 1 << 16];
        for part in 0..self.count() {
            let mut file = self.open(part).map_err(io::Error::other)?;
            loop {
                let read = file.read(&mut buffer)?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                hash.update(bytes);
                size += bytes.len() as u64;
            }
        }
        Ok((size, base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, hash.finalize())))
    }

    /// About how many rows it has: what Parquet says, otherwise its size over that of its first rows.
    pub(super) fn row_estimate(&self) -> Option<u64> {
        (0..self.count()).map(|part| self.rows_of(part)).sum()
    }

    fn rows_of(&self, part: usize) -> Option<u64> {
        let file = self.open(part).ok()?;
        match self.format {
            FileFormat::Parquet => parquet_rows(file),
            FileFormat::Arrow => None,
            FileFormat::Csv | FileFormat::JsonLines => {
                let size = file.metadata().ok()?.len();
                // What a compressed file unpacks to is not known.
                let mut head = Vec::new();
                plain(file).ok().flatten()?.take(ESTIMATED_BY).read_to_end(&mut head).ok()?;
                let lines = (head.split(|byte| *byte == b'\n').count() - 1).max(1) as u64;
                Some(size / (head.len() as u64 / lines).max(1))
            }
        }
    }

    /// How many files it is.
    fn count(&self) -> usize {
        self.parts.len().max(1)
    }

    fn open(&self, part: usize) -> Result<File, ReadError> {
        match (&self.spooled, self.parts.get(part)) {
            (Some(file), _) => {
                let mut again = file.try_clone()?;
                again.seek(SeekFrom::Start(0))?;
                Ok(again)
            }
            (None, part) => Ok(File::open(part.unwrap_or(&self.path))?),
        }
    }

    /// Its columns and their types: those of the first part.
    pub(super) fn profile(&self) -> Result<FileProfile, ReadError> {
        let file = checked(self.open(0)?, self.format)?;
        let mut profile = match self.format {
            FileFormat::Parquet => profile_parquet(&Chunks::of(file))?,
            FileFormat::Arrow => profile_arrow(BufReader::new(file))?,
            FileFormat::Csv => profile_csv(unpacked(file)?)?,
            FileFormat::JsonLines => profile_json(unpacked(file)?)?,
        };
        if self.count() > 1 {
            profile.complete = false;
            profile.remarks.push(format!("a folder of {} files", self.count()));
        }
        if !self.partitions.is_empty() {
            profile.remarks.push(format!(
                "the folder is partitioned by {}, which its files do not hold: not compared",
                self.partitions.join(", ")
            ));
        }
        Ok(profile)
    }

    /// Its rows, of all parts one after the other.
    pub(super) fn rows(&self, rows: &TableRows) -> Result<ReadItems, ReadError> {
        let first = self.part_rows(0, rows)?;
        let mut others = Vec::new();
        for part in 1..self.count() {
            // Opened when it is reached, so that a folder of many parts does not need as many open files.
            let (file, format, rows) = (self.parts.get(part).cloned(), self.format, rows.clone());
            others.push(move || {
                let file = file.unwrap_or_default();
                let name = short_name(&file);
                let rows = File::open(file).map_err(ReadError::from).and_then(|file| read(file, format, &rows));
                (name, rows)
            });
        }
        let others = others.into_iter().flat_map(|open| -> ReadItems {
            let (name, rows) = open();
            let of_part = move |error| ReadError::Part { name: name.clone(), source: Box::new(error) };
            match rows {
                Ok(rows) => Box::new(rows.map(move |item| item.map_err(&of_part))),
                Err(error) => Box::new(std::iter::once(Err(of_part(error)))),
            }
        });
        let mut next = Offset::default();
        Ok(Box::new(first.chain(others).map(move |item| {
            item.map(|mut batch| {
                for offset in &mut batch.batch.offsets {
                    *offset = next;
                    next = next.after();
                }
                batch
            })
        })))
    }

    fn part_rows(&self, part: usize, rows: &TableRows) -> Result<ReadItems, ReadError> {
        let read = self.open(part).and_then(|file| read(file, self.format, rows));
        read.map_err(|error| match self.parts.get(part).filter(|_| self.count() > 1) {
            Some(file) => ReadError::Part { name: short_name(file), source: Box::new(error) },
            None => error,
        })
    }
}

fn read(file: File, format: FileFormat, rows: &TableRows) -> Result<ReadItems, ReadError> {
    let file = checked(file, format)?;
    Ok(match format {
        FileFormat::Parquet => Box::new(parquet_batches(&Chunks::of(file), rows.clone())?),
        FileFormat::Arrow => Box::new(arrow_batches(BufReader::new(file), rows.clone())?),
        FileFormat::Csv => Box::new(csv_batches(unpacked(file)?, rows.clone())?),
        FileFormat::JsonLines => Box::new(json_batches(unpacked(file)?, rows)?),
    })
}

/// The files in a folder and the folders in it, by name; what Spark and others leave beside them (`_SUCCESS`, `.crc`) is
/// passed over.
fn collect(
    folder: &Path,
    depth: usize,
    parts: &mut Vec<PathBuf>,
    partitions: &mut Vec<String>,
) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        let name = short_name(&entry);
        let is_table = name == "_delta_log" || (name == "metadata" && has_table_metadata(&entry));
        if is_table {
            return Err(std::io::Error::other(format!(
                "it is a Delta or Iceberg table (`{name}`), whose files may hold deleted rows\n\
                 hint: export the rows of the table as Parquet"
            )));
        }
        if name.starts_with(['_', '.']) {
            continue;
        }
        if !entry.is_dir() {
            parts.push(entry);
        } else if entry.is_symlink() {
            // It may lead to a folder that is read already, or to this one.
        } else if depth < DEEPEST {
            if let Some((key, _)) = name.split_once('=')
                && !partitions.iter().any(|known| known == key)
            {
                partitions.push(key.to_owned());
            }
            collect(&entry, depth + 1, parts, partitions)?;
        }
    }
    Ok(())
}

/// Whether a folder is where Iceberg keeps what its table consists of.
fn has_table_metadata(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".metadata.json"))
}

/// Bytes at the beginning of a text by which the number of its rows is guessed.
const ESTIMATED_BY: u64 = 1 << 20;
/// Folders in folders that are looked into.
const DEEPEST: usize = 8;

/// The format of a file: by its first bytes where they say it, otherwise by its extension.
fn format_of(path: &Path) -> Option<FileFormat> {
    let mut magic = [0u8; 6];
    let read = File::open(path).and_then(|mut file| file.read(&mut magic)).unwrap_or(0);
    match magic.get(..read) {
        Some([b'P', b'A', b'R', b'1', ..]) => return Some(FileFormat::Parquet),
        Some(b"ARROW1" | [0xff, 0xff, 0xff, 0xff, ..]) => return Some(FileFormat::Arrow),
        _ => {}
    }
    let extension =
        |path: &Path| path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let last = extension(path)?;
    let format = if COMPRESSED.contains(&last.as_str()) { extension(&path.with_extension(""))? } else { last };
    FileFormat::from_extension(&format)
}

/// The file, unless it is none of its format: empty, another one, compressed as a whole, or text.
fn checked(mut file: File, format: FileFormat) -> Result<File, ReadError> {
    if file.metadata().is_ok_and(|about| about.is_file() && about.len() == 0) {
        return Err(ReadError::Layout {
            found: "empty: it has 0 bytes".to_owned(),
            hint: "was it written to its end?",
        });
    }
    if matches!(format, FileFormat::Csv | FileFormat::JsonLines) {
        return Ok(file);
    }
    let mut head = [0u8; 64];
    let read = file.read(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let head = head.get(..read).unwrap_or_default();
    refuse_others(head)?;
    if let Some(packing) = packing_of(&file)? {
        return Err(ReadError::Layout {
            found: format!("compressed with {packing} as a whole"),
            hint: "unpack it: Parquet and Arrow files are compressed inside",
        });
    }
    let is_text = head.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    if is_text
        && std::str::from_utf8(head).is_ok_and(|text| !text.starts_with("PAR1") && !text.starts_with("ARROW1"))
    {
        let begin: String =
            String::from_utf8_lossy(head).chars().take(30).filter(|letter| !letter.is_control()).collect();
        return Err(ReadError::Layout {
            found: format!("text, though its name says otherwise: it begins \"{begin}\""),
            hint: "name it .csv or .jsonl",
        });
    }
    Ok(file)
}

/// How files may be compressed: the first bytes, the name, and whether it is read.
const PACKED: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"PK\x03\x04", "zip"),
];

fn packing_of(mut file: &File) -> Result<Option<&'static str>, ReadError> {
    let mut magic = [0u8; 6];
    let read = file.read(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let head = magic.get(..read).unwrap_or_default();
    Ok(PACKED.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name))
}

/// The file when it is not compressed.
fn plain(file: File) -> Result<Option<File>, ReadError> {
    Ok(packing_of(&file)?.is_none().then_some(file))
}

/// The text of a file that may be compressed.
fn unpacked(file: File) -> Result<Box<dyn Read>, ReadError> {
    Ok(match packing_of(&file)? {
        None => Box::new(BufReader::new(file)),
        Some("gzip") => {
            let packed = file.metadata()?.len();
            Box::new(Unpacked::of(packed, flate2::read::MultiGzDecoder::new(BufReader::new(file))))
        }
        Some("zstd") => Box::new(Unpacked::of(file.metadata()?.len(), zstd::Decoder::new(file)?)),
        Some(packing) => {
            return Err(ReadError::Layout {
                found: format!("compressed with {packing}, which is not read"),
                hint: "unpack it, or compress it with gzip or zstd",
            });
        }
    })
}

/// What a file may unpack to whatever it takes packed, in bytes.
const UNPACKED_AT_LEAST: u64 = 1 << 30;
/// What a file may unpack to, times what it takes packed: more than data ever does, less than a bomb.
const UNPACKED_TIMES: u64 = 1_000;

/// A text that is unpacked, up to what data unpacks to.
struct Unpacked<R> {
    reader: R,
    packed: u64,
    left: u64,
}

impl<R> Unpacked<R> {
    fn of(packed: u64, reader: R) -> Self {
        Self { reader, packed, left: UNPACKED_AT_LEAST.max(packed.saturating_mul(UNPACKED_TIMES)) }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!(
                "its {} bytes unpack to more than {UNPACKED_TIMES} times as many, as no data does\nhint: unpack it and look at it",
                self.packed
            ))
        })?;
        Ok(read)
    }
}

/// A file that may be read at several places, in which a Parquet file is opened once.
#[derive(Clone)]
struct Chunks(Arc<File>);

impl Chunks {
    fn of(file: File) -> Self {
        Self(Arc::new(file))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(parquet::errors::ParquetError::EOF("a part lies beyond the file".to_owned()));
        }
        self.0.get_bytes(start, length)
    }
}

/// The name of a file without folders.
pub(super) fn short_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
