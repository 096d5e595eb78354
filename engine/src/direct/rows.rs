//! The records of one block of delimited text, and typed looks at some of them.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::Buffer;

use super::raw::{Node, Text, Verdict};
use crate::error::Result;
use crate::scan::convert::Values;
use crate::scan::{
    BATCH_ROWS, Block, Column, Dialect, Field, Index, Predicate, Reject, Separators, field, reject, to_u32,
};

/// How the file is written, and its columns in their places.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dialect: Dialect,
    pub(crate) separators: Separators,
    pub(crate) columns: Vec<Column>,
}

/// A block and its index. A row is known by its place: that of its first field's end in the index.
pub(crate) struct Rows<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) block: &'a Block,
    pub(crate) index: &'a Index,
    /// Whether the whole block is UTF-8.
    pub(crate) utf8: bool,
    buffer: Buffer,
}

/// A value that does not fit: its row's number among those looked at, its column's place in the file, and why.
pub(crate) type Bad = (usize, usize, String);

impl<'a> Rows<'a> {
    pub(crate) fn new(layout: &'a Layout, block: &'a Block, index: &'a Index) -> Self {
        let utf8 = index.ascii || std::str::from_utf8(&block.data).is_ok();
        Self { layout, block, index, utf8, buffer: Buffer::from(block.data.clone()) }
    }

    /// Where a field starts and ends, quotes included; a carriage return before the line feed belongs to neither.
    #[inline]
    pub(crate) fn range(&self, place: u32, column: usize) -> (usize, usize) {
        self.ranges(column)(place)
    }

    /// The same for fields of one column.
    #[inline]
    pub(crate) fn ranges(&self, column: usize) -> impl Fn(u32) -> (usize, usize) {
        let (seps, data) = (&self.index.seps[..], &self.block.data[..]);
        let last = column + 1 == self.layout.columns.len();
        move |place| {
            let at = place as usize + column;
            let start = if at == 0 { 0 } else { seps[at - 1] as usize + 1 };
            let mut end = seps[at] as usize;
            if last && end > start && data[end - 1] == b'\r' {
                end -= 1;
            }
            (start, end)
        }
    }

    /// The bytes of some neighbouring fields, with quotes and delimiters.
    #[inline]
    pub(crate) fn bytes(&self, place: u32, first: usize, last: usize) -> &'a [u8] {
        let (start, end) = (self.range(place, first).0, self.range(place, last).1);
        &self.block.data[start..end]
    }

    /// The text of a field at a glance.
    #[inline]
    pub(crate) fn text(&self, place: u32, column: usize) -> Text<'a> {
        let (start, end) = self.range(place, column);
        Text::of(&self.block.data[start..end], self.layout.separators.quote)
    }

    /// A field, exactly.
    pub(crate) fn field(&self, place: u32, column: usize) -> Field {
        let at = place as usize + column;
        let start = if at == 0 { 0 } else { self.index.seps[at - 1] + 1 };
        let last = column + 1 == self.layout.columns.len();
        field(&self.block.data, self.layout.separators, start, self.index.seps[at], last)
    }

    /// A column of some rows as an array; values that do not fit go to `bad`.
    pub(crate) fn array(&self, places: &[u32], column: usize, bad: &mut Vec<Bad>) -> Result<ArrayRef> {
        let values = Values {
            data: &self.block.data,
            buffer: &self.buffer,
            seps: &self.index.seps,
            places,
            column,
            last: column + 1 == self.layout.columns.len(),
            separators: self.layout.separators,
            dialect: &self.layout.dialect,
            utf8: self.utf8,
            copy: false,
        };
        let (array, misfits) = values.convert(&self.layout.columns[column])?;
        bad.extend(misfits.into_iter().map(|(row, reason)| (row, column, reason)));
        Ok(array)
    }

    /// Rejects rows for their first column at fault; `bad` tells which of `places`. Returns which ones, ascending.
    pub(crate) fn reject(&self, places: &[u32], mut bad: Vec<Bad>, rejects: &mut Vec<Reject>) -> Vec<usize> {
        bad.sort_by_key(|(row, column, _)| (*row, *column));
        bad.dedup_by_key(|(row, _, _)| *row);
        bad.into_iter()
            .map(|(row, column, reason)| {
                let name = Some(self.layout.columns[column].name.clone());
                let (first, last) = (places[row], places[row] + to_u32(self.layout.columns.len()) - 1);
                rejects.push(reject(self.block, self.index, self.layout.separators, first, last, name, reason));
                row
            })
            .collect()
    }
}

/// Keeps those of `places` for whose number `keep` is true.
pub(crate) fn retain(places: &mut Vec<u32>, mut keep: impl FnMut(usize) -> bool) {
    let mut kept = 0;
    for number in 0..places.len() {
        places[kept] = places[number];
        kept += usize::from(keep(number));
    }
    places.truncate(kept);
}

/// Drops those of `places` whose numbers are in `gone`, ascending.
pub(crate) fn without(places: &mut Vec<u32>, gone: &[usize]) {
    if !gone.is_empty() {
        let mut gone = gone.iter().copied().peekable();
        retain(places, |number| gone.next_if_eq(&number).is_none());
    }
}

/// A condition: on raw bytes where it can be told from them, else on arrays.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) raw: Option<Node>,
    pub(crate) typed: Predicate,
}

impl Condition {
    /// The columns that it needs.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.typed.columns().into_iter()
    }

    /// Keeps the rows for which it is true.
    pub(crate) fn apply(&self, rows: &Rows<'_>, places: &mut Vec<u32>, rejects: &mut Vec<Reject>) -> Result<()> {
        let Some(raw) = self.raw.as_ref().filter(|_| rows.utf8) else {
            let keep = self.exactly(rows, places, rejects)?;
            retain(places, |number| keep[number]);
            return Ok(());
        };
        let mut unsure = Vec::new();
        let mut kept = 0;
        for number in 0..places.len() {
            let place = places[number];
            let verdict = raw.verdict(&|column| rows.text(place, column));
            places[kept] = place;
            if verdict == Verdict::Unsure {
                unsure.push(kept);
            }
            kept += usize::from(matches!(verdict, Verdict::True | Verdict::Unsure));
        }
        places.truncate(kept);
        if !unsure.is_empty() {
            let open: Vec<u32> = unsure.iter().map(|number| places[*number]).collect();
            let keep = self.exactly(rows, &open, rejects)?;
            let gone: Vec<usize> = unsure.into_iter().zip(keep).filter(|(_, keep)| !keep).map(|(row, _)| row).collect();
            without(places, &gone);
        }
        Ok(())
    }

    /// For each row whether the typed condition is true; rows whose values do not fit are rejected.
    fn exactly(&self, rows: &Rows<'_>, places: &[u32], rejects: &mut Vec<Reject>) -> Result<Vec<bool>> {
        let mut keep = Vec::with_capacity(places.len());
        for places in places.chunks(BATCH_ROWS) {
            let known = keep.len();
            keep.resize(known + places.len(), true);
            let mut bad = Vec::new();
            for stage in self.typed.stages() {
                let arrays: Result<Vec<ArrayRef>> =
                    stage.columns.iter().map(|column| rows.array(places, *column, &mut bad)).collect();
                let found = stage.check(arrays?, places.len())?;
                for (row, keep) in keep[known..].iter_mut().enumerate() {
                    *keep &= found.is_valid(row) && found.value(row);
                }
            }
            for row in rows.reject(places, bad, rejects) {
                keep[known + row] = false;
            }
        }
        Ok(keep)
    }
}
