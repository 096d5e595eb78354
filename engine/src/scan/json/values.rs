//! From the places of JSON values to typed Arrow arrays; a value that does not fit is reported, never turned to null.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, ListArray, NullArray, PrimitiveBuilder, StringBuilder, StructArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, FieldRef, Fields, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::keys::{Keys, Wanted};
use super::other;
use super::text::unescape;
use super::walk::{Kind, Span, fields, items};
use crate::error::Result;
use crate::scan::numbers::{has_leading_zero, parse_bool, parse_decimal, parse_float, parse_int};
use crate::scan::temporal::{parse_date, parse_timestamp};
use crate::scan::views::Views;
use crate::types::type_name;

/// A value that does not fit: its row, its column (with the path within it), and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) row: usize,
    pub(crate) column: String,
    pub(crate) reason: String,
}

/// The bytes that spans point into.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) data: &'a [u8],
    /// The same bytes, for arrays that point into them.
    pub(crate) buffer: &'a Buffer,
    /// Whether arrays are to do so; otherwise texts are copied.
    pub(crate) shared: bool,
}

/// Makes arrays of one type.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The column, or the path within it.
    path: String,
    kind: DataType,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Leaf,
    Struct { fields: Fields, wanted: Arc<Wanted>, children: Vec<Reader> },
    List { field: FieldRef, item: Box<Reader> },
}

type Made = Result<(ArrayRef, Vec<Misfit>)>;

impl Reader {
    /// A reader of values of this type; `strict` objects have no other fields than the type's.
    pub(crate) fn new(path: String, kind: &DataType, strict: bool) -> Self {
        let inner = match kind {
            DataType::Struct(fields) => Inner::Struct {
                fields: fields.clone(),
                wanted: Arc::new(Wanted::new(fields.iter().map(|field| field.name().as_str()), strict)),
                children: fields
                    .iter()
                    .map(|field| Self::new(format!("{path}.{}", field.name()), field.data_type(), strict))
                    .collect(),
            },
            DataType::List(field) => Inner::List {
                field: Arc::clone(field),
                item: Box::new(Self::new(format!("{path}[]"), field.data_type(), strict)),
            },
            _ => Inner::Leaf,
        };
        Self { path, kind: kind.clone(), inner }
    }

    /// The array of these values, one a row.
    pub(crate) fn read(&self, source: Source<'_>, spans: &[Span]) -> Made {
        match &self.inner {
            Inner::Struct { fields, wanted, children } => self.structs(source, spans, fields, wanted, children),
            Inner::List { field, item } => self.lists(source, spans, field, item),
            Inner::Leaf => self.leaf(source, spans),
        }
    }

    fn leaf(&self, source: Source<'_>, spans: &[Span]) -> Made {
        let data = source.data;
        Ok(match &self.kind {
            DataType::Utf8View => self.views(source, spans),
            DataType::Utf8 => {
                let bytes = spans.iter().map(|span| (span.end - span.start) as usize).sum();
                let mut builder = StringBuilder::with_capacity(spans.len(), bytes);
                let misfits = self.each(data, spans, text, |value| builder.append_option(value));
                (Arc::new(builder.finish()), misfits)
            }
            DataType::Boolean => {
                let mut builder = BooleanBuilder::with_capacity(spans.len());
                let misfits = self.each(data, spans, boolean, |value| builder.append_option(value));
                (Arc::new(builder.finish()), misfits)
            }
            DataType::Int8 => self.integers::<Int8Type>(data, spans),
            DataType::Int16 => self.integers::<Int16Type>(data, spans),
            DataType::Int32 => self.integers::<Int32Type>(data, spans),
            DataType::Int64 => self.integers::<Int64Type>(data, spans),
            DataType::UInt8 => self.integers::<UInt8Type>(data, spans),
            DataType::UInt16 => self.integers::<UInt16Type>(data, spans),
            DataType::UInt32 => self.integers::<UInt32Type>(data, spans),
            DataType::UInt64 => self.integers::<UInt64Type>(data, spans),
            DataType::Float64 => self.primitives::<Float64Type>(data, spans, float),
            #[expect(clippy::cast_possible_truncation, reason = "the nearest number of the narrower type is meant")]
            DataType::Float32 => self.primitives::<Float32Type>(data, spans, |data, span| {
                let value = float(data, span)? as f32;
                if value.is_finite() { Ok(value) } else { Err(None) }
            }),
            DataType::Decimal128(precision, scale) => {
                let mut builder =
                    Decimal128Builder::with_capacity(spans.len()).with_precision_and_scale(*precision, *scale)?;
                let parse = |data, span| numeric(data, span, |raw| parse_decimal(raw, *precision, *scale));
                let misfits = self.each(data, spans, parse, |value| builder.append_option(value));
                (Arc::new(builder.finish()), misfits)
            }
            DataType::Date32 => self.primitives::<Date32Type>(data, spans, |data, span| {
                parse_date(text(data, span)?.trim().as_bytes()).ok_or(None)
            }),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let zoned = zone.is_some();
                self.primitives::<TimestampMicrosecondType>(data, spans, |data, span| {
                    match parse_timestamp(text(data, span)?.trim().as_bytes()) {
                        Some((micros, None)) if !zoned => Ok(micros),
                        Some((micros, Some(offset))) if zoned => Ok(micros - i64::from(offset) * 1_000_000),
                        _ => Err(None),
                    }
                })
            }
            DataType::Null => {
                let parse = |_: &[u8], _: Span| Err::<(), _>(None);
                (Arc::new(NullArray::new(spans.len())), self.each(data, spans, parse, |_| {}))
            }
            _ => {
                let (array, rows) = other::read(data, &self.kind, spans)?;
                let misfits = rows.into_iter().map(|row| self.misfit(row, data, spans[row], None)).collect();
                (array, misfits)
            }
        })
    }

    fn views(&self, source: Source<'_>, spans: &[Span]) -> (ArrayRef, Vec<Misfit>) {
        let mut views = Views::new(spans.len(), source.buffer);
        let mut misfits = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            match span.kind {
                Kind::Absent | Kind::Null => views.null(),
                Kind::Escaped => match text(source.data, *span) {
                    Ok(text) => views.copy(text.as_bytes()),
                    Err(reason) => {
                        views.null();
                        misfits.push(self.misfit(row, source.data, *span, reason));
                    }
                },
                // Lines that are not UTF-8 do not come here.
                _ if source.shared => views.point(span.start, span.end),
                _ => views.copy(span.bytes(source.data)),
            }
        }
        (views.finish(), misfits)
    }

    fn integers<T: ArrowPrimitiveType>(&self, data: &[u8], spans: &[Span]) -> (ArrayRef, Vec<Misfit>)
    where
        T::Native: TryFrom<i128>,
    {
        self.primitives::<T>(data, spans, |data, span| {
            T::Native::try_from(numeric(data, span, integer)?).map_err(|_| None)
        })
    }

    fn primitives<T: ArrowPrimitiveType>(
        &self,
        data: &[u8],
        spans: &[Span],
        parse: impl Fn(&[u8], Span) -> Value<T::Native>,
    ) -> (ArrayRef, Vec<Misfit>) {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(spans.len()).with_data_type(self.kind.clone());
        let misfits = self.each(data, spans, parse, |value| builder.append_option(value));
        (Arc::new(builder.finish()), misfits)
    }

    fn each<'a, V>(
        &self,
        data: &'a [u8],
        spans: &[Span],
        parse: impl Fn(&'a [u8], Span) -> Value<V>,
        mut append: impl FnMut(Option<V>),
    ) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        for (row, span) in spans.iter().enumerate() {
            if span.is_null() {
                append(None);
                continue;
            }
            match parse(data, *span) {
                Ok(value) => append(Some(value)),
                Err(reason) => {
                    append(None);
                    misfits.push(self.misfit(row, data, *span, reason));
                }
            }
        }
        misfits
    }

    fn structs(
        &self,
        source: Source<'_>,
        spans: &[Span],
        types: &Fields,
        wanted: &Arc<Wanted>,
        children: &[Reader],
    ) -> Made {
        let width = children.len();
        let mut places = vec![Span::default(); spans.len() * width];
        let mut misfits = Vec::new();
        let mut keys = Keys::new(Arc::clone(wanted));
        let mut valid = Vec::with_capacity(spans.len());
        for (row, span) in spans.iter().enumerate() {
            valid.push(!span.is_null());
            if span.kind == Kind::Object {
                let slots = &mut places[row * width..(row + 1) * width];
                if let Err(fault) = fields(source.data, *span, &mut keys, slots) {
                    slots.fill(Span::default());
                    misfits.push(Misfit { row, column: self.path.clone(), reason: fault.what.to_owned() });
                }
            } else if !span.is_null() {
                misfits.push(self.misfit(row, source.data, *span, None));
            }
        }
        let mut arrays = Vec::with_capacity(width);
        let mut column = Vec::with_capacity(spans.len());
        for (slot, child) in children.iter().enumerate() {
            column.clear();
            column.extend(places.iter().skip(slot).step_by(width.max(1)));
            let (array, wrong) = child.read(source, &column)?;
            misfits.extend(wrong);
            arrays.push(array);
        }
        let nulls = NullBuffer::from(valid);
        let array = StructArray::try_new_with_length(types.clone(), arrays, Some(nulls), spans.len())?;
        Ok((Arc::new(array), misfits))
    }

    fn lists(&self, source: Source<'_>, spans: &[Span], field: &FieldRef, item: &Reader) -> Made {
        let (mut all, mut owners, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(spans.len()));
        let mut misfits = Vec::new();
        let mut valid = Vec::with_capacity(spans.len());
        for (row, span) in spans.iter().enumerate() {
            valid.push(!span.is_null());
            let before = all.len();
            if span.kind == Kind::List {
                // Walked over before: no fault is left in it.
                let _ = items(source.data, *span, |item| all.push(item));
            } else if !span.is_null() {
                misfits.push(self.misfit(row, source.data, *span, None));
            }
            owners.resize(all.len(), row);
            lengths.push(all.len() - before);
        }
        let (values, wrong) = item.read(source, &all)?;
        misfits.extend(wrong.into_iter().map(|misfit| Misfit { row: owners[misfit.row], ..misfit }));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let array = ListArray::try_new(Arc::clone(field), offsets, values, Some(NullBuffer::from(valid)))?;
        Ok((Arc::new(array), misfits))
    }

    fn misfit(&self, row: usize, data: &[u8], span: Span, reason: Option<&str>) -> Misfit {
        let reason = reason.map_or_else(
            || {
                let raw = span.bytes(data);
                let shown: String = String::from_utf8_lossy(raw).chars().take(60).collect();
                let text = matches!(span.kind, Kind::Text | Kind::Escaped);
                let zeros = if text && has_leading_zero(raw) { " (its leading zeros would be lost)" } else { "" };
                format!("`{shown}` is no {}{zeros}", type_name(&self.kind))
            },
            str::to_owned,
        );
        Misfit { row, column: self.path.clone(), reason }
    }
}

/// A value; or why it does not fit, if there is more to say than that.
type Value<V> = std::result::Result<V, Option<&'static str>>;

/// The text of a value: that of a string, the JSON text of anything else.
fn text(data: &[u8], span: Span) -> Value<std::borrow::Cow<'_, str>> {
    let raw = span.bytes(data);
    if span.kind == Kind::Escaped {
        return unescape(raw).map_err(Some);
    }
    std::str::from_utf8(raw).map(Into::into).map_err(|_| Some("the text is not UTF-8"))
}

fn boolean(data: &[u8], span: Span) -> Value<bool> {
    match span.kind {
        Kind::True => Ok(true),
        Kind::False => Ok(false),
        Kind::Text => parse_bool(span.bytes(data).trim_ascii()).ok_or(None),
        _ => Err(None),
    }
}

/// A number, or a text that holds one; leading zeros in a text make it none.
fn numeric<V>(data: &[u8], span: Span, parse: impl Fn(&[u8]) -> Option<V>) -> Value<V> {
    let raw = span.bytes(data);
    match span.kind {
        Kind::Number => parse(raw).ok_or(None),
        Kind::Text if !has_leading_zero(raw.trim_ascii()) => parse(raw.trim_ascii()).ok_or(None),
        _ => Err(None),
    }
}

/// A whole number: `1`, and `1.0` and `1e3` too; never one that would be rounded.
fn integer(raw: &[u8]) -> Option<i128> {
    /// Whole numbers up to this one are exact in a 64-bit float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(value) = parse_int(raw) {
        return Some(i128::from(value));
    }
    if raw.iter().all(u8::is_ascii_digit) {
        return std::str::from_utf8(raw).ok()?.parse().ok();
    }
    let value = parse_float(raw)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128)
}

fn float(data: &[u8], span: Span) -> Value<f64> {
    let value = numeric(data, span, parse_float)?;
    if value.is_finite() || span.kind == Kind::Text { Ok(value) } else { Err(None) }
}
