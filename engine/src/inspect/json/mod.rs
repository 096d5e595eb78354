//! Newline-delimited JSON: names and types, with reasons.
//!
//! A column that holds whole numbers only is `int64`; whole numbers and others `float64`; texts, booleans, lists and
//! objects (with the fields of all of them) what they are. Values of kinds that do not go together, whole numbers beyond
//! 64 bits, and objects without fields are kept as their JSON text. Texts are never taken for numbers or dates: JSON says
//! what is a text.

mod sample;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karyaksham_spec::Format;

use self::sample::Sampled;
use super::Inspected;
use super::sample::Decoded;
use super::whole::{Look, Widen, gather};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::json::unescape;
use crate::scan::json::walk::{Kind, Span, each_field, items, line};
use crate::scan::{Block, Dialect, Index, TextFile};
use crate::types::is_text;

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

/// How many different fields, those within objects included, a file's lines are searched for. With more, the fields that a
/// sample did not have stay unknown: their names are data.
const MAX_FIELDS: usize = 4096;

/// Line numbers from here on stand for lines further on in a file, whose numbers are not known; in order.
const MIDDLE: u64 = 1 << 63;

/// What the values of one field are.
#[derive(Debug, Clone, Default)]
struct Evidence {
    nulls: u64,
    /// For each kind, how many there are, and the first one with its line ([`MIDDLE`] and more: somewhere in the file).
    seen: [(u64, Option<(String, u64)>); KINDS.len()],
    /// Of the items of all lists.
    items: Option<Box<Evidence>>,
    /// Of the fields of all objects.
    fields: Fields,
}

/// A field of an object.
#[derive(Debug, Clone)]
struct Member {
    name: Box<[u8]>,
    /// The first line that has it, and its place among the line's fields.
    met: (u64, usize),
    evidence: Evidence,
}

/// The fields of an object, in the order in which they were first met.
#[derive(Debug, Clone, Default)]
struct Fields {
    all: Vec<Member>,
    places: HashMap<Box<[u8]>, usize>,
}

/// Where one is looking.
struct Place<'a> {
    data: &'a [u8],
    line: u64,
    /// How many more fields may be met.
    room: &'a mut usize,
}

pub(super) fn look(decoded: &Decoded, dialect: Dialect) -> Result<Inspected> {
    let Sampled { columns, rows, bad } = sample::look(decoded);
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
        reasons: columns.reasons("in the sample"),
        examples: Vec::new(),
        declared: Vec::new(),
        size: decoded.size,
        rows: decoded.estimate(rows),
        warnings,
        head: decoded.head.clone(),
    })
}

/// What all lines of a file say.
#[derive(Debug)]
struct Whole {
    columns: Fields,
    rows: u64,
    room: usize,
}

impl Default for Whole {
    fn default() -> Self {
        Self { columns: Fields::default(), rows: 0, room: MAX_FIELDS + 1 }
    }
}

impl Look for Whole {
    fn take(&mut self, block: &Block, _: &mut Index) {
        let data = &block.data[..];
        let dirty = std::str::from_utf8(data).is_err();
        let (mut at, mut place) = (0, block.line);
        while at < data.len() {
            let (object, end) = line(data, at);
            let text = &data[at..end];
            if !text.trim_ascii().is_empty() {
                self.rows += 1;
                // A line that is not UTF-8 is rejected, whatever it says.
                if let Ok(object) = object
                    && !(dirty && std::str::from_utf8(text).is_err())
                {
                    self.columns.add(&mut Place { data, line: place, room: &mut self.room }, object);
                }
            }
            (at, place) = (end + 1, place + 1);
        }
    }

    fn merge(&mut self, other: Self) {
        self.columns.merge(other.columns);
        self.rows += other.rows;
        self.room = self.room.min(other.room);
    }
}

impl Whole {
    /// Whether there are more fields than are told apart.
    fn overflowed(&self) -> bool {
        self.room == 0 || self.columns.count() > MAX_FIELDS
    }
}

/// Decides the types of an inspected file over all of its lines, unless its fields are too many; whether it did.
pub(super) async fn complete(inspected: &mut Inspected, file: &TextFile) -> Result<bool> {
    let whole = gather(file, Whole::default).await?;
    inspected.rows = Some((whole.rows, true));
    if whole.overflowed() {
        let text = format!("there are more than {MAX_FIELDS} different fields; those behind the sample are unknown");
        inspected.warnings.push(text);
        return Ok(false);
    }
    inspected.schema = Arc::new(Schema::new(whole.columns.types()));
    inspected.reasons = whole.columns.reasons("in the file");
    Ok(true)
}

/// See [`widened`](super::widened).
pub(super) async fn widened(file: &TextFile, widen: &Widen<'_, impl Fn(&str) -> bool>) -> Result<SchemaRef> {
    let whole = gather(file, Whole::default).await?;
    let known = file.schema.fields().iter().map(|field| {
        let (name, before) = (field.name(), field.data_type());
        let kind = match whole.columns.get(name).map(Evidence::kind) {
            Some(after) if !widen.declared.contains(name) && !is_text(before) => {
                if (widen.kept)(name) {
                    grown(before, &after)
                } else {
                    after
                }
            }
            _ => before.clone(),
        };
        Field::new(name, kind, true)
    });
    let mut fields: Vec<Field> = known.collect();
    if widen.new_fields && !whole.overflowed() {
        let new = whole.columns.types().into_iter();
        fields.extend(new.filter(|field| file.schema.field_with_name(field.name()).is_err()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// As much of a wider type as what computes with the old one does not mind.
fn grown(before: &DataType, after: &DataType) -> DataType {
    match (before, after) {
        (DataType::Int64, DataType::Float64) => DataType::Float64,
        (DataType::Struct(before), DataType::Struct(after)) => {
            let old = before.iter().map(|old| match after.find(old.name()) {
                Some((_, new)) => {
                    Arc::new(old.as_ref().clone().with_data_type(grown(old.data_type(), new.data_type())))
                }
                None => Arc::clone(old),
            });
            let new = after.iter().filter(|new| before.find(new.name()).is_none()).cloned();
            DataType::Struct(old.chain(new).collect())
        }
        (DataType::List(before), DataType::List(after)) => {
            let item = grown(before.data_type(), after.data_type());
            DataType::List(Arc::new(before.as_ref().clone().with_data_type(item)))
        }
        _ => before.clone(),
    }
}

impl Fields {
    fn add(&mut self, place: &mut Place<'_>, object: Span) {
        let (mut next, mut ordinal) = (0, 0);
        // The object was walked over before: no fault is left in it.
        let _ = each_field(place.data, object, |raw, escaped, value| {
            if let Some(member) = self.find(raw, escaped, next, (place.line, ordinal), place.room) {
                next = member + 1;
                self.all[member].evidence.add(place, value);
            }
            ordinal += 1;
        });
    }

    /// Where a field is, the one expected next first; `None` if it is new and there is no room for it.
    fn find(&mut self, raw: &[u8], escaped: bool, next: usize, met: (u64, usize), room: &mut usize) -> Option<usize> {
        if !escaped && self.all.get(next).is_some_and(|member| *member.name == *raw) {
            return Some(next);
        }
        let name: Box<[u8]> =
            if escaped { unescape(raw).map_or_else(|_| raw.into(), |name| name.as_bytes().into()) } else { raw.into() };
        if let Some(place) = self.places.get(&name) {
            return Some(*place);
        }
        *room = room.checked_sub(1)?;
        self.places.insert(name.clone(), self.all.len());
        self.all.push(Member { name, met, evidence: Evidence::default() });
        Some(self.all.len() - 1)
    }

    /// Takes what another reader of the same file has met.
    fn merge(&mut self, other: Self) {
        for member in other.all {
            if let Some(place) = self.places.get(&member.name) {
                let known = &mut self.all[*place];
                known.met = known.met.min(member.met);
                known.evidence.merge(member.evidence);
            } else {
                self.places.insert(member.name.clone(), self.all.len());
                self.all.push(member);
            }
        }
        self.all.sort_by(|one, other| (one.met, &one.name).cmp(&(other.met, &other.name)));
        self.places = (0..).zip(&self.all).map(|(place, member)| (member.name.clone(), place)).collect();
    }

    fn get(&self, name: &str) -> Option<&Evidence> {
        self.places.get(name.as_bytes()).map(|place| &self.all[*place].evidence)
    }

    /// How many fields there are, those within them included.
    fn count(&self) -> usize {
        self.all.iter().map(|member| 1 + member.evidence.count()).sum()
    }

    fn types(&self) -> Vec<Field> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.all.iter().map(|member| Field::new(text(&member.name), member.evidence.kind(), true)).collect()
    }

    fn reasons(&self, scope: &str) -> Vec<String> {
        self.all.iter().map(|member| member.evidence.reason(scope)).collect()
    }
}

impl Evidence {
    fn add(&mut self, place: &mut Place<'_>, value: Span) {
        let data = place.data;
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
                let _ = items(data, value, |item| evidence.add(place, item));
                Seen::List
            }
            Kind::Object => {
                self.fields.add(place, value);
                Seen::Object
            }
        };
        let (count, first) = &mut self.seen[seen as usize];
        *count += 1;
        if first.is_none() {
            *first = Some((String::from_utf8_lossy(value.bytes(data)).chars().take(40).collect(), place.line));
        }
    }

    fn merge(&mut self, other: Self) {
        self.nulls += other.nulls;
        for ((count, first), (more, another)) in self.seen.iter_mut().zip(other.seen) {
            *count += more;
            if let Some(another) = another
                && first.as_ref().is_none_or(|(_, line)| another.1 < *line)
            {
                *first = Some(another);
            }
        }
        if let Some(items) = other.items {
            self.items.get_or_insert_default().merge(*items);
        }
        self.fields.merge(other.fields);
    }

    fn count(&self) -> usize {
        self.fields.count() + self.items.as_ref().map_or(0, |items| items.count())
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

    /// Why the type is what it is; `scope` says where all values are.
    fn reason(&self, scope: &str) -> String {
        let kinds = self.kinds();
        let values: u64 = self.seen.iter().map(|(count, _)| count).sum();
        let first = |kind: Seen| match &self.seen[kind as usize].1 {
            Some((value, line)) if *line < MIDDLE => format!("`{value}` (line {line})"),
            Some((value, _)) => format!("`{value}`"),
            None => String::new(),
        };
        let mut reason = match kinds[..] {
            [] => return format!("text: only nulls {scope}"),
            [Seen::Int, Seen::Float] => {
                format!("all {values} values {scope} are numbers; {} is no integer", first(Seen::Float))
            }
            [Seen::Object] if self.fields.all.is_empty() => "text: objects without fields, as JSON".to_owned(),
            [Seen::Big] | [Seen::Int | Seen::Float, Seen::Big] | [Seen::Int, Seen::Float, Seen::Big] => {
                format!("text: {} is beyond 64 bits and would be rounded", first(Seen::Big))
            }
            [kind] => {
                let all = if values == 1 { "the one value" } else { &format!("all {values} values") };
                format!("{all} {scope}: {}", KINDS[kind as usize].1)
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
