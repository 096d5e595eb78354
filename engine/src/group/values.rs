//! Values of key fields: which texts are some, and the arrays of them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Decimal128Array, PrimitiveArray, StringArray, StringViewArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

use super::keys::Part;
use crate::error::{EngineError, Result};
use crate::scan::Column;
use crate::scan::numbers::{has_leading_zero, parse_bool, parse_decimal, parse_float, parse_int};
use crate::scan::spelling::Spelling;
use crate::types::is_text;

/// How values are spelled in the files whose rows are grouped here: neither an order of dates nor a decimal comma is known.
const SPELLING: Spelling = Spelling { date_order: None, comma: false };

/// Whether the values of a type can be told from their texts here.
pub(super) fn can_be_key(kind: &DataType) -> bool {
    is_text(kind)
        || matches!(
            kind,
            DataType::Int64
                | DataType::Float64
                | DataType::Boolean
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Decimal128(..)
        )
}

/// Whether equal values of a type are equal texts, when numbers are spelled in the usual way.
pub(super) fn has_one_spelling(kind: &DataType) -> bool {
    is_text(kind) || *kind == DataType::Int64
}

/// The usual spelling of a text that fits a type with one spelling.
pub(super) fn usual<'a>(text: &'a [u8], kind: &DataType) -> Cow<'a, [u8]> {
    match parse_int(text).filter(|_| *kind == DataType::Int64) {
        Some(number) => Cow::Owned(number.to_string().into_bytes()),
        None => Cow::Borrowed(text),
    }
}

fn timestamp(text: &[u8], zoned: bool) -> Option<i64> {
    match (SPELLING.timestamp(text)?, zoned) {
        ((micros, None), false) => Some(micros),
        ((micros, Some(offset)), true) => Some(micros - i64::from(offset) * 1_000_000),
        _ => None,
    }
}

/// Whether a text, without spaces around it, is a value of a column; by the rules of [`crate::scan`].
pub(super) fn fits(text: &[u8], column: &Column) -> bool {
    let number = column.declared || !has_leading_zero(text);
    match &column.kind {
        DataType::Utf8 | DataType::Utf8View => std::str::from_utf8(text).is_ok(),
        DataType::Int64 => number && parse_int(text).is_some(),
        DataType::Float64 => number && parse_float(text).is_some(),
        DataType::Boolean => parse_bool(text).is_some(),
        DataType::Date32 => SPELLING.date(text).is_some(),
        DataType::Timestamp(_, zone) => timestamp(text, zone.is_some()).is_some(),
        DataType::Decimal128(precision, scale) => parse_decimal(text, *precision, *scale).is_some(),
        _ => false,
    }
}

/// The array of some texts, all of which fit.
pub(super) fn array<'a>(kind: &DataType, parts: impl Iterator<Item = Part<'a>>) -> Result<ArrayRef> {
    Ok(match kind {
        DataType::Utf8View => Arc::new(StringViewArray::from_iter(texts(parts)?)),
        DataType::Utf8 => Arc::new(StringArray::from_iter(texts(parts)?)),
        DataType::Int64 => primitives::<Int64Type>(kind, parts, parse_int)?,
        DataType::Float64 => primitives::<Float64Type>(kind, parts, parse_float)?,
        DataType::Date32 => primitives::<Date32Type>(kind, parts, |text| SPELLING.date(text))?,
        DataType::Boolean => Arc::new(BooleanArray::from(parsed(parts, parse_bool)?)),
        DataType::Timestamp(_, zone) => {
            primitives::<TimestampMicrosecondType>(kind, parts, |text| timestamp(text, zone.is_some()))?
        }
        DataType::Decimal128(precision, scale) => {
            let values = parsed(parts, |text| parse_decimal(text, *precision, *scale))?;
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(EngineError::internal(format!("a key of type {other}"))),
    })
}

fn parsed<'a, V>(
    parts: impl Iterator<Item = Part<'a>>,
    parse: impl Fn(&'a [u8]) -> Option<V>,
) -> Result<Vec<Option<V>>> {
    let value = |part: Part<'a>| match part {
        None => Ok(None),
        Some(text) => match parse(text) {
            None => Err(EngineError::internal("a key that does not fit its type")),
            value => Ok(value),
        },
    };
    parts.map(value).collect()
}

fn texts<'a>(parts: impl Iterator<Item = Part<'a>>) -> Result<Vec<Option<&'a str>>> {
    parsed(parts, |text| std::str::from_utf8(text).ok())
}

fn primitives<'a, T: ArrowPrimitiveType>(
    kind: &DataType,
    parts: impl Iterator<Item = Part<'a>>,
    parse: impl Fn(&[u8]) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let values = parsed(parts, parse)?;
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(values).with_data_type(kind.clone())))
}
