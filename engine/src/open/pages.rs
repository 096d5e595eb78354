//! The headers of Parquet's pages, checked before a page is decoded: what a page claims to hold is what memory is made
//! for, and a page with fewer values than it should have would shift or lose rows.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;

use super::thrift::{I32, STRUCT, Thrift, Walked};

/// Compressed bytes become at most this many times as many with the format that is bounded by nothing else (LZ4 frames).
const MOST_LZ4: u64 = 255;

/// What matters of a page's header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    /// 0: data, 2: dictionary, 3: data in version 2.
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    crc: Option<i64>,
    values: i64,
    rows: Option<i64>,
    /// Bytes of levels that are not packed.
    levels: i64,
    /// Bytes of the header.
    header: usize,
}

/// What a chunk's pages must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) codec: Compression,
    /// Values of the chunk, those of lists counted one by one.
    pub(super) values: u64,
    /// Rows, if each has one value.
    pub(super) rows: Option<u64>,
}

/// Memory for a value of a list: two levels, and the value.
const LIST_VALUE_BYTES: u64 = 12;

/// What some pages hold.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Values in data pages.
    pub(super) values: u64,
    /// Bytes of the largest dictionary and the largest data page, unpacked.
    pub(super) dictionary: u64,
    pub(super) page: u64,
    /// Memory for lists whose values repeat so much that they take next to no bytes in the file.
    pub(super) repeated: u64,
}

/// Walks over the pages in `data`, which begins with one. `rows_of` tells the rows of the page at an offset of `data`, if
/// they are known from the index.
pub(super) fn check_pages(
    data: &[u8],
    expected: Expected,
    rows_of: impl Fn(usize) -> Option<u64>,
) -> Result<Held, (usize, &'static str)> {
    let mut held = Held::default();
    let mut at = 0;
    while at < data.len() {
        let wrong = |what| (at, what);
        let page = head(&data[at..]).map_err(wrong)?;
        let start = at + page.header;
        let size = usize::try_from(page.compressed).ok().filter(|size| *size <= data.len() - start);
        let size = size.ok_or(wrong("a page is longer than its column"))?;
        let unpacked = natural(page.uncompressed).map_err(wrong)?;
        let body = &data[start..start + size];
        if page.crc.is_some_and(|crc| i64::from(crc32fast::hash(body).cast_signed()) != crc) {
            return Err(wrong("a page does not have the checksum that it should have"));
        }
        let levels = usize::try_from(page.levels).ok().filter(|levels| *levels <= size);
        let packed = &body[levels.ok_or(wrong("a page's levels are longer than it"))?..];
        let unpacked = unpacked.max(size_unpacked(packed, expected.codec, unpacked).map_err(wrong)?);
        match page.kind {
            2 if natural(page.values).map_err(wrong)? > unpacked => {
                return Err(wrong("a dictionary claims more values than it has bytes"));
            }
            2 => held.dictionary = held.dictionary.max(unpacked),
            0 | 3 => {
                let values = natural(page.values).map_err(wrong)?;
                let known = rows_of(at).or(page.rows.and_then(|rows| u64::try_from(rows).ok()));
                if expected.rows.is_some() && known.is_some_and(|rows| rows != values) {
                    return Err(wrong("a page does not have the rows that it should have"));
                }
                held.values = held.values.saturating_add(values);
                held.page = held.page.max(unpacked);
                if expected.rows.is_none() && values / 8 > unpacked {
                    // Less than a bit for each: all of them may belong to one row, and then are in memory together.
                    held.repeated = held.repeated.saturating_add(values.saturating_mul(LIST_VALUE_BYTES));
                }
            }
            _ => {}
        }
        if held.values > expected.values {
            return Err(wrong("a column has more values than it should have"));
        }
        at = start + size;
    }
    Ok(held)
}

/// What a page's body really unpacks to, at most; for formats that stop at what the header claims, nothing.
fn size_unpacked(body: &[u8], codec: Compression, claimed: u64) -> Walked<u64> {
    match codec {
        Compression::GZIP(_) => {
            // The decoder goes on to the end, whatever the header claims.
            let mut counted = MultiGzDecoder::new(body).take(claimed + 1);
            let size = std::io::copy(&mut counted, &mut std::io::sink());
            match size {
                Ok(size) if size <= claimed => Ok(size),
                Ok(_) => Err("a page unpacks to more than it claims"),
                // The decoder meets the same, no later.
                Err(_) => Ok(0),
            }
        }
        Compression::LZ4 => Ok((body.len() as u64).saturating_mul(MOST_LZ4)),
        _ => Ok(0),
    }
}

fn add_levels(levels: i64, more: i64) -> Walked<i64> {
    if more < 0 {
        return Err("a page's levels have a size below zero");
    }
    levels.checked_add(more).ok_or("a page's levels are longer than it")
}

fn natural(number: i64) -> Walked<u64> {
    u64::try_from(number).map_err(|_| "a page claims a size below zero")
}

fn head(data: &[u8]) -> Walked<Page> {
    let mut page = Page { kind: -1, uncompressed: -1, compressed: -1, ..Page::default() };
    let mut walk = Thrift::new(data);
    walk.fields(|walk, field| {
        match (field.id, field.kind) {
            (1, I32) => page.kind = walk.int()?,
            (2, I32) => page.uncompressed = walk.int()?,
            (3, I32) => page.compressed = walk.int()?,
            (4, I32) => page.crc = Some(walk.int()?),
            (5 | 7 | 8, STRUCT) => {
                let second = field.id == 8;
                walk.fields(|walk, field| {
                    match (field.id, field.kind) {
                        (1, I32) => page.values = walk.int()?,
                        (3, I32) if second => page.rows = Some(walk.int()?),
                        (5 | 6, I32) if second => page.levels = add_levels(page.levels, walk.int()?)?,
                        _ => return Ok(false),
                    }
                    Ok(true)
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    page.header = walk.position();
    Ok(page)
}
