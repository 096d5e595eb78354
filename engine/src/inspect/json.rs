//! Newline-delimited JSON: names and types, with reasons.
//!
//! A column that holds whole numbers only is `int64`; whole numbers and others `float64`; texts, booleans, lists and
//! objects (with the fields of all of them) what they are. Values of kinds that do not go together, whole numbers beyond
//! 64 bits, and objects without fields are kept as their JSON text. Texts are never taken for numbers or dates: JSON says
//! what is a text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use karyaksham_spec::Format;

use super::Inspected;
use super::sample::Decoded;
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::Dialect;
use crate::scan::json::unescape;
use crate::scan::json::walk::{Kind, Span, each_field, items, line};

/// What a value says about its column's type, in the order in which reasons name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Int,
    Float,
    /// A whole number beyond 64 bits.
    Big,
    Bool,
    Text,
    List,
    Object,
}

const KINDS: [(Seen, &str); 7] = [
    (Seen::Int, "whole numbers"),
    (Seen::Float, "numbers"),
    (Seen::Big, "whole numbers beyond 64 bits"),
    (Seen::Bool, "booleans"),
    (Seen::Text, "texts"),
    (Seen::List, "lists"),
    (Seen::Object, "objects"),
];

/// What the values of one field are.
#[derive(Debug, Clone, Default)]
struct Evidence {
    nulls: u64,
    /// For each kind, how many there are, and the first one with its line (0: somewhere in the middle of the file).
    seen: [(u64, Option<(String, u64)>); KINDS.len()],
    /// Of the items of all lists.
    items: Option<Box<Evidence>>,
    /// Of the fields of all objects.
    fields: Fields,
}

/// The fields of an object, in the order in which they were first met.
#[derive(Debug, Clone, Default)]
struct Fields {
    all: Vec<(Box<[u8]>, Evidence)>,
    places: HashMap<Box<[u8]>, usize>,
}

pub(super) fn look(decoded: &Decoded, dialect: Dialect) -> Result<Inspected> {
    let mut columns = Fields::default();
    let (mut rows, mut bad) = (0_u64, 0_u64);
    for (number, piece) in std::iter::once(&decoded.head).chain(&decoded.pieces).enumerate() {
        let (mut at, mut place) = (0, 0);
        while at < piece.len() {
            place += u64::from(number == 0);
            let (object, end) = line(piece, at);
            let blank = piece[at..end].trim_ascii().is_empty();
            at = end + 1;
            if blank {
                continue;
            }
            if number == 0 {
                rows += 1;
                bad += u64::from(object.is_err());
            }
            if let Ok(object) = object {
                columns.add(piece, object, place);
            }
        }
    }
    if rows == bad {
        return Err(EngineError::new(ErrorCode::InputFormat, "no line of the file is a JSON object")
            .hint("NDJSON has one JSON object a line: {\"id\": 1, \"name\": \"a\"}"));
    }
    let mut warnings = Vec::new();
    if bad > 0 {
        warnings.push(format!("{bad} lines of the sample are no JSON objects; they are rejected"));
    }
    Ok(Inspected {
        format: Format::Ndjson,
        dialect,
        schema: Arc::new(Schema::new(columns.types())),
        reasons: columns.all.iter().map(|(_, evidence)| evidence.reason()).collect(),
        examples: Vec::new(),
        declared: Vec::new(),
        size: decoded.size,
        rows: decoded.estimate(rows),
        warnings,
        head: decoded.head.clone(),
    })
}

impl Fields {
    fn add(&mut self, data: &[u8], object: Span, line: u64) {
        let mut next = 0;
        // The object was walked over before: no fault is left in it.
        let _ = each_field(data, object, |raw, escaped, value| {
            let place = self.place(raw, escaped, next);
            next = place + 1;
            self.all[place].1.add(data, value, line);
        });
    }

    /// Where a field is, the one expected next first.
    fn place(&mut self, raw: &[u8], escaped: bool, next: usize) -> usize {
        if !escaped && self.all.get(next).is_some_and(|(name, _)| **name == *raw) {
            return next;
        }
        let name: Box<[u8]> =
            if escaped { unescape(raw).map_or_else(|_| raw.into(), |name| name.as_bytes().into()) } else { raw.into() };
        *self.places.entry(name).or_insert_with_key(|name| {
            self.all.push((name.clone(), Evidence::default()));
            self.all.len() - 1
        })
    }

    fn types(&self) -> Vec<Field> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.all.iter().map(|(name, evidence)| Field::new(text(name), evidence.kind(), true)).collect()
    }
}

impl Evidence {
    fn add(&mut self, data: &[u8], value: Span, line: u64) {
        let seen = match value.kind {
            Kind::Absent | Kind::Null => {
                self.nulls += 1;
                return;
            }
            Kind::True | Kind::False => Seen::Bool,
            Kind::Text | Kind::Escaped => Seen::Text,
            Kind::Number => number(value.bytes(data)),
            Kind::List => {
                let evidence = self.items.get_or_insert_default();
                let _ = items(data, value, |item| evidence.add(data, item, line));
                Seen::List
            }
            Kind::Object => {
                self.fields.add(data, value, line);
                Seen::Object
            }
        };
        let (count, first) = &mut self.seen[seen as usize];
        *count += 1;
        if first.is_none() {
            *first = Some((String::from_utf8_lossy(value.bytes(data)).chars().take(40).collect(), line));
        }
    }

    fn has(&self, kind: Seen) -> bool {
        self.seen[kind as usize].0 > 0
    }

    /// The kinds that were seen.
    fn kinds(&self) -> Vec<Seen> {
        KINDS.iter().map(|(kind, _)| *kind).filter(|kind| self.has(*kind)).collect()
    }

    fn kind(&self) -> DataType {
        match self.kinds()[..] {
            [Seen::Bool] => DataType::Boolean,
            [Seen::Int] => DataType::Int64,
            [Seen::Float] | [Seen::Int, Seen::Float] => DataType::Float64,
            [Seen::List] => {
                let item = self.items.as_ref().map_or(DataType::Utf8, |items| items.kind());
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
            [Seen::Object] if !self.fields.all.is_empty() => DataType::Struct(self.fields.types().into()),
            _ => DataType::Utf8,
        }
    }

    fn reason(&self) -> String {
        let kinds = self.kinds();
        let values: u64 = self.seen.iter().map(|(count, _)| count).sum();
        let first = |kind: Seen| match &self.seen[kind as usize].1 {
            Some((value, 0)) => format!("`{value}`"),
            Some((value, line)) => format!("`{value}` (line {line})"),
            None => String::new(),
        };
        let mut reason = match kinds[..] {
            [] => return "text: only nulls in the sample".to_owned(),
            [Seen::Int, Seen::Float] => {
                format!("all {values} values in the sample are numbers; {} is no integer", first(Seen::Float))
            }
            [Seen::Object] if self.fields.all.is_empty() => "text: objects without fields, as JSON".to_owned(),
            [Seen::Big] | [Seen::Int | Seen::Float, Seen::Big] | [Seen::Int, Seen::Float, Seen::Big] => {
                format!("text: {} is beyond 64 bits and would be rounded", first(Seen::Big))
            }
            [kind] => {
                let all = if values == 1 { "the one value" } else { &format!("all {values} values") };
                format!("{all} in the sample: {}", KINDS[kind as usize].1)
            }
            [one, two, ..] => {
                let (a, b) = (KINDS[one as usize].1, KINDS[two as usize].1);
                format!("text, as JSON: {a}, e.g. {}, and {b}, e.g. {}", first(one), first(two))
            }
        };
        if self.nulls > 0 {
            reason = format!("{reason}; {} nulls", self.nulls);
        }
        reason
    }
}

fn number(raw: &[u8]) -> Seen {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    if !digits.iter().all(u8::is_ascii_digit) {
        Seen::Float
    } else if digits.len() <= 18 || crate::scan::numbers::parse_int(raw).is_some() {
        Seen::Int
    } else {
        Seen::Big
    }
}
