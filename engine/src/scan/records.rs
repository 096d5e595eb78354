//! The records of a block, sorted into those of the right shape and rejects.

use super::block::Block;
use super::dialect::Dialect;
use super::fields::Outcome;
use super::index::{Index, Separators};
use super::rejects::Reject;

/// The records of a block. A good one is known by its place: that of its first field's end in the index.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// The good ones, in order.
    pub(crate) places: Vec<u32>,
    /// Those with another number of fields, and one with a quote that is never closed.
    pub(crate) rejects: Vec<Reject>,
}

impl Sorted {
    /// Sorts the records of a table of `width` columns; the header and empty lines are left out.
    pub(crate) fn of(block: &Block, index: &Index, dialect: &Dialect, width: usize) -> Self {
        let separators = Separators::of(dialect);
        let outcome = |record, expected| index.outcome(&block.data, separators, record, expected);
        let mut record = 0;
        if block.first {
            for _ in 0..dialect.header_records() {
                while record < index.records() && outcome(record, None) == Outcome::Empty {
                    record += 1;
                }
                record += 1;
            }
        }
        let mut sorted = Self { places: Vec::with_capacity(index.records()), rejects: Vec::new() };
        let sure = width > 1 && index.unclosed.is_none();
        let mut place = if record < index.records() { index.first(record) } else { 0 };
        while let Some(end) = index.ends.get(record).copied() {
            if sure && (end - place) as usize + 1 == width {
                sorted.places.push(place);
            } else {
                sorted.sort(block, index, separators, record, width);
            }
            place = end + 1;
            record += 1;
        }
        sorted
    }

    /// Sorts a record that may be bad.
    fn sort(&mut self, block: &Block, index: &Index, separators: Separators, record: usize, width: usize) {
        let place = index.first(record);
        let reason = match index.outcome(&block.data, separators, record, Some(width)) {
            Outcome::Good => return self.places.push(place),
            Outcome::Empty => return,
            Outcome::Ragged(found) => format!("{found} fields where the table has {width} columns"),
            Outcome::Unclosed(at) => {
                let before = &block.data[index.start(record)..at as usize];
                let line = 1 + separators.count_lines(before);
                let place = block.offset + u64::from(at);
                format!("the quote that opens at byte {place}, in line {line} of the record, is never closed")
            }
        };
        self.rejects.push(reject(block, index, separators, place, index.ends[record], None, reason));
    }
}

/// A reject of the record whose fields end at `first` to `last` of the index.
pub(crate) fn reject(
    block: &Block,
    index: &Index,
    separators: Separators,
    first: u32,
    last: u32,
    column: Option<String>,
    reason: String,
) -> Reject {
    let start = first.checked_sub(1).map_or(0, |before| index.seps[before as usize] as usize + 1);
    let end = (index.seps[last as usize] as usize).min(block.data.len());
    let line = block.line + separators.count_lines(&block.data[..start]);
    Reject::new(line, block.offset + start as u64, column, reason, &block.data[start..end])
}
