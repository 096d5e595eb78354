//! From texts to typed Arrow arrays; a text that does not fit is reported, never turned to null.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Decimal128Builder, NullBufferBuilder, PrimitiveArray, StringBuilder,
};
use arrow::buffer::Buffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

use super::dialect::Dialect;
use super::fields::{Field, field, field_bytes, is_null_field};
use super::index::Separators;
use super::numbers::{has_leading_zero, parse_bool, parse_float, parse_int};
use super::parse::Column;
use super::short::{self, Fields, Short};
use super::spelling::Spelling;
use super::temporal::Timestamps;
use super::views::Views;
use crate::error::Result;
use crate::types::type_name;

/// The fields of one column in some records of a block.
pub(crate) struct Values<'a> {
    pub(crate) data: &'a [u8],
    /// The same bytes, for arrays that point into them.
    pub(crate) buffer: &'a Buffer,
    /// The ends of all fields of the block.
    pub(crate) seps: &'a [u32],
    /// For each record, the place in `seps` of its first field's end.
    pub(crate) places: &'a [u32],
    /// The column's place in a record.
    pub(crate) column: usize,
    /// Whether it is the last one of a record.
    pub(crate) last: bool,
    pub(crate) separators: Separators,
    pub(crate) dialect: &'a Dialect,
    /// Whether all of `data` is UTF-8.
    pub(crate) utf8: bool,
    /// Whether texts are to be copied out of the block.
    pub(crate) copy: bool,
}

/// A value that does not fit: its record's number in the batch, and why.
pub(crate) type Misfit = (usize, String);

impl Values<'_> {
    /// The bytes of a record's field, with quotes and what belongs to them.
    #[inline]
    fn range(&self, place: u32) -> (u32, u32) {
        let place = place as usize + self.column;
        let width = if self.column == 0 { 1 } else { self.separators.width() };
        let start = place.checked_sub(1).map_or(0, |before| self.seps[before] + width);
        (start, self.seps[place])
    }

    #[inline]
    fn field(&self, place: u32) -> Field {
        let (start, end) = self.range(place);
        field(self.data, self.separators, start, end, self.last)
    }

    fn iter(&self) -> impl Iterator<Item = Field> {
        self.places.iter().map(|place| self.field(*place))
    }

    fn rows(&self) -> usize {
        self.places.len()
    }

    #[inline]
    fn is_null(&self, field: Field) -> bool {
        is_null_field(self.data, field, self.dialect)
    }

    /// Converts to the column's type.
    pub(crate) fn convert(&self, column: &Column) -> Result<(ArrayRef, Vec<Misfit>)> {
        let strict = !column.declared;
        let spelling = Spelling::of(self.dialect);
        match &column.kind {
            DataType::Utf8View => Ok(self.views()),
            DataType::Utf8 => Ok(self.strings()),
            DataType::Boolean => Ok(self.booleans()),
            DataType::Int64 => Ok(self.numbers::<Int64Type>(&column.kind, strict, parse_int)),
            DataType::Float64 if spelling.comma => {
                Ok(self
                    .primitives::<Float64Type>(&column.kind, |text| number(text, strict, |text| spelling.float(text))))
            }
            DataType::Float64 => Ok(self.numbers::<Float64Type>(&column.kind, strict, parse_float)),
            DataType::Date32 => Ok(self.primitives::<Date32Type>(&column.kind, |text| spelling.date(text))),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                let usual = Timestamps::default();
                Ok(self.primitives::<TimestampMicrosecondType>(&column.kind, |text| {
                    usual.usual(text).or_else(|| match spelling.timestamp(text)? {
                        (micros, None) => Some(micros),
                        (_, Some(_)) => None,
                    })
                }))
            }
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Ok(self.primitives::<TimestampMicrosecondType>(&column.kind, |text| {
                    let (micros, offset) = spelling.timestamp(text)?;
                    Some(micros - i64::from(offset?) * 1_000_000)
                }))
            }
            DataType::Decimal128(precision, scale) => self.decimals(*precision, *scale),
            other => self.cast(other),
        }
    }

    /// Texts that point into the block, save those with escapes and those that are to be copied.
    fn views(&self) -> (ArrayRef, Vec<Misfit>) {
        let mut views = Views::new(self.rows(), self.buffer);
        let mut misfits = Vec::new();
        let Separators { quote, escape, .. } = self.separators;
        let plain = self.utf8 && !self.copy && !self.last && escape.is_none() && self.dialect.null_values.is_empty();
        for (row, place) in self.places.iter().enumerate() {
            if plain {
                // The usual text: not quoted.
                let (start, end) = self.range(*place);
                if start < end && Some(self.data[start as usize]) != quote {
                    views.point(start, end);
                    continue;
                }
            }
            let field = self.field(*place);
            if self.is_null(field) {
                views.null();
                continue;
            }
            let text = field_bytes(self.data, field, self.dialect);
            if !self.utf8 && std::str::from_utf8(&text).is_err() {
                views.null();
                misfits.push((row, NOT_UTF8.to_owned()));
                continue;
            }
            match text {
                Cow::Borrowed(_) if !self.copy => views.point(field.start, field.end),
                text => views.copy(&text),
            }
        }
        (views.finish(), misfits)
    }

    fn strings(&self) -> (ArrayRef, Vec<Misfit>) {
        let bytes: usize = self.iter().map(|field| (field.end - field.start) as usize).sum();
        let mut builder = StringBuilder::with_capacity(self.rows(), bytes);
        let mut misfits = Vec::new();
        for (row, field) in self.iter().enumerate() {
            if self.is_null(field) {
                builder.append_null();
                continue;
            }
            match std::str::from_utf8(&field_bytes(self.data, field, self.dialect)) {
                Ok(text) => builder.append_value(text),
                Err(_) => {
                    builder.append_null();
                    misfits.push((row, NOT_UTF8.to_owned()));
                }
            }
        }
        (Arc::new(builder.finish()), misfits)
    }

    fn booleans(&self) -> (ArrayRef, Vec<Misfit>) {
        let mut builder = BooleanBuilder::with_capacity(self.rows());
        let misfits = self.each(&DataType::Boolean, parse_bool, |value| builder.append_option(value));
        (Arc::new(builder.finish()), misfits)
    }

    fn primitives<T: ArrowPrimitiveType>(
        &self,
        kind: &DataType,
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> (ArrayRef, Vec<Misfit>) {
        let mut values: Vec<T::Native> = Vec::with_capacity(self.rows());
        let mut nulls = NullBufferBuilder::new(self.rows());
        let misfits = self.each(kind, parse, |value| {
            nulls.append(value.is_some());
            values.push(value.unwrap_or_default());
        });
        let array = PrimitiveArray::<T>::new(values.into(), nulls.finish()).with_data_type(kind.clone());
        (Arc::new(array), misfits)
    }

    /// Numbers without a decimal comma, most of which are short.
    fn numbers<T: ArrowPrimitiveType<Native: Short>>(
        &self,
        kind: &DataType,
        strict: bool,
        parse: impl Fn(&[u8]) -> Option<T::Native>,
    ) -> (ArrayRef, Vec<Misfit>) {
        let parse = |text: &[u8]| number(text, strict, &parse);
        if !self.dialect.null_values.is_empty() {
            // A short number may be one of them.
            return self.primitives::<T>(kind, parse);
        }
        let fields = Fields {
            data: self.data,
            seps: self.seps,
            column: self.column,
            width: self.separators.width() as usize,
            strict,
        };
        let (mut values, mut unsure) = (Vec::with_capacity(self.rows() + 8), Vec::new());
        let trial = &self.places[..self.rows().min(TRIAL_ROWS)];
        short::read::<T::Native>(fields, trial, &mut values, &mut unsure);
        if unsure.len() * 2 > trial.len() {
            return self.primitives::<T>(kind, parse);
        }
        let (known, told) = (trial.len(), unsure.len());
        short::read::<T::Native>(fields, &self.places[known..], &mut values, &mut unsure);
        unsure[told..].iter_mut().for_each(|row| *row += known);
        let (mut nulls, mut misfits) = (Vec::new(), Vec::new());
        for row in unsure {
            match self.value(row, kind, parse, &mut misfits) {
                Some(value) => values[row] = value,
                None => nulls.push(row),
            }
        }
        let mut valid = NullBufferBuilder::new(self.rows());
        if !nulls.is_empty() {
            let mut start = 0;
            for row in nulls {
                values[row] = T::Native::default();
                valid.append_n_non_nulls(row - start);
                valid.append_null();
                start = row + 1;
            }
            valid.append_n_non_nulls(self.rows() - start);
        }
        let array = PrimitiveArray::<T>::new(values.into(), valid.finish()).with_data_type(kind.clone());
        (Arc::new(array), misfits)
    }

    fn decimals(&self, precision: u8, scale: i8) -> Result<(ArrayRef, Vec<Misfit>)> {
        let kind = DataType::Decimal128(precision, scale);
        let mut builder = Decimal128Builder::with_capacity(self.rows()).with_precision_and_scale(precision, scale)?;
        let spelling = Spelling::of(self.dialect);
        let parse = |text: &[u8]| spelling.decimal(text, precision, scale);
        let misfits = self.each(&kind, parse, |value| builder.append_option(value));
        Ok((Arc::new(builder.finish()), misfits))
    }

    /// Other types: through text and Arrow's own conversion.
    fn cast(&self, kind: &DataType) -> Result<(ArrayRef, Vec<Misfit>)> {
        let (texts, mut misfits) = self.strings();
        let array = cast_with_options(&texts, kind, &CastOptions { safe: true, ..CastOptions::default() })?;
        for row in 0..array.len() {
            if array.is_null(row) && texts.is_valid(row) {
                let field = self.field(self.places[row]);
                misfits.push((row, misfit(&field_bytes(self.data, field, self.dialect), kind)));
            }
        }
        Ok((array, misfits))
    }

    fn each<V>(
        &self,
        kind: &DataType,
        parse: impl Fn(&[u8]) -> Option<V>,
        mut append: impl FnMut(Option<V>),
    ) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        (0..self.rows()).for_each(|row| append(self.value(row, kind, &parse, &mut misfits)));
        misfits
    }

    /// The value in a row, which may be null.
    #[inline]
    fn value<V>(
        &self,
        row: usize,
        kind: &DataType,
        parse: impl Fn(&[u8]) -> Option<V>,
        misfits: &mut Vec<Misfit>,
    ) -> Option<V> {
        let place = self.places[row];
        if !self.last && self.dialect.null_values.is_empty() {
            // The usual value: not quoted, no spaces around it.
            let (start, end) = self.range(place);
            if let Some(value) = parse(&self.data[start as usize..end as usize]) {
                return Some(value);
            }
        }
        let field = self.field(place);
        if self.is_null(field) {
            return None;
        }
        let text = field_bytes(self.data, field, self.dialect);
        let trimmed = text.trim_ascii();
        let value = parse(trimmed);
        // A quoted empty field, or spaces only, is no value of these types; it is null rather than an error.
        if value.is_none() && !trimmed.is_empty() {
            misfits.push((row, misfit(&text, kind)));
        }
        value
    }
}

/// Rows that tell whether a column's numbers are short.
const TRIAL_ROWS: usize = 256;

pub(super) const NOT_UTF8: &str = "the text is not UTF-8";

fn number<V>(text: &[u8], strict: bool, parse: impl Fn(&[u8]) -> Option<V>) -> Option<V> {
    if strict && has_leading_zero(text) { None } else { parse(text) }
}

fn misfit(text: &[u8], kind: &DataType) -> String {
    let shown: String = String::from_utf8_lossy(text).chars().take(60).collect();
    let zeros = if has_leading_zero(text) { " (its leading zeros would be lost)" } else { "" };
    format!("`{shown}` is no {}{zeros}", type_name(kind))
}
