//! Checks that values which are only passed on fit their columns' types, without making arrays of them.

use arrow::datatypes::{DataType, TimeUnit};

use super::raw::{Text, plain_float, plain_int};
use super::rows::{Bad, Rows, without};
use crate::error::Result;
use crate::scan::numbers::{parse_bool, parse_decimal};
use crate::scan::temporal::{parse_date, parse_timestamp};
use crate::scan::{Column, Reject};

/// The columns whose values must fit.
#[derive(Debug)]
pub(super) struct Check(Vec<usize>);

impl Check {
    /// Checks these of the file's columns.
    pub(super) fn new(mut columns: Vec<usize>) -> Self {
        columns.sort_unstable();
        columns.dedup();
        Self(columns)
    }

    /// Whether all values of a row fit for sure; `false` says nothing yet.
    #[inline]
    fn surely(&self, rows: &Rows<'_>, place: u32) -> bool {
        rows.utf8
            && self.0.iter().all(|column| match rows.layout.columns[*column].kind {
                // All bytes are UTF-8, so all texts are.
                DataType::Utf8 | DataType::Utf8View => true,
                _ => match rows.text(place, *column) {
                    Text::Null => true,
                    Text::Plain(text) => fits(text, &rows.layout.columns[*column]),
                    Text::Unsure => false,
                },
            })
    }

    /// Whether all values of a row fit.
    pub(super) fn fits(&self, rows: &Rows<'_>, place: u32) -> Result<bool> {
        Ok(self.surely(rows, place) || self.misfits(rows, &[place])?.is_empty())
    }

    /// Rejects the rows with values that do not fit.
    pub(super) fn apply(&self, rows: &Rows<'_>, places: &mut Vec<u32>, rejects: &mut Vec<Reject>) -> Result<()> {
        let doubtful: Vec<usize> = (0..places.len()).filter(|row| !self.surely(rows, places[*row])).collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let open: Vec<u32> = doubtful.iter().map(|row| places[*row]).collect();
        let gone = rows.reject(&open, self.misfits(rows, &open)?, rejects);
        without(places, &gone.into_iter().map(|row| doubtful[row]).collect::<Vec<_>>());
        Ok(())
    }

    /// Rejects rows that are known not to fit.
    pub(super) fn reject(&self, rows: &Rows<'_>, places: &[u32], rejects: &mut Vec<Reject>) -> Result<()> {
        rows.reject(places, self.misfits(rows, places)?, rejects);
        Ok(())
    }

    fn misfits(&self, rows: &Rows<'_>, places: &[u32]) -> Result<Vec<Bad>> {
        let mut bad = Vec::new();
        for column in &self.0 {
            rows.array(places, *column, &mut bad)?;
        }
        Ok(bad)
    }
}

/// Whether a plain spelling fits; `false` for unusual ones, whether they fit or not.
#[inline]
pub(super) fn fits(text: &[u8], column: &Column) -> bool {
    match column.kind {
        DataType::Int64 => plain_int(text).is_some(),
        DataType::Float64 => plain_float(text).is_some(),
        DataType::Boolean => parse_bool(text).is_some(),
        DataType::Date32 => parse_date(text).is_some(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => matches!(parse_timestamp(text), Some((_, None))),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => matches!(parse_timestamp(text), Some((_, Some(_)))),
        DataType::Decimal128(precision, scale) => parse_decimal(text, precision, scale).is_some(),
        _ => false,
    }
}
