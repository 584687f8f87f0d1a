//! Parquet before it is decoded: row counts, offsets and the sizes in page headers are checked against the bytes that are
//! there. The reader allocates what headers say, and an allocation that fails ends the process.

use std::io::Read;

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;

use super::thrift::{Compact, STRUCT};
use crate::record::arrow_check::Unsound;
use crate::record::number_of;

/// What a page may unpack to whatever it takes packed, in bytes: constants pack very tightly.
const PAGE_AT_LEAST: u64 = 64 << 20;
/// Gzip packs at most this tightly; zstd and brotli pack what is constant more tightly, up to the above.
const TIGHTEST: u64 = 1_100;

/// What a page may unpack to, times what it takes packed.
fn times(packing: Compression) -> u64 {
    match packing {
        Compression::UNCOMPRESSED => 1,
        Compression::SNAPPY => 32,
        Compression::LZ4 | Compression::LZ4_RAW => 256,
        _ => TIGHTEST,
    }
}

fn damaged(why: impl Into<String>) -> Unsound {
    Unsound::Damaged(why.into())
}

/// Checks the pages of the leaves that are read, and row counts of all.
///
/// # Errors
/// When the file is damaged or cannot be read.
pub(super) fn check_parquet<R: ChunkReader>(
    reader: &R,
    metadata: &ParquetMetaData,
    read: impl Fn(usize) -> bool,
) -> Result<(), Unsound> {
    let mut all = 0i64;
    for group in metadata.row_groups() {
        check_rows(group)?;
        all = all.saturating_add(group.num_rows());
        for (leaf, chunk) in group.columns().iter().enumerate() {
            if read(leaf) {
                check_pages(reader, chunk)?;
            }
        }
    }
    let rows = metadata.file_metadata().num_rows();
    if rows == all {
        Ok(())
    } else {
        Err(damaged(format!("it says that it has {}, and its row groups have {all}", number_of(rows, "row"))))
    }
}

/// Every row has a value in every leaf, if only a null, and more than one only in lists.
fn check_rows(group: &RowGroupMetaData) -> Result<(), Unsound> {
    let rows = group.num_rows();
    for chunk in group.columns() {
        let values = chunk.num_values();
        let flat = chunk.column_descr().max_rep_level() == 0;
        if rows < 0 || values < rows || (flat && values != rows) {
            return Err(damaged(format!(
                "a row group has {}, and its column {} has {}",
                number_of(rows, "row"),
                chunk.column_path().string(),
                number_of(values, "value")
            )));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, Default)]
struct Header {
    unpacked: i64,
    packed: i64,
    /// Values of a data page.
    values: Option<i64>,
    /// Values of a dictionary page.
    entries: Option<i64>,
    /// Bytes of levels in front of a page of the second version, which are not packed.
    levels: i64,
}

fn header_of(reader: impl Read, budget: u64) -> Result<(Header, u64), Unsound> {
    let mut compact = Compact::new(reader, budget);
    let mut header = Header { unpacked: -1, packed: -1, ..Header::default() };
    let read = compact.fields(|compact, id, kind| {
        match (id, kind) {
            (2, 4..=6) => header.unpacked = compact.number()?,
            (3, 4..=6) => header.packed = compact.number()?,
            // Data, dictionary and data of the second version; their first field is the number of values.
            (5 | 7 | 8, STRUCT) => {
                let mut values = -1;
                let mut levels = 0i64;
                compact.fields(|compact, field, kind| {
                    match (field, kind) {
                        (1, 4..=6) => values = compact.number()?,
                        (5 | 6, 4..=6) if id == 8 => levels = levels.saturating_add(compact.number()?),
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
                header.levels = levels;
                *(if id == 7 { &mut header.entries } else { &mut header.values }) = Some(values);
            }
            _ => return Ok(false),
        }
        Ok(true)
    });
    match read {
        Ok(()) => Ok((header, compact.position())),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(damaged(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn check_pages<R: ChunkReader>(reader: &R, chunk: &ColumnChunkMetaData) -> Result<(), Unsound> {
    let name = chunk.column_path().string();
    let wrong = |why: &str| damaged(format!("column {name}: {why}"));
    let first = chunk.dictionary_page_offset().map_or(chunk.data_page_offset(), |offset| {
        if offset > 0 { offset.min(chunk.data_page_offset()) } else { chunk.data_page_offset() }
    });
    let place = u64::try_from(first).ok().zip(u64::try_from(chunk.compressed_size()).ok());
    let place = place.and_then(|(first, length)| Some((first, first.checked_add(length)?)));
    let (mut at, end) =
        place.filter(|(_, end)| *end <= reader.len()).ok_or_else(|| wrong("its pages lie beyond the file"))?;
    let mut values = 0i64;
    while at < end && values < chunk.num_values() {
        let bytes = reader.get_read(at).map_err(|error| wrong(&error.to_string()))?;
        let (header, length) = header_of(bytes, end - at)?;
        at = at.saturating_add(length);
        let packed = u64::try_from(header.packed).ok().filter(|packed| *packed <= end.saturating_sub(at));
        let packed = packed.ok_or_else(|| wrong("a page is longer than its column"))?;
        let allowed = PAGE_AT_LEAST.saturating_add(times(chunk.compression()).saturating_mul(packed));
        let unpacked = u64::try_from(header.unpacked).ok().filter(|unpacked| *unpacked <= allowed);
        let unpacked = unpacked.ok_or_else(|| {
            wrong(&format!("a page of {packed} bytes says that it unpacks to {}", header.unpacked))
        })?;
        // The smallest entry is a bit; the reader makes place for each of them before it looks at one.
        if header.entries.is_some_and(|entries| entries < 0 || entries.unsigned_abs() > unpacked.saturating_mul(8))
        {
            return Err(wrong("its dictionary has more entries than bits"));
        }
        if header.values.is_some_and(|values| values < 0) {
            return Err(wrong("a page has a negative number of values"));
        }
        if matches!(chunk.compression(), Compression::GZIP(_)) && packed > PAGE_AT_LEAST / TIGHTEST {
            let levels = u64::try_from(header.levels).unwrap_or(u64::MAX);
            let (first, length) = (at.saturating_add(levels), packed.saturating_sub(levels));
            let more = unpacks_to_more(reader, first, length, unpacked.saturating_sub(levels));
            if more.map_err(|error| wrong(&error.to_string()))? {
                return Err(wrong("a page unpacks to more than it says"));
            }
        }
        values = values.saturating_add(header.values.unwrap_or(0));
        at = at.saturating_add(packed);
    }
    if values == chunk.num_values() {
        return Ok(());
    }
    Err(wrong(&format!("its pages have {}, and it says {}", number_of(values, "value"), chunk.num_values())))
}

/// Whether gzip unpacks to more than this: the reader unpacks it to its end, whatever the header says. A page of the second version
/// need not be packed.
fn unpacks_to_more<R: ChunkReader>(reader: &R, at: u64, packed: u64, unpacked: u64) -> Result<bool, ParquetError> {
    let bytes = reader.get_read(at)?;
    let mut bytes = std::io::BufReader::new(bytes.take(packed));
    let begins = std::io::BufRead::fill_buf(&mut bytes).is_ok_and(|head| head.starts_with(b"\x1f\x8b"));
    if !begins {
        return Ok(false);
    }
    let mut unpacking = flate2::read::MultiGzDecoder::new(bytes).take(unpacked.saturating_add(1));
    // What cannot be unpacked is the reader's to tell.
    let length = std::io::copy(&mut unpacking, &mut std::io::sink()).unwrap_or(0);
    Ok(length > unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_page_that_unpacks_to_more_than_it_says_is_refused() {
        let mut packer = GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![0; 1 << 20]).unwrap();
        let levels = [7u8; 5];
        let page = Bytes::from([&levels[..], &packer.finish().unwrap()].concat());
        let packed = page.len() as u64 - 5;
        assert!(!unpacks_to_more(&page, 5, packed, 1 << 20).unwrap());
        assert!(unpacks_to_more(&page, 5, packed, (1 << 20) - 1).unwrap());
        assert!(!unpacks_to_more(&page, 0, packed, 1).unwrap(), "what is no gzip is the reader's to tell");
    }

    #[test]
    fn headers_of_all_kinds_of_pages_are_read() {
        // Type 0, 100 bytes in 50, 7 values.
        let data = [0x15, 0, 0x15, 200, 1, 0x15, 100, 0x2c, 0x15, 14, 0, 0];
        let (header, length) = header_of(&data[..], 100).unwrap();
        assert_eq!((header.unpacked, header.packed, header.values, length), (100, 50, Some(7), 12));
        // Type 3, with 3 and 4 bytes of levels.
        let second = [0x15, 6, 0x15, 200, 1, 0x15, 100, 0x5c, 0x15, 14, 0x45, 6, 0x15, 8, 0, 0];
        let (header, _) = header_of(&second[..], 100).unwrap();
        assert_eq!((header.values, header.levels), (Some(7), 7));
        // Type 2, a dictionary of 9 entries.
        let dictionary = [0x15, 4, 0x15, 200, 1, 0x15, 100, 0x4c, 0x15, 18, 0, 0];
        assert_eq!(header_of(&dictionary[..], 100).unwrap().0.entries, Some(9));
        assert!(header_of(&data[..6], 100).is_err() && header_of(&data[..], 6).is_err());
    }
}
