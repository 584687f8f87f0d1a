//! The JSON documents of a file: one a line, an array of them, or one after the other over several lines.

use std::io::{self, BufRead, BufReader, Read};

use crate::record::value::shortened;

use super::error::ReadError;
use super::format::{OTHER_ENCODING, peeked, refuse_others};

/// How documents follow one another in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DocumentLayout {
    /// One a line; a broken line costs itself.
    Lines,
    /// Between the brackets of one array, or one after the other, with line breaks inside.
    Documents,
}

/// Bytes at the beginning of a file by which its layout is known.
pub(super) const HEAD: usize = 1 << 16;

/// The longest document that is read, in bytes. What is longer costs itself, and no memory.
pub(super) const LONGEST: usize = 16 << 20;

/// What follows in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextDocument {
    /// A document, handed over.
    Document,
    /// A document that is too long, passed over.
    TooLong,
    /// Nothing.
    End,
}

/// The documents of a file, one by one.
pub(super) struct Documents<R> {
    reader: R,
    layout: DocumentLayout,
    opened: bool,
    longest: usize,
}

impl<R: Read> Documents<BufReader<R>> {
    /// The documents of a whole file.
    ///
    /// # Errors
    /// As [`Documents::new`], and when the file is none of JSON.
    pub(super) fn of(reader: R) -> Result<Documents<BufReader<impl Read>>, ReadError> {
        let (head, reader) = peeked(reader)?;
        refuse_others(&head)?;
        refuse_encodings(&head)?;
        refuse_text(&head)?;
        Documents::new(&head, BufReader::new(reader))
    }
}

/// UTF-16, and text of which many lines are not UTF-8: a broken line costs itself, another encoding costs what has accents.
fn refuse_encodings(head: &[u8]) -> Result<(), ReadError> {
    if head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || head.iter().take(64).filter(|byte| **byte == 0).count() > 16
    {
        return Err(ReadError::Encoding { found: "UTF-16", encoding: "UTF-16" });
    }
    // The last line may be cut within a character.
    let lines = head.split(|byte| *byte == b'\n').rev().skip(1);
    let (mut all, mut broken) = (0usize, 0usize);
    for line in lines {
        all += 1;
        broken += usize::from(std::str::from_utf8(line).is_err());
    }
    if broken * 20 > all { Err(OTHER_ENCODING) } else { Ok(()) }
}

/// Text of which no line of the first ones begins as JSON does.
fn refuse_text(head: &[u8]) -> Result<(), ReadError> {
    let text = trimmed(head);
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .take(LINES)
        .map(<[u8]>::trim_ascii_start)
        .filter(|line| !line.is_empty());
    let json = |line: &[u8]| {
        line.first().is_some_and(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b'"' | b',' | 0x1e | 0xef | 0))
    };
    if text.is_empty() || lines.any(json) {
        return Ok(());
    }
    let begin = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    Err(ReadError::Layout {
        found: format!("text that is no JSON: it begins \"{}\"", shortened(&begin)),
        hint: "name it after what it is, such as .csv",
    })
}

/// Lines looked at before a file is taken for something else.
const LINES: usize = 20;

impl<R: BufRead> Documents<R> {
    /// Looks at the beginning of a file, `head`, which `reader` gives again.
    ///
    /// # Errors
    /// When the file is one document of columns instead of records, or no UTF-8.
    pub(super) fn new(head: &[u8], reader: R) -> Result<Self, ReadError> {
        refuse_columns(head)?;
        Ok(Self { reader, layout: layout_of(head), opened: false, longest: LONGEST })
    }

    /// Takes documents of at most so many bytes, if that is fewer than [`LONGEST`].
    pub(super) fn up_to(mut self, bytes: usize) -> Self {
        self.longest = bytes.min(LONGEST);
        self
    }

    /// The longest document that is handed over, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The next document, white space around it included.
    pub(super) fn next(&mut self, document: &mut Vec<u8>) -> io::Result<NextDocument> {
        match self.layout {
            DocumentLayout::Lines => self.next_line(document),
            DocumentLayout::Documents => self.next_document(document),
        }
    }

    fn next_line(&mut self, document: &mut Vec<u8>) -> io::Result<NextDocument> {
        let most = self.longest.saturating_add(1);
        loop {
            document.clear();
            let read = self.reader.by_ref().take(most as u64).read_until(b'\n', document)?;
            if read == 0 {
                return Ok(NextDocument::End);
            }
            if read == most && !document.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
                document.clear();
                return Ok(NextDocument::TooLong);
            }
            if !document.iter().all(u8::is_ascii_whitespace) {
                return Ok(NextDocument::Document);
            }
        }
    }

    fn next_document(&mut self, document: &mut Vec<u8>) -> io::Result<NextDocument> {
        document.clear();
        let mut scan = Scan::default();
        let mut too_long = false;
        let found = |document: &Vec<u8>, too_long: bool| match (too_long, document.is_empty()) {
            (true, _) => NextDocument::TooLong,
            (false, true) => NextDocument::End,
            (false, false) => NextDocument::Document,
        };
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(found(document, too_long));
            }
            let mut taken = 0;
            let mut ended = false;
            for byte in buffer {
                taken += 1;
                if document.is_empty() {
                    let between =
                        byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | 0x1e | 0xef | 0xbb | 0xbf);
                    if between || (*byte == b'[' && !self.opened) {
                        self.opened |= *byte == b'[';
                        continue;
                    }
                }
                let step = scan.step(*byte);
                // What ends a number or word is not part of it.
                ended = !matches!(step, ScanStep::Inside);
                if !matches!(step, ScanStep::Beyond) {
                    if document.len() < self.longest {
                        document.push(*byte);
                    } else {
                        too_long = true;
                    }
                }
                if ended {
                    break;
                }
            }
            self.reader.consume(taken);
            if ended {
                return Ok(found(document, too_long));
            }
        }
    }
}

/// Where in a document a byte stands.
#[derive(Default)]
struct Scan {
    depth: usize,
    quoted: bool,
    escaped: bool,
    begun: bool,
}

enum ScanStep {
    Inside,
    Last,
    Beyond,
}

impl Scan {
    fn step(&mut self, byte: u8) -> ScanStep {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.quoted = false;
                    if self.depth == 0 {
                        return ScanStep::Last;
                    }
                }
                _ => {}
            }
            return ScanStep::Inside;
        }
        match byte {
            b'"' => self.quoted = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return ScanStep::Last;
                }
            }
            _ if self.depth == 0 && !first && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']')) => {
                return ScanStep::Beyond;
            }
            _ => {}
        }
        ScanStep::Inside
    }
}

/// Where the first document of a text ends; `None` when it does not end in it.
fn end_of_first(text: &[u8]) -> Option<usize> {
    let mut scan = Scan::default();
    text.iter().position(|byte| matches!(scan.step(*byte), ScanStep::Last | ScanStep::Beyond)).map(|last| last + 1)
}

fn trimmed(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

fn layout_of(head: &[u8]) -> DocumentLayout {
    let text = trimmed(head);
    let end = end_of_first(text);
    let first = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let rest = end.and_then(|end| text.get(end..)).unwrap_or_default();
    let alone = rest.trim_ascii().is_empty();
    let same_line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match text.first() {
        Some(b'[') if alone => DocumentLayout::Documents,
        // Also several in a line, with commas at line ends, or behind record separators (RFC 7464).
        Some(0x1e) => DocumentLayout::Documents,
        Some(b'{') if first.contains(&b'\n') || !same_line.trim_ascii().is_empty() => DocumentLayout::Documents,
        _ => DocumentLayout::Lines,
    }
}

/// What data frames write as one document of columns, by its first bytes.
const COLUMNS: [(&str, &str); 4] = [
    (r#"^\{"(\\.|[^"\\])*":\{"0":"#, "an object of columns (orient=\"columns\")"),
    (r#"^\{"columns":\["#, "an object of column names, index and data (orient=\"split\")"),
    (r#"^\{"schema":\{"fields":\["#, "a table schema with data (orient=\"table\")"),
    (r#"^\{"0":\{"#, "an object of rows by number (orient=\"index\")"),
];

fn refuse_columns(head: &[u8]) -> Result<(), ReadError> {
    let text = trimmed(head);
    let end = end_of_first(text);
    if end.is_some_and(|end| !text.get(end..).unwrap_or_default().trim_ascii().is_empty()) {
        return Ok(());
    }
    // Blanks outside of names make no difference, and those in names do not matter here.
    let start: String = String::from_utf8_lossy(text.get(..text.len().min(4_096)).unwrap_or_default())
        .split_whitespace()
        .collect();
    for (pattern, what) in COLUMNS {
        if regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&start)) {
            return Err(ReadError::Layout {
                found: format!("one JSON document, {what}"),
                hint: "write one object per line: to_json(path, orient=\"records\", lines=True)",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<String> {
        // A small buffer, so that documents lie across its ends.
        let reader = io::BufReader::with_capacity(5, text.as_bytes());
        let mut documents = Documents::new(text.as_bytes(), reader).unwrap();
        let (mut found, mut document) = (Vec::new(), Vec::new());
        while documents.next(&mut document).unwrap() != NextDocument::End {
            found.push(String::from_utf8(document.clone()).unwrap().trim().to_owned());
        }
        found
    }

    #[test]
    fn lines_arrays_and_documents_over_several_lines_are_read() {
        assert_eq!(documents("{\"a\":1}\n\n{\"a\":2}"), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(documents(r#"[{"a":"]}"},{"a":"\"{"}]"#), [r#"{"a":"]}"}"#, r#"{"a":"\"{"}"#]);
        assert_eq!(documents("[\n {\"a\": 1},\n {\"a\": [2]}\n]\n"), [r#"{"a": 1}"#, r#"{"a": [2]}"#]);
        assert_eq!(documents("{\n\"a\":1\n}\n{\n\"a\":2}"), ["{\n\"a\":1\n}", "{\n\"a\":2}"]);
        assert_eq!(documents("{\"a\":1}{\"a\":2}"), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(documents("{\"a\":1},\n{\"a\":2},\n"), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(documents("\u{1e}{\"a\":1}\n\u{1e}{\"a\":2}\n"), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(documents("[1, \"x\", null]"), ["1", "\"x\"", "null"]);
        assert_eq!(documents(""), [""; 0]);
        assert_eq!(documents("[]"), [""; 0]);
    }

    #[test]
    fn what_is_too_long_is_passed_over_and_costs_itself() {
        for text in [
            "{\"a\":1}\n{\"a\":\"xxxxxxxxxxxxxxxx\"}\n{\"a\":2}",
            "[{\"a\":1},{\"a\":\"xxxxxxxxxxxxxx\"},{\"a\":2}]",
        ] {
            let reader = io::BufReader::with_capacity(5, text.as_bytes());
            let mut documents = Documents::new(text.as_bytes(), reader).unwrap().up_to(10);
            let mut document = Vec::new();
            let found: Vec<NextDocument> =
                std::iter::from_fn(|| Some(documents.next(&mut document).unwrap())).take(4).collect();
            assert_eq!(
                found,
                [NextDocument::Document, NextDocument::TooLong, NextDocument::Document, NextDocument::End],
                "{text}"
            );
        }
    }

    #[test]
    fn lines_that_are_arrays_stay_lines() {
        assert_eq!(documents("[{\"a\":1}]\n[{\"a\":2}]\n"), [r#"[{"a":1}]"#, r#"[{"a":2}]"#]);
    }

    #[test]
    fn a_document_cut_off_is_handed_over_as_it_is() {
        assert_eq!(documents("[{\"a\":1},{\"a\":"), [r#"{"a":1}"#, r#"{"a":"#]);
    }

    #[test]
    fn documents_of_columns_are_refused() {
        for text in [
            r#"{"x":{"0":1.0,"1":2.0}}"#,
            "{\n  \"x\": {\n    \"0\": 1.0",
            r#"{"columns":["x"],"index":[0],"data":[[1]]}"#,
            r#"{"0":{"x":1},"1":{"x":2}}"#,
        ] {
            assert!(Documents::new(text.as_bytes(), text.as_bytes()).is_err(), "{text}");
        }
        assert!(Documents::new(b"{\"x\":{\"0\":1}}\n{\"x\":{\"0\":2}}".as_slice(), io::empty()).is_ok());
    }
}
