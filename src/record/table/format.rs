//! What a file is, by its name and by how it begins.

use std::io::{Cursor, Read};

use super::documents::HEAD;
use super::error::ReadError;

/// The formats files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Parquet,
    /// The Arrow IPC file format, also known as Feather 2.
    Arrow,
    /// CSV with a header line, or with other separators.
    Csv,
    /// JSON objects: one a line, in an array, or one after the other.
    JsonLines,
}

impl FileFormat {
    /// The extensions known, for messages.
    pub const EXTENSIONS: &'static str =
        ".parquet, .csv, .tsv, .jsonl, .json or .arrow (text also compressed: .gz, .zst)";

    /// The format of a file's extension.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            "csv" | "tsv" | "txt" => Self::Csv,
            "jsonl" | "ndjson" | "json" => Self::JsonLines,
            _ => return None,
        })
    }
}

/// The beginning of a file, and the whole of it again.
pub(super) fn peeked<R: Read>(mut reader: R) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::with_capacity(HEAD);
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

/// Refuses a file that is no table of any kind, by how it begins.
///
/// # Errors
/// With what it is, and what to do.
pub fn refuse_others(head: &[u8]) -> Result<(), ReadError> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let known: [(&[u8], &str, &str); 6] = [
        (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch it with: git lfs pull"),
        (b"<", "HTML or XML", "was it downloaded without logging in?"),
        (b"SQLite format 3", "a SQLite database", "export the table as CSV or Parquet"),
        (b"%PDF", "a PDF", "name a file of records"),
        (b"PK\x03\x04", "a zip file or a spreadsheet", "unpack it, or export it as CSV"),
        (b"\xd0\xcf\x11\xe0", "a spreadsheet or document of an old office suite", "export it as CSV"),
    ];
    match known.iter().find(|(magic, ..)| text.starts_with(magic)) {
        Some((_, found, hint)) => Err(ReadError::Layout { found: (*found).to_owned(), hint }),
        None => Ok(()),
    }
}

/// The beginning of a text file as text; the last character may be cut.
pub(super) fn text_of(head: &[u8]) -> Result<&str, ReadError> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(ReadError::Encoding { found: "UTF-16", encoding: "UTF-16" });
    }
    match std::str::from_utf8(head) {
        Ok(text) => Ok(text),
        Err(error) if error.error_len().is_none() => {
            Ok(std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default())
        }
        Err(_) => Err(OTHER_ENCODING),
    }
}

/// Most text that is not UTF-8 is in the encoding of Western European Windows.
pub(super) const OTHER_ENCODING: ReadError =
    ReadError::Encoding { found: "another encoding, such as Windows-1252 or Latin-1", encoding: "WINDOWS-1252" };
