//! What a file of lines of JSON must give, by `serde_json`.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use karyaksham_engine::scan::{BlockParser, BlockReader, Index, NdjsonParser, Separators};
use serde_json::{Map, Value};

/// The columns that the oracle knows.
pub fn schema() -> SchemaRef {
    let inner = Fields::from(vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8, true)]);
    Arc::new(Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8View, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("o", DataType::Struct(inner), true),
        Field::new("l", DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))), true),
    ]))
}

/// The rows as JSON, and the numbers of the lines that were rejected.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    pub rows: Vec<Value>,
    pub rejected: Vec<u64>,
    /// Kinds of reasons, for whom it concerns.
    pub reasons: Vec<u8>,
}

/// What the scanner makes of a text read in pieces of this size.
pub fn scan(text: &[u8], piece: usize) -> Read {
    let schema = schema();
    let places: Vec<usize> = (0..schema.fields().len()).collect();
    let parser = NdjsonParser::new(&schema, &places, None, false).unwrap();
    let reader = BlockReader::of_text(Bytes::copy_from_slice(text), Separators::lines(), piece);
    let mut read = Read::default();
    let mut index = Index::default();
    while let Some(block) = reader.next(&mut index, || Ok(())).unwrap() {
        let parsed = parser.parse(&block, &mut index).unwrap();
        for batch in &parsed.batches {
            read.rows.extend((0..batch.num_rows()).map(|row| self::row(batch, row)));
        }
        for reject in parsed.rejects {
            assert!(reject.byte_offset < text.len() as u64, "{reject:?}");
            read.rejected.push(reject.line);
        }
    }
    read
}

/// What it must make of it.
pub fn expected(text: &[u8]) -> Read {
    let mut read = Read::default();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
        if line.iter().all(blank) {
            continue;
        }
        let object = serde_json::from_slice::<Map<String, Value>>(line);
        let kind = object.as_ref().map_or_else(|error| error.to_string().find(" at ").unwrap_or(1), |_| 0);
        match object.ok().and_then(|object| fitting(&object)) {
            Some(row) => read.rows.push(row),
            None => {
                read.rejected.push(number as u64 + 1);
                read.reasons.push(u8::try_from(kind.min(255)).unwrap());
            }
        }
    }
    read
}

/// The row of an object; `None` if a value does not fit.
fn fitting(object: &Map<String, Value>) -> Option<Value> {
    let get = |object: &Map<String, Value>, name: &str| object.get(name).cloned().unwrap_or(Value::Null);
    let inner = match get(object, "o") {
        Value::Null => Value::Null,
        Value::Object(inner) => serde_json::json!({"x": int(get(&inner, "x"))?, "y": text(get(&inner, "y"))}),
        _ => return None,
    };
    let list = match get(object, "l") {
        Value::Null => Value::Null,
        Value::Array(items) => Value::Array(items.into_iter().map(int).collect::<Option<_>>()?),
        _ => return None,
    };
    Some(serde_json::json!({
        "i": int(get(object, "i"))?,
        "f": float(get(object, "f"))?,
        "s": text(get(object, "s")),
        "b": boolean(get(object, "b"))?,
        "o": inner,
        "l": list,
    }))
}

fn leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit()
}

fn int(value: Value) -> Option<Value> {
    match value {
        Value::Null => Some(Value::Null),
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                return Some(whole.into());
            }
            // Beyond 64 bits, or with a point or an exponent.
            let float = number.as_f64().filter(|_| number.is_f64())?;
            (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some((float as i64).into())
        }
        Value::String(text) => {
            let text = text.trim_matches([' ', '\t', '\r', '\x0C', '\n']);
            if leading_zero(text) {
                return None;
            }
            let whole = text.parse::<i64>().ok();
            let float = || text.parse::<f64>().ok().filter(|f| f.fract() == 0.0 && f.abs() <= 9_007_199_254_740_992.0);
            let digits = text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
            whole.or_else(|| if digits { None } else { float().map(|f| f as i64) }).map(Into::into)
        }
        _ => None,
    }
}

fn float(value: Value) -> Option<Value> {
    match value {
        Value::Null => Some(Value::Null),
        Value::Number(number) => Some(number.as_f64()?.into()),
        Value::String(text) => {
            let text = text.trim_matches([' ', '\t', '\r', '\x0C', '\n']);
            // Infinite numbers and NaN cannot be shown in JSON: null stands for them here.
            (!leading_zero(text)).then(|| text.parse::<f64>().ok()).flatten().map(|value| serde_json::json!(value))
        }
        _ => None,
    }
}

fn boolean(value: Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(_) => Some(value),
        Value::String(text) => {
            let text = text.trim_matches([' ', '\t', '\r', '\x0C', '\n']).to_ascii_lowercase();
            matches!(&text[..], "true" | "false").then_some((text == "true").into())
        }
        _ => None,
    }
}

/// Other values than texts are compared by what their JSON text means.
fn text(value: Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value,
        other => Value::String(format!("\u{0}{other}")),
    }
}

fn row(batch: &RecordBatch, row: usize) -> Value {
    let value = |name: &str| batch.column_by_name(name).unwrap();
    serde_json::json!({
        "i": int_at(value("i"), row),
        "f": value("f").is_valid(row).then(|| value("f").as_primitive::<Float64Type>().value(row)),
        "s": value("s").is_valid(row).then(|| value("s").as_string_view().value(row).to_owned()),
        "b": value("b").is_valid(row).then(|| value("b").as_boolean().value(row)),
        "o": value("o").is_valid(row).then(|| {
            let inner = value("o").as_struct();
            let y = inner.column_by_name("y").unwrap();
            serde_json::json!({
                "x": int_at(inner.column_by_name("x").unwrap(), row),
                "y": y.is_valid(row).then(|| y.as_string::<i32>().value(row).to_owned()),
            })
        }),
        "l": value("l").is_valid(row).then(|| {
            let items = value("l").as_list::<i32>().value(row);
            (0..items.len()).map(|item| int_at(&items, item)).collect::<Vec<_>>()
        }),
    })
}

fn int_at(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) { Value::Null } else { array.as_primitive::<Int64Type>().value(row).into() }
}

/// Whether both read the same; a text that stands for another JSON value is compared by meaning.
pub fn same(ours: &Read, oracle: &Read) -> bool {
    ours.rejected == oracle.rejected
        && ours.rows.len() == oracle.rows.len()
        && ours.rows.iter().zip(&oracle.rows).all(|(a, b)| same_value(a, b))
}

fn same_value(ours: &Value, oracle: &Value) -> bool {
    match (ours, oracle) {
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| same_value(v, &b[k])),
        (Value::String(a), Value::String(b)) if b.starts_with('\u{0}') && a != b => {
            let value = |text: &str| serde_json::from_str::<Value>(text).ok();
            value(a).zip(value(&b[1..])).is_some_and(|(a, b)| same_meaning(&a, &b))
        }
        _ => same_meaning(ours, oracle),
    }
}

/// Whether two JSON values are the same; `serde_json` may be off by the last bit of a float.
fn same_meaning(ours: &Value, oracle: &Value) -> bool {
    match (ours, oracle) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|other| same_meaning(v, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_meaning(a, b)),
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs().max(b.abs()) * 1e-15
        }
        _ => ours == oracle,
    }
}
