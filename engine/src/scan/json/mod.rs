//! Parses blocks of newline-delimited JSON: one walk over the bytes, no tree of values.
//!
//! # Rules
//! - A line is a record; it must hold one JSON object (RFC 8259) in UTF-8 and nothing else, or it is rejected, whatever
//!   columns a job uses. A line of white space only is no record.
//! - A field that an object does not have, and `null`, are null. Of a field that comes twice, the last value counts.
//! - In a column of texts, any other JSON value becomes its JSON text as it stands in the file.
//! - A number column takes JSON numbers, and texts that hold one without leading zeros. A whole-number column takes `1.0`
//!   and `1e3`, never a number that would be rounded, nor one beyond its range; a float column takes the nearest float.
//! - A boolean column takes `true` and `false`, also as texts; dates and timestamps are texts.
//! - Fields that are not among the columns reject the line when all columns are read (`strict`); a job that uses some
//!   columns only does not look at the others.
//! - An escape that is half of a surrogate pair rejects the line: there is no such text.

mod keys;
mod other;
mod text;
mod values;
pub(crate) mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::datatypes::SchemaRef;

use super::block::Block;
use super::index::Index;
use super::parse::{BATCH_ROWS, BlockParser, Parsed};
use super::predicate::Predicate;
use super::rejects::Reject;
use crate::error::Result;

pub(crate) use keys::UNKNOWN_FIELD;
use keys::{Keys, Wanted};
use text::Fault;
pub(crate) use text::unescape;
use values::{Misfit, Reader, Source};
use walk::{Span, line_end_behind};

/// Parses one JSON object a line.
#[derive(Debug)]
pub struct NdjsonParser {
    /// The result's columns.
    schema: SchemaRef,
    /// Their slots.
    columns: Vec<usize>,
    predicate: Option<Predicate>,
    wanted: Arc<Wanted>,
    /// By slot, the columns that the result or a condition needs.
    readers: Vec<Reader>,
    /// The slot of a column, by its place in the file's schema.
    slots: BTreeMap<usize, usize>,
}

/// A line that holds an object.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Its number in the file, from 1.
    number: u64,
    start: usize,
    end: usize,
}

/// Objects of a block, and where their wanted values stand.
#[derive(Debug, Default)]
struct Objects {
    lines: Vec<Line>,
    /// One for each slot, object by object.
    spans: Vec<Span>,
}

impl NdjsonParser {
    /// A parser to the columns at `places` of a file's schema, of the rows that fulfil a predicate. With `strict`, a field
    /// that is not among the wanted ones rejects its line.
    pub fn new(file: &SchemaRef, places: &[usize], predicate: Option<Predicate>, strict: bool) -> Result<Self> {
        let mut slots: BTreeMap<usize, usize> = places.iter().map(|place| (*place, 0)).collect();
        slots.extend(predicate.iter().flat_map(Predicate::columns).map(|place| (place, 0)));
        for (slot, place) in slots.values_mut().enumerate() {
            *place = slot;
        }
        let fields = || slots.keys().map(|place| file.field(*place));
        Ok(Self {
            schema: Arc::new(file.project(places)?),
            columns: places.iter().map(|place| slots[place]).collect(),
            predicate,
            wanted: Arc::new(Wanted::new(fields().map(|field| field.name().as_str()), strict)),
            readers: fields().map(|field| Reader::new(field.name().clone(), field.data_type(), strict)).collect(),
            slots,
        })
    }

    /// One batch of the objects that fulfil the predicate.
    fn batch(&self, source: Source<'_>, objects: &Objects, block: &Block, parsed: &mut Parsed) -> Result<()> {
        let all = objects.lines.len();
        let mut rows = Rows { numbers: (0..all).collect(), known: BTreeMap::new(), misfits: Vec::new() };
        for stage in self.predicate.iter().flat_map(Predicate::stages) {
            let slots: Vec<usize> = stage.columns.iter().map(|place| self.slots[place]).collect();
            for slot in &slots {
                rows.read(self, source, objects, *slot)?;
            }
            let arrays = slots.iter().map(|slot| Arc::clone(&rows.known[slot])).collect();
            let mut keep = stage.check(arrays, rows.numbers.len())?;
            let before = rows.numbers.len();
            let mut gone = 0;
            if let Some(good) = rows.reject(objects, block, parsed) {
                gone = before - good.true_count();
                keep = arrow::compute::and(&keep, &good)?;
            }
            let left = keep.true_count();
            parsed.filtered += (before - left - gone) as u64;
            if left < before {
                rows.keep(&keep)?;
            }
            if left == 0 {
                return Ok(());
            }
        }
        // A few rows should not keep their whole block in memory.
        let source = Source { shared: rows.numbers.len() * 4 >= all, ..source };
        for slot in &self.columns {
            rows.read(self, source, objects, *slot)?;
        }
        if let Some(good) = rows.reject(objects, block, parsed) {
            rows.keep(&good)?;
        }
        if !rows.numbers.is_empty() {
            let arrays = self.columns.iter().map(|slot| Arc::clone(&rows.known[slot])).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(rows.numbers.len()));
            parsed.batches.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?);
        }
        Ok(())
    }
}

/// Objects that are still wanted.
struct Rows {
    numbers: Vec<usize>,
    /// Their columns so far, by slot.
    known: BTreeMap<usize, ArrayRef>,
    /// Their values that do not fit.
    misfits: Vec<Misfit>,
}

impl Rows {
    fn read(&mut self, parser: &NdjsonParser, source: Source<'_>, objects: &Objects, slot: usize) -> Result<()> {
        if self.known.contains_key(&slot) {
            return Ok(());
        }
        let width = parser.readers.len();
        let spans: Vec<Span> = self.numbers.iter().map(|number| objects.spans[number * width + slot]).collect();
        let (array, misfits) = parser.readers[slot].read(source, &spans)?;
        self.misfits.extend(misfits);
        self.known.insert(slot, array);
        Ok(())
    }

    /// Books one reject for each row with a misfit; which rows have none, unless all.
    fn reject(&mut self, objects: &Objects, block: &Block, parsed: &mut Parsed) -> Option<BooleanArray> {
        if self.misfits.is_empty() {
            return None;
        }
        let mut misfits = std::mem::take(&mut self.misfits);
        misfits.sort_by_key(|misfit| misfit.row);
        misfits.dedup_by_key(|misfit| misfit.row);
        let mut good = vec![true; self.numbers.len()];
        for Misfit { row, column, reason } in misfits {
            good[row] = false;
            parsed.rejects.push(reject(block, objects.lines[self.numbers[row]], Some(column), reason));
        }
        Some(good.into())
    }

    fn keep(&mut self, keep: &BooleanArray) -> Result<()> {
        for array in self.known.values_mut() {
            *array = filter(array, keep)?;
        }
        self.numbers = keep.values().set_indices().map(|row| self.numbers[row]).collect();
        Ok(())
    }
}

impl BlockParser for NdjsonParser {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn parse(&self, block: &Block, _: &mut Index) -> Result<Parsed> {
        let data = &block.data[..];
        let buffer = Buffer::from(block.data.clone());
        let source = Source { data, buffer: &buffer, shared: true };
        let mut parsed = Parsed::default();
        let mut objects = Objects::default();
        let keys = Keys::new(Arc::clone(&self.wanted));
        let dirty = !block.ascii && std::str::from_utf8(data).is_err();
        let mut lines = Lines { data, at: 0, keys, width: self.readers.len(), number: block.line, dirty };
        loop {
            objects.lines.clear();
            objects.spans.clear();
            let more = lines.next(BATCH_ROWS, &mut objects, |line, fault| {
                parsed.rejects.push(faulty(block, line, fault));
            });
            if !objects.lines.is_empty() {
                self.batch(source, &objects, block, &mut parsed)?;
            }
            if !more {
                break;
            }
        }
        parsed.rejects.sort_by_key(|reject| reject.line);
        Ok(parsed)
    }
}

/// Walks over the lines of a block.
#[derive(Debug)]
struct Lines<'a> {
    data: &'a [u8],
    /// Where the next line begins.
    at: usize,
    keys: Keys,
    width: usize,
    /// The next line's number.
    number: u64,
    /// Whether lines must be looked at for bytes that are not UTF-8.
    dirty: bool,
}

impl Lines<'_> {
    /// Adds up to `count` objects; whether there is more.
    fn next(&mut self, count: usize, objects: &mut Objects, mut faulty: impl FnMut(Line, Fault)) -> bool {
        let text = walk::Text(self.data);
        while objects.lines.len() < count {
            let start = self.at;
            if start >= self.data.len() {
                return false;
            }
            let number = self.number;
            self.number += 1;
            if let Some(end) = text.blank(start) {
                self.at = end + 1;
                continue;
            }
            let first = objects.spans.len();
            objects.spans.resize(first + self.width, Span::default());
            let mut result = text.line(start, &mut self.keys, &mut objects.spans[first..]);
            let end = result.unwrap_or_else(|fault| line_end_behind(self.data, fault.at));
            if self.dirty
                && let Err(error) = std::str::from_utf8(&self.data[start..end])
            {
                result = text::fault(start + error.valid_up_to(), "the line is not UTF-8");
            }
            let line = Line { number, start, end };
            match result {
                Ok(_) => objects.lines.push(line),
                Err(fault) => {
                    objects.spans.truncate(first);
                    faulty(line, fault);
                }
            }
            self.at = end + 1;
        }
        true
    }
}

fn reject(block: &Block, line: Line, column: Option<String>, reason: String) -> Reject {
    Reject::new(line.number, block.offset + line.start as u64, column, reason, &block.data[line.start..line.end])
}

/// A line that is no object, or has a field too many.
fn faulty(block: &Block, line: Line, fault: Fault) -> Reject {
    if fault.what == UNKNOWN_FIELD {
        let rest = block.data.get(fault.at..line.end).unwrap_or_default();
        let end = text::string_end(rest, 0).map_or(rest.len(), |(end, _)| end);
        let name = text::unescape(&rest[..end]).map(std::borrow::Cow::into_owned).ok();
        return reject(block, line, name, fault.what.to_owned());
    }
    reject(block, line, None, format!("{} (byte {} of the line)", fault.what, fault.at - line.start + 1))
}
