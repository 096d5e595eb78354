//! Types as text, as they stand in schemas: `int64`, `decimal(12,2)`, `timestamp(UTC)`, `list<utf8>` …
//!
//! A timestamp counts microseconds unless its name says otherwise (`timestamp_s`, `timestamp_ms`, `timestamp_ns`).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, ErrorCode, Result};

/// Whether values of a type are texts.
pub(crate) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::Utf8View)
}

/// A column as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnSchema {
    /// The name.
    pub name: String,
    /// The type as text.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether there may be nulls.
    #[serde(default = "nullable")]
    pub nullable: bool,
}

fn nullable() -> bool {
    true
}

/// A schema as JSON columns.
pub fn to_columns(schema: &Schema) -> Vec<ColumnSchema> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnSchema {
            name: field.name().clone(),
            kind: type_name(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// JSON columns as a schema.
pub fn from_columns(columns: &[ColumnSchema]) -> Result<SchemaRef> {
    let fields: Result<Vec<Field>> = columns
        .iter()
        .map(|column| {
            let kind = parse_type(&column.kind).ok_or_else(|| {
                EngineError::new(ErrorCode::InvalidRequest, format!("there is no type `{}`", column.kind))
                    .column(&column.name)
            })?;
            Ok(Field::new(&column.name, kind, column.nullable))
        })
        .collect();
    Ok(Arc::new(Schema::new(fields?)))
}

/// The name of a type.
pub fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "int8".to_owned(),
        DataType::Int16 => "int16".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::UInt8 => "uint8".to_owned(),
        DataType::UInt16 => "uint16".to_owned(),
        DataType::UInt32 => "uint32".to_owned(),
        DataType::UInt64 => "uint64".to_owned(),
        DataType::Float16 => "float16".to_owned(),
        DataType::Float32 => "float32".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "utf8".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "_s",
                TimeUnit::Millisecond => "_ms",
                TimeUnit::Microsecond => "",
                TimeUnit::Nanosecond => "_ns",
            };
            match zone {
                Some(zone) => format!("timestamp{unit}({zone})"),
                None => format!("timestamp{unit}"),
            }
        }
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::Null => "null".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            format!("list<{}>", type_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|f| format!("{}: {}", quote(f.name()), type_name(f.data_type()))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("map<{}, {}>", type_name(fields[0].data_type()), type_name(fields[1].data_type()))
            }
            other => type_name(other),
        },
        other => other.to_string().to_lowercase(),
    }
}

/// A field's name, quoted unless it is plain.
fn quote(name: &str) -> String {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// The type of a name; `None` if there is none.
pub fn parse_type(text: &str) -> Option<DataType> {
    let mut parser = Parser { rest: text.trim() };
    let kind = parser.kind()?;
    parser.rest.is_empty().then_some(kind)
}

/// The names of the simple types, for hints.
pub const TYPE_NAMES: [&str; 19] = [
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "utf8",
    "binary",
    "date",
    "time",
    "timestamp",
    "timestamp(UTC)",
    "decimal(12,2)",
    "timestamp_ns",
];

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?.trim_start();
        Some(())
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word.to_owned()
    }

    /// The text up to the closing bracket.
    fn argument(&mut self) -> Option<String> {
        self.take("(")?;
        let (argument, rest) = self.rest.split_once(')')?;
        self.rest = rest.trim_start();
        Some(argument.trim().to_owned())
    }

    fn field_name(&mut self) -> Option<String> {
        if self.rest.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let name = stream.next()?.ok()?;
            let used = stream.byte_offset();
            self.rest = self.rest[used..].trim_start();
            Some(name)
        } else {
            Some(self.word())
        }
    }

    fn kind(&mut self) -> Option<DataType> {
        let word = self.word();
        Some(match word.to_ascii_lowercase().as_str() {
            "boolean" | "bool" => DataType::Boolean,
            "int8" => DataType::Int8,
            "int16" | "smallint" => DataType::Int16,
            "int32" | "int" | "integer" => DataType::Int32,
            "int64" | "bigint" => DataType::Int64,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "float16" => DataType::Float16,
            "float32" | "float" | "real" => DataType::Float32,
            "float64" | "double" => DataType::Float64,
            "utf8" | "text" | "string" | "varchar" => DataType::Utf8,
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "time" => DataType::Time64(TimeUnit::Microsecond),
            "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
            "null" => DataType::Null,
            "timestamp" => self.timestamp(TimeUnit::Microsecond)?,
            "timestamp_s" => self.timestamp(TimeUnit::Second)?,
            "timestamp_ms" => self.timestamp(TimeUnit::Millisecond)?,
            "timestamp_ns" => self.timestamp(TimeUnit::Nanosecond)?,
            "decimal" | "numeric" => {
                let argument = self.argument()?;
                let (precision, scale) = argument.split_once(',').unwrap_or((&argument, "0"));
                let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                if precision == 0 || precision > 76 || scale < 0 || i16::from(scale) > i16::from(precision) {
                    return None;
                }
                if precision > 38 {
                    DataType::Decimal256(precision, scale)
                } else {
                    DataType::Decimal128(precision, scale)
                }
            }
            "map" => {
                self.take("<")?;
                let key = Field::new("key", self.kind()?, false);
                self.take(",")?;
                let value = Field::new("value", self.kind()?, true);
                self.take(">")?;
                let entries = Field::new("entries", DataType::Struct(Fields::from(vec![key, value])), false);
                DataType::Map(Arc::new(entries), false)
            }
            "list" => {
                self.take("<")?;
                let item = self.kind()?;
                self.take(">")?;
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
            "struct" => {
                self.take("<")?;
                let mut fields = Vec::new();
                while self.take(">").is_none() {
                    let name = self.field_name()?;
                    self.take(":")?;
                    fields.push(Field::new(name, self.kind()?, true));
                    if self.take(",").is_none() && !self.rest.starts_with('>') {
                        return None;
                    }
                }
                DataType::Struct(Fields::from(fields))
            }
            _ => return None,
        })
    }

    fn timestamp(&mut self, unit: TimeUnit) -> Option<DataType> {
        if !self.rest.starts_with('(') {
            return Some(DataType::Timestamp(unit, None));
        }
        let zone = self.argument()?;
        let known = zone.parse::<arrow::array::timezone::Tz>().is_ok();
        known.then(|| DataType::Timestamp(unit, Some(zone.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "boolean",
            "int8",
            "int64",
            "uint64",
            "float16",
            "float32",
            "float64",
            "utf8",
            "binary",
            "date",
            "time",
            "timestamp",
            "timestamp_ns",
            "timestamp(UTC)",
            "timestamp_ms(+05:30)",
            "decimal(12,2)",
            "decimal(50,2)",
            "map<utf8, list<int64>>",
            "list<int64>",
            "struct<page: utf8, ref: list<utf8>, mobile: boolean>",
            "struct<\"a b\": utf8>",
            "null",
        ] {
            let kind = parse_type(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(type_name(&kind), name);
        }
    }

    #[test]
    fn what_is_no_type() {
        for name in
            ["", "int65", "decimal(80,2)", "decimal(5,9)", "map<utf8>", "timestamp(Nowhere)", "list<", "int64 int64"]
        {
            assert_eq!(parse_type(name), None, "{name}");
        }
    }
}
