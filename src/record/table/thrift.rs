//! As much of Thrift's compact protocol as the header of a Parquet page needs: numbers and nested structures, everything
//! else skipped, within a budget of bytes.
//!
//! The Parquet reader allocates what a header says before it reads it, so headers are read here first.

use std::io::{Error, ErrorKind, Read, Result};

/// Structures in structures; headers have two levels, statistics three.
const DEEPEST: u32 = 16;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;

/// A reader of compact structures.
pub(super) struct Compact<R> {
    reader: R,
    read: u64,
    budget: u64,
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("a page header {what}"))
}

impl<R: Read> Compact<R> {
    /// Reads at most `budget` bytes.
    pub(super) fn new(reader: R, budget: u64) -> Self {
        Self { reader, read: 0, budget }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.read
    }

    fn take(&mut self, length: u64) -> Result<()> {
        self.read = self.read.saturating_add(length);
        if self.read > self.budget { Err(wrong("is longer than its column")) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?;
        let mut byte = [0];
        self.reader.read_exact(&mut byte)?;
        let [byte] = byte;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(wrong("has a number of more than 64 bits"))
    }

    /// A number of type i16, i32 or i64.
    pub(super) fn number(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        #[expect(clippy::cast_possible_wrap, reason = "at most 63 bits are left")]
        let half = (value >> 1) as i64;
        Ok(if value & 1 == 0 { half } else { !half })
    }

    /// Calls `visit` with id and type of each field of a structure; it reads the field and says so, or it is skipped.
    pub(super) fn fields(&mut self, mut visit: impl FnMut(&mut Self, i64, u8) -> Result<bool>) -> Result<()> {
        let mut id = 0i64;
        loop {
            let byte = self.byte()?;
            let kind = byte & 0x0f;
            if kind == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => self.number()?,
                delta => id.saturating_add(i64::from(delta)),
            };
            if !visit(self, id, kind)? {
                self.skip(kind, 0)?;
            }
        }
    }

    fn skip_bytes(&mut self, length: u64) -> Result<()> {
        self.take(length)?;
        let skipped = std::io::copy(&mut self.reader.by_ref().take(length), &mut std::io::sink())?;
        if skipped == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<()> {
        if depth > DEEPEST {
            return Err(wrong("is nested too deeply"));
        }
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.skip_bytes(1),
            I16 | I32 | I64 => self.unsigned().map(|_| ()),
            DOUBLE => self.skip_bytes(8),
            BINARY => {
                let length = self.unsigned()?;
                self.skip_bytes(length)
            }
            LIST | SET => {
                let head = self.byte()?;
                let size = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                for _ in 0..size {
                    self.skip_element(head & 0x0f, depth)?;
                }
                Ok(())
            }
            MAP => {
                let size = self.unsigned()?;
                let kinds = if size > 0 { self.byte()? } else { 0 };
                for _ in 0..size {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)?;
                }
                Ok(())
            }
            STRUCT => loop {
                let byte = self.byte()?;
                let kind = byte & 0x0f;
                if kind == 0 {
                    return Ok(());
                }
                if byte >> 4 == 0 {
                    self.number()?;
                }
                self.skip(kind, depth + 1)?;
            },
            _ => Err(wrong("has a field of an unknown type")),
        }
    }

    /// Elements of collections; a boolean takes a byte there.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<()> {
        match kind {
            TRUE | FALSE => self.skip_bytes(1),
            kind => self.skip(kind, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_others_skipped() {
        // 1: i32 5; 2: binary "ab"; 3: list of two i32; 20: struct { 1: i64 -1 }.
        let bytes = [0x15, 10, 0x18, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x0c, 40, 0x16, 1, 0, 0];
        let mut compact = Compact::new(&bytes[..], 100);
        let mut found = Vec::new();
        compact
            .fields(|inner, id, kind| {
                match (id, kind) {
                    (1, I32) => found.push(inner.number()?),
                    (20, STRUCT) => inner.fields(|inner, _, _| {
                        found.push(inner.number()?);
                        Ok(true)
                    })?,
                    _ => return Ok(false),
                }
                Ok(true)
            })
            .unwrap();
        assert_eq!((found, compact.position()), (vec![5, -1], bytes.len() as u64));
    }

    #[test]
    fn hostile_headers_end() {
        let endless = [0x1c; 4_000];
        assert!(Compact::new(&endless[..], 4_000).fields(|_, _, _| Ok(false)).is_err());
        let long = [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(Compact::new(&long[..], 1_000).fields(|_, _, _| Ok(false)).is_err());
        let wide = [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(Compact::new(&wide[..], 1_000).fields(|_, _, _| Ok(false)).is_err());
    }
}
