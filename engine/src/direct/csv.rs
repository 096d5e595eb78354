//! One block of delimited text, from raw bytes to raw bytes.

use super::check::Check;
use super::keys::{BlockKeys, Keys};
use super::raw::{Text, plain_int};
use super::rows::{Condition, Layout, Rows, retain};
use super::work::{Done, Scratch};
use crate::error::Result;
use crate::scan::temporal::parse_date;
use crate::scan::{Block, Column, FieldKind, Reject, Sorted, field_bytes};
use crate::sink::write_text;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;

/// What happens to delimited text.
#[derive(Debug)]
pub(super) struct Csv {
    pub(super) layout: Layout,
    /// What changes the number of rows, in order.
    pub(super) stages: Vec<Stage>,
    /// Checked of the rows that are left; `None` if a stage did it.
    pub(super) check: Option<Check>,
    /// The columns that are written, by their places in the file.
    pub(super) columns: Vec<usize>,
    /// Neighbouring columns that are written in this order: the first and last of each run.
    pub(super) runs: Vec<(usize, usize)>,
}

/// A step that changes the number of rows.
#[derive(Debug)]
pub(super) enum Stage {
    /// Keeps rows for which all conditions are true.
    Filter(Vec<Condition>),
    /// Keeps the first row of each key, if its values fit.
    Distinct { on: Vec<usize>, keys: Keys, check: Check },
}

impl Csv {
    /// The columns as runs of neighbours.
    pub(super) fn runs(columns: &[usize]) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for column in columns {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *column => *last = *column,
                _ => runs.push((*column, *column)),
            }
        }
        runs
    }

    /// Takes one block. `None` if another thread ended the work.
    pub(super) fn take(&self, block: &Block, number: u64, scratch: &mut Scratch) -> Result<Option<Done>> {
        scratch.index.of(block, self.layout.separators);
        let sorted = Sorted::of(block, &scratch.index, &self.layout.dialect, self.layout.columns.len());
        let Sorted { mut places, mut rejects } = sorted;
        let bad = rejects.len();
        let rows = Rows::new(&self.layout, block, &scratch.index);
        let records = places.len();
        let mut after = Vec::with_capacity(self.stages.len());
        let mut filtered = 0;
        for stage in &self.stages {
            match stage {
                Stage::Filter(conditions) => {
                    let (before, known) = (places.len(), rejects.len());
                    for condition in conditions {
                        condition.apply(&rows, &mut places, &mut rejects)?;
                    }
                    filtered += (before - places.len() - (rejects.len() - known)) as u64;
                }
                Stage::Distinct { on, keys, check } => {
                    let block_keys = &mut scratch.keys;
                    self.keys(&rows, on, keys, &mut places, &mut rejects, block_keys)?;
                    let mut misfits = Vec::new();
                    let valid = |row: usize| {
                        let fits = check.fits(&rows, places[row])?;
                        if !fits {
                            misfits.push(places[row]);
                        }
                        Ok(fits)
                    };
                    if !keys.add(number, block_keys, &mut scratch.new, valid)? {
                        return Ok(None);
                    }
                    check.reject(&rows, &misfits, &mut rejects)?;
                    let known = places.len() - misfits.len();
                    retain(&mut places, |row| scratch.new[row]);
                    filtered += (known - places.len()) as u64;
                }
            }
            after.push(places.len() as u64);
        }
        if let Some(check) = &self.check {
            check.apply(&rows, &mut places, &mut rejects)?;
        }
        rejects.sort_by_key(|reject| reject.byte_offset);
        let mut out = std::mem::take(&mut scratch.out);
        out.clear();
        let plain = !scratch.index.loose && self.layout.dialect.quote == Some(b'"');
        if plain {
            self.copy(&rows, &places, &mut out);
        }
        // A carriage return inside of a record is quoted when it is written, or not, or ends a line to some readers.
        if !plain || memchr::memchr(b'\r', &out).is_some() {
            out.clear();
            self.rewrite(&rows, &places, &mut out);
        }
        let good = (records + bad - rejects.len()) as u64;
        Ok(Some(Done { out, good, rows_out: places.len() as u64, filtered, after, rejects }))
    }

    /// The keys of rows; rows whose keys do not fit are rejected.
    fn keys(
        &self,
        rows: &Rows<'_>,
        on: &[usize],
        keys: &Keys,
        places: &mut Vec<u32>,
        rejects: &mut Vec<Reject>,
        found: &mut BlockKeys,
    ) -> Result<()> {
        found.clear();
        let mut bad = Vec::new();
        for (row, place) in places.iter().enumerate() {
            let fit = on.iter().try_fold(true, |fit, column| {
                Ok::<_, crate::EngineError>(fit && self.key(rows, *place, *column, row, found, &mut bad)?)
            })?;
            if fit {
                found.complete(keys);
            } else {
                found.cancel();
            }
        }
        let gone = rows.reject(places, bad, rejects);
        super::rows::without(places, &gone);
        Ok(())
    }

    /// Adds a field to a key, spelled so that equal values are equal bytes; `false` if the value does not fit.
    #[inline]
    fn key(
        &self,
        rows: &Rows<'_>,
        place: u32,
        column: usize,
        row: usize,
        found: &mut BlockKeys,
        bad: &mut Vec<super::rows::Bad>,
    ) -> Result<bool> {
        match rows.text(place, column) {
            Text::Null => found.push_null(),
            Text::Plain(text) if rows.utf8 && one_spelling(text, &self.layout.columns[column]) => found.push_text(text),
            _ => {
                let known = bad.len();
                let array = rows.array(&[place], column, bad)?;
                if let Some((number, ..)) = bad.get_mut(known) {
                    *number = row;
                    return Ok(false);
                }
                if array.is_null(0) {
                    found.push_null();
                } else {
                    found.push_text(array_value_to_string(&array, 0)?.as_bytes());
                }
            }
        }
        Ok(true)
    }

    /// Copies rows as they stand, but for carriage returns before line feeds.
    fn copy(&self, rows: &Rows<'_>, places: &[u32], out: &mut Vec<u8>) {
        let delimiter = self.layout.separators.delimiter;
        if let [(first, last)] = self.runs[..] {
            for place in places {
                out.extend_from_slice(rows.bytes(*place, first, last));
                out.push(b'\n');
            }
            return;
        }
        for place in places {
            for (first, last) in &self.runs {
                out.extend_from_slice(rows.bytes(*place, *first, *last));
                out.push(delimiter);
            }
            out.pop();
            out.push(b'\n');
        }
    }

    /// Copies rows field by field, and quotes by RFC 4180 those that other readers would read otherwise.
    fn rewrite(&self, rows: &Rows<'_>, places: &[u32], out: &mut Vec<u8>) {
        let Layout { dialect, separators, .. } = &self.layout;
        let standard = dialect.quote == Some(b'"');
        for place in places {
            for column in &self.columns {
                let field = rows.field(*place, *column);
                match field.kind {
                    FieldKind::Plain if field.start == field.end => {}
                    FieldKind::Quoted if standard => out.extend_from_slice(rows.bytes(*place, *column, *column)),
                    _ => write_text(out, &field_bytes(&rows.block.data, field, dialect), separators.delimiter),
                }
                out.push(separators.delimiter);
            }
            out.pop();
            out.push(b'\n');
        }
    }
}

/// Whether a value has only this spelling in its column.
#[inline]
pub(crate) fn one_spelling(text: &[u8], column: &Column) -> bool {
    match column.kind {
        DataType::Utf8 | DataType::Utf8View => true,
        DataType::Int64 => plain_int(text).is_some(),
        DataType::Date32 => parse_date(text).is_some(),
        _ => false,
    }
}

/// Whether `distinct` can tell values of a type apart by the texts that arrays show of them.
pub(super) fn can_be_key(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Utf8
            | DataType::Utf8View
            | DataType::Int64
            | DataType::Boolean
            | DataType::Date32
            | DataType::Decimal128(..)
            | DataType::Timestamp(..)
    )
}
