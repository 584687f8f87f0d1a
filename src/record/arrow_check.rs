//! Arrow IPC before it is decoded: every length that the decoder would trust is checked against the bytes that are there.
//!
//! The decoder allocates what a compressed buffer says it unpacks to, and such a length is eight bytes that anybody can
//! write. So messages are walked first: flatbuffers are verified, blocks and buffers must lie where there are bytes, and
//! what a batch unpacks to is bounded.

use std::io::{Read, Seek, SeekFrom};

use arrow::ipc::{Message, MessageHeader, RecordBatch, root_as_footer, root_as_message};

use crate::record::number_of;

/// Why bytes are not decoded.
#[derive(Debug)]
pub(crate) enum Unsound {
    /// They cannot be read.
    Io(std::io::Error),
    /// They are not what was ever written, in words that go on from "it is damaged: ".
    Damaged(String),
}

impl From<std::io::Error> for Unsound {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return damaged("it ends too early");
        }
        Self::Io(error)
    }
}

fn damaged(why: impl Into<String>) -> Unsound {
    Unsound::Damaged(why.into())
}

/// What the buffers of one batch may unpack to, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacking {
    /// Whatever the batch takes packed.
    pub(crate) at_least: u64,
    /// Times what it takes packed, on top.
    pub(crate) times: u64,
}

impl Unpacking {
    fn allowed(self, packed: u64) -> u64 {
        self.at_least.saturating_add(self.times.saturating_mul(packed))
    }
}

/// Rows of a batch, and values of a column in it: offsets of decoded columns are 32 bits wide.
const MOST_ROWS: i64 = i32::MAX as i64;
/// Magic and footer length at the end of a file.
const TRAILER: u64 = 10;

/// Walks the bytes and keeps what dictionaries unpack to, which stays in memory.
struct Walk<'a, R> {
    reader: &'a mut R,
    end: u64,
    unpacking: Unpacking,
    dictionaries: u64,
}

/// Checks a stream of messages.
///
/// # Errors
/// When it is damaged or cannot be read.
pub(crate) fn check_stream<R: Read + Seek>(reader: &mut R, unpacking: Unpacking) -> Result<(), Unsound> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut walk = Walk { reader, end, unpacking, dictionaries: 0 };
    let mut at = 0;
    while let Some((first, length)) = walk.prefix(at)? {
        let metadata = walk.bytes(first, length)?;
        let message = message_of(&metadata)?;
        let body = walk.within(first.saturating_add(length), message.bodyLength())?;
        walk.check(&message, first.saturating_add(length), body)?;
        at = first.saturating_add(length).saturating_add(body);
    }
    walk.reader.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// Checks a file with a footer.
///
/// # Errors
/// When it is damaged or cannot be read.
pub(crate) fn check_file<R: Read + Seek>(reader: &mut R, unpacking: Unpacking) -> Result<(), Unsound> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut walk = Walk { reader, end, unpacking, dictionaries: 0 };
    let footer_end = end.checked_sub(TRAILER).ok_or_else(|| damaged("it is shorter than a footer"))?;
    let trailer = walk.bytes(footer_end, TRAILER)?;
    let Some((length, magic)) = trailer.split_first_chunk::<4>() else { return Err(damaged("it has no footer")) };
    if magic != b"ARROW1" {
        return Err(damaged("it does not end as an Arrow file does; was it written to its end?"));
    }
    let length = u64::try_from(i32::from_le_bytes(*length)).unwrap_or(u64::MAX);
    let start = footer_end.checked_sub(length).ok_or_else(|| damaged("its footer is longer than the file"))?;
    let footer = walk.bytes(start, length)?;
    let footer =
        root_as_footer(&footer).map_err(|error| damaged(format!("its footer is no flatbuffer: {error}")))?;
    let blocks = footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    let mut all = 0u64;
    for block in blocks {
        let first = u64::try_from(block.offset()).map_err(|_| damaged("a block begins before the file"))?;
        let length = walk.within(first, i64::from(block.metaDataLength()))?;
        let body = walk.within(first.saturating_add(length), block.bodyLength())?;
        // Blocks that lie on one another would multiply what there is to read.
        all = all.saturating_add(length).saturating_add(body);
        if all > end {
            return Err(damaged("its blocks are larger than the file"));
        }
        let metadata = walk.bytes(first, length)?;
        let metadata = match metadata.split_first_chunk::<8>() {
            Some(([0xff, 0xff, 0xff, 0xff, ..], rest)) => rest,
            Some(_) => metadata.get(4..).unwrap_or_default(),
            None => return Err(damaged("a block has no message")),
        };
        walk.check(&message_of(metadata)?, first.saturating_add(length), body)?;
    }
    walk.reader.seek(SeekFrom::Start(0))?;
    Ok(())
}

fn message_of(metadata: &[u8]) -> Result<Message<'_>, Unsound> {
    root_as_message(metadata).map_err(|error| damaged(format!("a message is no flatbuffer: {error}")))
}

impl<R: Read + Seek> Walk<'_, R> {
    /// Where the metadata of the message at a place begins and how long it is; `None` at the end.
    fn prefix(&mut self, at: u64) -> Result<Option<(u64, u64)>, Unsound> {
        if self.end.saturating_sub(at) < 4 {
            return Ok(None);
        }
        let word = |bytes: Vec<u8>| bytes.first_chunk::<4>().map_or(0, |word| i32::from_le_bytes(*word));
        let mut first = at.saturating_add(4);
        let mut length = word(self.bytes(at, 4)?);
        if length == -1 {
            length = word(self.bytes(first, 4)?);
            first = first.saturating_add(4);
        }
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((first, self.within(first, i64::from(length))?)))
    }

    /// A length of bytes that lie in the file.
    fn within(&self, first: u64, length: i64) -> Result<u64, Unsound> {
        let length = u64::try_from(length).map_err(|_| damaged("a length is negative"))?;
        let end = first.checked_add(length).filter(|end| *end <= self.end);
        end.map(|_| length).ok_or_else(|| damaged("a part is longer than the file; was it written to its end?"))
    }

    fn bytes(&mut self, first: u64, length: u64) -> Result<Vec<u8>, Unsound> {
        let length = self.within(first, i64::try_from(length).unwrap_or(i64::MAX))?;
        self.reader.seek(SeekFrom::Start(first))?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(damaged("it ends too early")) }
    }

    /// Checks a message whose body lies at a place.
    fn check(&mut self, message: &Message<'_>, first: u64, body: u64) -> Result<(), Unsound> {
        let dictionary = message.header_type() == MessageHeader::DictionaryBatch;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => return Ok(()),
        };
        let batch = batch.ok_or_else(|| damaged("a batch has no header"))?;
        if !(0..=MOST_ROWS).contains(&batch.length()) {
            return Err(damaged(format!("a batch has {} rows", batch.length())));
        }
        for node in batch.nodes().into_iter().flatten() {
            if !(0..=MOST_ROWS).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
                return Err(damaged(format!(
                    "a column has {} and {}",
                    number_of(node.length(), "value"),
                    number_of(node.null_count(), "null")
                )));
            }
        }
        let unpacked = self.unpacked(&batch, first, body)?;
        let allowed = if dictionary {
            self.dictionaries = self.dictionaries.saturating_add(unpacked);
            if self.dictionaries > self.unpacking.allowed(self.end) {
                return Err(damaged("its dictionaries unpack to more than is read"));
            }
            return Ok(());
        } else {
            self.unpacking.allowed(body)
        };
        if unpacked > allowed {
            return Err(damaged(format!(
                "a batch of {body} bytes unpacks to {unpacked}, and at most {allowed} are read"
            )));
        }
        Ok(())
    }

    /// The bytes that the buffers of a batch unpack to.
    fn unpacked(&mut self, batch: &RecordBatch<'_>, first: u64, body: u64) -> Result<u64, Unsound> {
        let mut all = 0u64;
        for buffer in batch.buffers().into_iter().flatten() {
            let (Ok(offset), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
                return Err(damaged("a buffer has a negative length"));
            };
            if offset.checked_add(length).is_none_or(|end| end > body) {
                return Err(damaged("a buffer is longer than its batch"));
            }
            let mut size = length;
            if batch.compression().is_some() && length > 0 {
                let prefix = self.bytes(first.saturating_add(offset), length.min(8))?;
                let prefix =
                    prefix.first_chunk::<8>().ok_or_else(|| damaged("a compressed buffer has no length"))?;
                size = match i64::from_le_bytes(*prefix) {
                    // Stored as it is.
                    -1 => length,
                    says => {
                        u64::try_from(says).map_err(|_| damaged("a compressed buffer has a negative length"))?
                    }
                };
            }
            all = all.saturating_add(size);
        }
        Ok(all)
    }
}
