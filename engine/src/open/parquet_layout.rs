//! Where the parts of a Parquet file lie and what they must hold, by its footer: checked as a whole when the footer is
//! read, and again with the bytes of each part before they are decoded.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::footer::{check_column_index, page_places};
use super::pages::{Expected, check_pages};

/// A footer and what follows from it.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) metadata: Arc<ParquetMetaData>,
    /// Column chunks in the order of the file.
    chunks: Vec<Chunk>,
    /// Indexes of pages, in the order of the file.
    indexes: Vec<Index>,
    /// Rows of pages by their offsets, as far as an index that was read told them.
    page_rows: Mutex<HashMap<u64, u64>>,
}

#[derive(Debug, Clone)]
struct Chunk {
    range: Range<u64>,
    group: usize,
    column: usize,
}

#[derive(Debug, Clone)]
struct Index {
    range: Range<u64>,
    group: usize,
    column: usize,
    /// Whether it tells the pages' places, not their values.
    places: bool,
}

impl Layout {
    /// Checks a footer against the file's size in bytes. The error says what is wrong.
    pub(super) fn new(metadata: ParquetMetaData, size: u64) -> Result<Self, String> {
        let (mut chunks, mut indexes) = (Vec::new(), Vec::new());
        let mut rows: u64 = 0;
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let count = u64::try_from(group.num_rows()).ok();
            rows = count.and_then(|count| rows.checked_add(count)).ok_or("a row group has no number of rows")?;
            for (column, chunk) in group.columns().iter().enumerate() {
                let wrong = |what: &str| format!("{} {what}", name(chunk, number));
                let range = chunk_range(chunk, size).ok_or_else(|| wrong("lies outside of the file"))?;
                if chunk.num_values() < 0 {
                    return Err(wrong("has no number of values"));
                }
                if is_flat(chunk) && chunk.num_values() != group.num_rows() {
                    return Err(wrong("does not have as many values as its row group has rows"));
                }
                if chunk.num_values() > 0 && range.is_empty() {
                    return Err(wrong("has values, but no bytes"));
                }
                if !range.is_empty() {
                    chunks.push(Chunk { range, group: number, column });
                }
                let values = part(chunk.column_index_offset(), chunk.column_index_length());
                let places = part(chunk.offset_index_offset(), chunk.offset_index_length());
                let found = [(values, false), (places, true)]
                    .into_iter()
                    .filter_map(|(range, places)| range.map(|range| Index { range, group: number, column, places }));
                indexes.extend(found);
            }
        }
        if u64::try_from(metadata.file_metadata().num_rows()) != Ok(rows) {
            return Err("its row groups do not have as many rows as it says itself".to_owned());
        }
        chunks.sort_unstable_by_key(|chunk| chunk.range.start);
        indexes.sort_unstable_by_key(|index| index.range.start);
        if let Some(pair) = chunks.windows(2).find(|pair| pair[0].range.end > pair[1].range.start) {
            let chunk = metadata.row_group(pair[1].group).column(pair[1].column);
            return Err(format!("{} lies in another column", name(chunk, pair[1].group)));
        }
        Ok(Self { metadata: Arc::new(metadata), chunks, indexes, page_rows: Mutex::default() })
    }

    /// Checks bytes of the file before they are decoded. Returns how much memory decoding them takes at one time, about.
    pub(super) fn check(&self, start: u64, data: &[u8]) -> Result<u64, String> {
        let end = start + data.len() as u64;
        let mut memory: u64 = data.len() as u64;
        let first = self.chunks.partition_point(|chunk| chunk.range.end <= start);
        for chunk in self.chunks[first..].iter().take_while(|chunk| chunk.range.start < end) {
            let part = chunk.range.start.max(start)..chunk.range.end.min(end);
            memory = memory.saturating_add(self.check_chunk(chunk, &part, slice(data, start, &part))?);
        }
        self.check_indexes(start, data)?;
        Ok(memory)
    }

    fn check_chunk(&self, chunk: &Chunk, part: &Range<u64>, data: &[u8]) -> Result<u64, String> {
        let group = self.metadata.row_group(chunk.group);
        let column = group.column(chunk.column);
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let flat = is_flat(column);
        let expected = Expected {
            codec: column.compression(),
            values: count(column.num_values()),
            rows: flat.then(|| count(group.num_rows())),
        };
        let page_rows = self.page_rows.lock().unwrap_or_else(PoisonError::into_inner);
        let rows_of = |at: usize| page_rows.get(&(part.start + at as u64)).copied();
        let held = check_pages(data, expected, rows_of)
            .map_err(|(at, what)| format!("{}: {what} (byte {})", name(column, chunk.group), part.start + at as u64))?;
        if *part == chunk.range && held.values != expected.values {
            let values = (held.values, expected.values);
            return Err(format!("{} has {} values instead of {}", name(column, chunk.group), values.0, values.1));
        }
        Ok(held.dictionary.saturating_add(held.page).saturating_add(held.repeated))
    }

    /// Checks the page indexes that lie in `data`, and keeps what they say of rows.
    fn check_indexes(&self, start: u64, data: &[u8]) -> Result<(), String> {
        let end = start + data.len() as u64;
        let first = self.indexes.partition_point(|index| index.range.start < start);
        let inside = self.indexes[first..].iter().take_while(|index| index.range.start < end);
        for index in inside.filter(|index| index.range.end <= end) {
            let group = self.metadata.row_group(index.group);
            let (chunk, data) = (group.column(index.column), slice(data, start, &index.range));
            let checked =
                if index.places { self.keep_places(chunk, group.num_rows(), data) } else { check_column_index(data) };
            checked.map_err(|what| format!("the page index of {}: {what}", name(chunk, index.group)))?;
        }
        Ok(())
    }

    fn keep_places(&self, chunk: &ColumnChunkMetaData, rows: i64, data: &[u8]) -> Result<(), &'static str> {
        let places = page_places(data)?;
        let rows = u64::try_from(rows).unwrap_or_default();
        let (start, length) = chunk.byte_range();
        let (mut end, mut row) = (start, 0);
        let mut page_rows = self.page_rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, place) in places.iter().enumerate() {
            let next = places.get(number + 1).map_or(rows, |next| next.first_row);
            if place.offset < end || place.size > start + length - place.offset.min(start + length) {
                return Err("a page lies outside of its column");
            }
            if place.first_row != row || next < row || (next == row && rows > 0 && is_flat(chunk)) {
                return Err("its pages do not hold the rows one after the other");
            }
            (end, row) = (place.offset + place.size, next);
            page_rows.insert(place.offset, next - place.first_row);
        }
        if places.is_empty() && rows > 0 {
            return Err("it has no pages");
        }
        Ok(())
    }
}

fn is_flat(chunk: &ColumnChunkMetaData) -> bool {
    chunk.column_descr().max_rep_level() == 0
}

fn name(chunk: &ColumnChunkMetaData, group: usize) -> String {
    format!("column `{}` of row group {group}", chunk.column_path().string())
}

/// Where a chunk lies, if that is in the file.
fn chunk_range(chunk: &ColumnChunkMetaData, size: u64) -> Option<Range<u64>> {
    let start = u64::try_from(chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset())).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    u64::try_from(chunk.data_page_offset()).ok()?;
    (end <= size).then_some(start..end)
}

/// A part of the file that the footer names.
fn part(offset: Option<i64>, length: Option<i32>) -> Option<Range<u64>> {
    let start = u64::try_from(offset?).ok()?;
    let end = start.checked_add(u64::try_from(length?).ok()?)?;
    (start < end).then_some(start..end)
}

/// The part of `data`, which begins at `start` of the file, that lies in `range`, which it covers.
fn slice<'a>(data: &'a [u8], start: u64, range: &Range<u64>) -> &'a [u8] {
    let at = |place: u64| usize::try_from(place - start).unwrap_or(usize::MAX).min(data.len());
    &data[at(range.start)..at(range.end)]
}
