//! From separator positions to records and fields.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::index::{Index, Separators, to_u32};

/// A field: a range of its block, and how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// First byte, without the quote.
    pub start: u32,
    /// One past the last byte, without the quote.
    pub end: u32,
    /// How to read it.
    pub kind: FieldKind,
}

/// How to read a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// As it stands.
    Plain,
    /// As it stands; it was quoted.
    Quoted,
    /// It was quoted and holds escapes, or text follows the closing quote: the range starts after the opening quote. Or
    /// nothing is quoted, and it holds escapes.
    Escaped,
}

/// What came of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has the fields it should have.
    Good,
    /// It has this many fields instead.
    Ragged(usize),
    /// A quote opened at this position and is never closed.
    Unclosed(u32),
    /// An empty line or a comment, which is no record.
    Empty,
}

/// Reads the records of one block one by one: for looking at files. Jobs read whole columns, see `csv`.
#[derive(Debug)]
pub struct FieldReader<'a> {
    data: &'a [u8],
    separators: Separators,
    index: Index,
    next: usize,
    started: usize,
}

impl<'a> FieldReader<'a> {
    /// Reads `data`, which starts at a record.
    pub fn new(data: &'a [u8], dialect: &Dialect) -> Self {
        let separators = Separators::of(dialect);
        let mut index = Index::default();
        index.build(data, separators);
        Self { data, separators, index, next: 0, started: 0 }
    }

    /// Where the record that was read last starts.
    pub fn started(&self) -> usize {
        self.started
    }

    /// Reads the next record's fields into `fields`; whether it has `width` of them. Empty lines are skipped.
    pub fn next_fields(&mut self, width: usize, fields: &mut Vec<Field>) -> Option<bool> {
        loop {
            fields.clear();
            match self.record(Some(width), |field| fields.push(field))? {
                Outcome::Empty => {}
                outcome => return Some(outcome == Outcome::Good),
            }
        }
    }

    /// Reads the next record as texts, whatever its number of fields; `None` at the end. Empty lines are skipped.
    pub fn texts(&mut self, dialect: &Dialect) -> Option<Vec<Option<String>>> {
        loop {
            let mut fields = Vec::new();
            if self.record(None, |field| fields.push(field))? == Outcome::Empty {
                continue;
            }
            let text = |field: &Field| {
                let text = field_bytes(self.data, *field, dialect);
                (field.kind != FieldKind::Plain || !text.is_empty())
                    .then(|| String::from_utf8_lossy(&text).into_owned())
            };
            return Some(fields.iter().map(text).collect());
        }
    }

    /// Reads the next record, handing each field to `sink`; `None` at the end of the block.
    ///
    /// With `expected`, a record that has another number of fields is ragged.
    fn record(&mut self, expected: Option<usize>, mut sink: impl FnMut(Field)) -> Option<Outcome> {
        let record = self.next;
        if record >= self.index.records() {
            return None;
        }
        self.next += 1;
        self.started = self.index.start(record);
        let outcome = self.index.outcome(self.data, self.separators, record, expected);
        if outcome != Outcome::Empty {
            let places = self.index.first(record)..=self.index.ends[record];
            places.for_each(|place| sink(self.index.field(self.data, self.separators, place, record)));
        }
        Some(outcome)
    }
}

impl Index {
    /// The position of a record's first byte.
    pub fn start(&self, record: usize) -> usize {
        match record.checked_sub(1) {
            Some(before) => self.seps[self.ends[before] as usize] as usize + 1,
            None => 0,
        }
    }

    /// The place in `seps` of the end of a record's first field.
    pub fn first(&self, record: usize) -> u32 {
        record.checked_sub(1).map_or(0, |before| self.ends[before] + 1)
    }

    /// The field that ends at the separator in this `place`, of this record.
    pub fn field(&self, data: &[u8], separators: Separators, place: u32, record: usize) -> Field {
        let end = self.seps[place as usize];
        let width = if place == self.first(record) { 1 } else { separators.width() };
        let start = place.checked_sub(1).map_or(0, |before| self.seps[before as usize] + width);
        field(data, separators, start, end, place == self.ends[record])
    }

    /// What came of a record that should have `expected` fields.
    pub(crate) fn outcome(
        &self,
        data: &[u8],
        separators: Separators,
        record: usize,
        expected: Option<usize>,
    ) -> Outcome {
        if separators.odd.is_some() && separators.is_comment(data.get(self.start(record)..).unwrap_or_default()) {
            return Outcome::Empty;
        }
        let found = (self.ends[record] - self.first(record)) as usize + 1;
        if found == 1 && expected != Some(1) {
            let end = self.seps[self.ends[record] as usize];
            let whole = field(data, separators, to_u32(self.start(record)), end, true);
            if whole.kind == FieldKind::Plain && whole.start == whole.end {
                return Outcome::Empty;
            }
        }
        match (self.unclosed, expected) {
            (Some(at), _) if record + 1 == self.records() => Outcome::Unclosed(at),
            (_, Some(expected)) if expected != found => Outcome::Ragged(found),
            _ => Outcome::Good,
        }
    }
}

/// The field between two separators; `last`: it ends the record, and a carriage return before a line feed is dropped.
#[inline]
pub(crate) fn field(data: &[u8], separators: Separators, start: u32, end: u32, last: bool) -> Field {
    let (from, mut to) = (start as usize, end as usize);
    if last && separators.terminator == b'\n' && to > from && data[to - 1] == b'\r' {
        to -= 1;
    }
    let end = to_u32(to);
    if let (None, Some(escape)) = (separators.quote, separators.escape) {
        let escaped = memchr::memchr(escape, &data[from..to]).is_some();
        return Field { start, end, kind: if escaped { FieldKind::Escaped } else { FieldKind::Plain } };
    }
    if from == to || Some(data[from]) != separators.quote {
        return Field { start, end, kind: FieldKind::Plain };
    }
    let quote = data[from];
    let simple = to - from >= 2
        && data[to - 1] == quote
        && match separators.escape {
            Some(escape) => memchr::memchr2(quote, escape, &data[from + 1..to - 1]).is_none(),
            None => memchr::memchr(quote, &data[from + 1..to - 1]).is_none(),
        };
    if simple {
        Field { start: start + 1, end: end - 1, kind: FieldKind::Quoted }
    } else {
        Field { start: start + 1, end, kind: FieldKind::Escaped }
    }
}

/// Whether a field is null: unquoted, and empty or one of the declared null values.
pub fn is_null_field(data: &[u8], field: Field, dialect: &Dialect) -> bool {
    // Where nothing is quoted, `\N` may be one of the null values.
    if field.kind != FieldKind::Plain && dialect.quote.is_some() {
        return false;
    }
    field.start == field.end
        || (!dialect.null_values.is_empty() && {
            let raw = &data[field.start as usize..field.end as usize];
            dialect.null_values.iter().any(|null| null.as_bytes() == raw)
        })
}

/// The text of a field; copied only if it holds escapes.
pub fn field_bytes<'a>(data: &'a [u8], field: Field, dialect: &Dialect) -> Cow<'a, [u8]> {
    let raw = &data[field.start as usize..field.end as usize];
    if field.kind != FieldKind::Escaped {
        return Cow::Borrowed(raw);
    }
    let escape = Separators::of(dialect).escape;
    // Without quotes, no byte closes anything.
    let quote = dialect.quote;
    let mut text = Vec::with_capacity(raw.len());
    let mut inside = true;
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if !inside {
            text.push(byte);
        } else if Some(byte) == escape {
            text.extend(bytes.next());
        } else if Some(byte) == quote {
            if escape.is_none() && bytes.peek() == Some(&byte) {
                bytes.next();
                text.push(byte);
            } else {
                inside = false;
            }
        } else {
            text.push(byte);
        }
    }
    Cow::Owned(text)
}
