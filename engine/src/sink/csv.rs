//! CSV: UTF-8, RFC 4180 quoting, `\n`. Null is empty and the empty text is `""`, so that both come back as they were.

use std::io::Write;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, FieldRef, Float64Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use karyaksham_spec::Output;

use super::number::{write_date, write_float, write_int, write_timestamp};
use super::ordered::{Encoded, Rows};
use crate::error::Result;

/// Bytes that a cell takes, about: what a batch's text is first given room for.
const CELL_BYTES: usize = 12;

struct CsvRows {
    style: Style,
    head: Vec<u8>,
}

/// How texts are written.
#[derive(Clone, Copy)]
struct Style {
    delimiter: u8,
    escape_formulas: bool,
}

impl Style {
    fn write(self, out: &mut Vec<u8>, text: &[u8]) {
        if self.escape_formulas && is_formula(text) {
            write_text(out, &[b"'", text].concat(), self.delimiter);
        } else {
            write_text(out, text, self.delimiter);
        }
    }
}

/// The encoder of rows to an output's delimiter, or to this one.
pub(super) fn rows(output: &Output, delimiter: u8, schema: &Schema) -> Box<dyn Rows> {
    let delimiter = output.delimiter.as_ref().and_then(|text| text.bytes().next()).unwrap_or(delimiter);
    let style = Style { delimiter, escape_formulas: output.escape_formulas == Some(true) };
    let mut head = Vec::new();
    if output.header.unwrap_or(true) {
        for (number, field) in schema.fields().iter().enumerate() {
            if number > 0 {
                head.push(delimiter);
            }
            style.write(&mut head, field.name().as_bytes());
        }
        head.push(b'\n');
    }
    Box::new(CsvRows { style, head })
}

impl Rows for CsvRows {
    fn head(&self) -> Vec<u8> {
        self.head.clone()
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        let options = FormatOptions::default();
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (array, field) in batch.columns().iter().zip(schema.fields()) {
            columns.push(Cells::new(array, field, &options)?);
        }
        let mut out = Vec::with_capacity(batch.num_rows() * batch.num_columns() * CELL_BYTES);
        let mut scratch = Vec::new();
        for row in 0..batch.num_rows() {
            for (number, (column, array)) in columns.iter_mut().zip(batch.columns()).enumerate() {
                if number > 0 {
                    out.push(self.style.delimiter);
                }
                if array.is_valid(row) {
                    column.write(row, &mut out, &mut scratch, self.style)?;
                }
            }
            out.push(b'\n');
        }
        Ok(Encoded::Text(out))
    }
}

/// The cells of one column.
enum Cells<'a> {
    View(&'a StringViewArray),
    Text(&'a StringArray),
    Int(&'a Int64Array),
    Int32(&'a Int32Array),
    Float(&'a Float64Array),
    Boolean(&'a BooleanArray),
    Date(&'a Date32Array, ArrayFormatter<'a>),
    /// Whether the zone is UTC, which shows as `Z`.
    Timestamp(&'a TimestampMicrosecondArray, bool, ArrayFormatter<'a>),
    /// Lists and structs, as JSON.
    Nested(NullableEncoder<'a>),
    Other(ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    fn new(array: &'a dyn Array, field: &'a FieldRef, options: &'a FormatOptions<'a>) -> Result<Self> {
        let formatter = || ArrayFormatter::try_new(array, options);
        Ok(match array.data_type() {
            DataType::Utf8View => Self::View(array.as_string_view()),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>(), formatter()?),
            DataType::Timestamp(TimeUnit::Microsecond, zone)
                if zone.as_deref().is_none_or(|zone| zone == "UTC" || zone == "+00:00") =>
            {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>(), zone.is_some(), formatter()?)
            }
            kind if kind.is_nested() => Self::Nested(make_encoder(field, array, &JSON)?),
            _ => Self::Other(formatter()?),
        })
    }

    /// Writes a cell that is not null.
    fn write(&mut self, row: usize, out: &mut Vec<u8>, scratch: &mut Vec<u8>, style: Style) -> Result<()> {
        let rest: &ArrayFormatter = match self {
            Self::View(array) => {
                style.write(out, array.value(row).as_bytes());
                return Ok(());
            }
            Self::Text(array) => {
                style.write(out, array.value(row).as_bytes());
                return Ok(());
            }
            Self::Int(array) => {
                write_int(out, array.value(row));
                return Ok(());
            }
            Self::Int32(array) => {
                write_int(out, i64::from(array.value(row)));
                return Ok(());
            }
            Self::Float(array) => return Ok(write_float(out, array.value(row))?),
            Self::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
                return Ok(());
            }
            Self::Nested(encoder) => {
                scratch.clear();
                encoder.encode(row, scratch);
                write_text(out, scratch, style.delimiter);
                return Ok(());
            }
            Self::Date(array, rest) => {
                if quoteless(style.delimiter) && write_date(out, array.value(row)) {
                    return Ok(());
                }
                rest
            }
            Self::Timestamp(array, utc, rest) => {
                if quoteless(style.delimiter) && write_timestamp(out, array.value(row), *utc) {
                    return Ok(());
                }
                rest
            }
            Self::Other(rest) => rest,
        };
        scratch.clear();
        write!(scratch, "{}", rest.value(row))?;
        style.write(out, scratch);
        Ok(())
    }
}

/// Whether dates and times can hold no delimiter, and need no quotes.
fn quoteless(delimiter: u8) -> bool {
    !delimiter.is_ascii_alphanumeric() && !matches!(delimiter, b'-' | b':' | b'.')
}

/// Whether a spreadsheet would run this text (OWASP, "CSV Injection": these beginnings, also in full width). A number
/// with a sign is none.
fn is_formula(text: &[u8]) -> bool {
    match text {
        [b'=' | b'@' | b'\t' | b'\r' | b'\n', ..] | [0xEF, 0xBC, 0x9D | 0x8B | 0x8D | 0xA0, ..] => true,
        [b'+' | b'-', rest @ ..] => {
            let number = rest.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
            !number || std::str::from_utf8(rest).is_ok_and(|rest| rest.parse::<f64>().is_err())
        }
        _ => false,
    }
}

static JSON: std::sync::LazyLock<EncoderOptions> = std::sync::LazyLock::new(EncoderOptions::default);

/// Writes a text that is not null, quoted by RFC 4180 if it must be or is empty.
#[expect(clippy::needless_bitwise_bool, reason = "without an early end it is done with vector instructions")]
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8], delimiter: u8) {
    let special = |byte: u8| (byte == delimiter) | (byte == b'"') | (byte == b'\n') | (byte == b'\r');
    if !text.is_empty() && !text.iter().fold(false, |found, byte| found | special(*byte)) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for piece in text.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::is_formula;

    #[test]
    fn formulas_are_told_from_numbers_and_words() {
        for text in
            ["=1+1", "+A1", "-A1", "-", "+", "@SUM(A1)", "\t=1", "\r=1", "\n", "＝1", "－x", "-1e", "-1+cmd|x", "-inf"]
        {
            assert!(is_formula(text.as_bytes()), "{text:?}");
        }
        for text in ["", "a=1", "-1", "+49", "-0.5", "-.5", "-1e9", "1-2", "'=1", " =1", "é", "ｘ"] {
            assert!(!is_formula(text.as_bytes()), "{text:?}");
        }
    }
}
