//! A data set's fixed schema against a file: what was added, removed, retyped or moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::{Inspected, Known, look, whole};
use crate::error::{EngineError, ErrorCode, Result};
use crate::request::InputRequest;
use crate::scan::{Dialect, FieldReader, decode_start};
use crate::store::{Location, StorageOptions, Stores};
use crate::types::{ColumnSchema, parse_type, to_columns};

/// How much of a file's beginning is read to see its header.
const HEADER_BYTES: u64 = 256 << 10;

/// What to compare.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiffRequest {
    /// The file; its format and dialect are detected unless they are given.
    pub input: InputRequest,
    /// The schema that is fixed.
    pub schema: Vec<ColumnSchema>,
    /// Keys of the storage.
    #[serde(default)]
    pub storage: Option<StorageOptions>,
}

/// How a file differs from a schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaDiff {
    /// Whether nothing differs.
    pub same: bool,
    /// Columns that only the file has.
    pub added: Vec<ColumnSchema>,
    /// Columns that the file has no more.
    pub removed: Vec<ColumnSchema>,
    /// Columns whose values do not all fit the fixed type.
    pub retyped: Vec<Retyped>,
    /// Columns of both that stand in another order in the file, by the order there.
    pub reordered: Vec<String>,
}

/// A column of another type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retyped {
    /// The column.
    pub name: String,
    /// The fixed type.
    pub from: String,
    /// The file's type.
    pub to: String,
    /// Why the file's column has its type.
    pub reason: String,
}

impl SchemaDiff {
    /// Compares names and order, and the types of those columns for which `retyped` gives a reason.
    fn of(
        fixed: &[ColumnSchema],
        found: &[ColumnSchema],
        retyped: impl Fn(usize, &ColumnSchema) -> Option<Retyped>,
    ) -> Self {
        let before: BTreeMap<&str, &ColumnSchema> = fixed.iter().map(|column| (column.name.as_str(), column)).collect();
        let after: BTreeSet<&str> = found.iter().map(|column| column.name.as_str()).collect();
        let added: Vec<_> = found.iter().filter(|column| !before.contains_key(column.name.as_str())).cloned().collect();
        let removed: Vec<_> = fixed.iter().filter(|column| !after.contains(column.name.as_str())).cloned().collect();
        let both = |columns: &[ColumnSchema]| -> Vec<String> {
            let known = |column: &&ColumnSchema| {
                before.contains_key(column.name.as_str()) && after.contains(column.name.as_str())
            };
            columns.iter().filter(known).map(|column| column.name.clone()).collect()
        };
        let (old, new) = (both(fixed), both(found));
        let reordered = if old == new { Vec::new() } else { new };
        let retyped: Vec<Retyped> = (found.iter().enumerate())
            .filter_map(|(place, column)| retyped(place, before.get(column.name.as_str())?))
            .collect();
        let same = added.is_empty() && removed.is_empty() && retyped.is_empty() && reordered.is_empty();
        Self { same, added, removed, retyped, reordered }
    }

    /// The error that says what differs.
    pub fn into_error(self, name: &str) -> EngineError {
        EngineError::new(ErrorCode::SchemaDrift, format!("{name} does not fit the data set's schema: {self}"))
            .hint("mend the file, or make a new data set of it, whose schema is found anew")
    }
}

impl fmt::Display for SchemaDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |columns: &[ColumnSchema]| {
            columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ")
        };
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("added {}", names(&self.added)));
        }
        if !self.removed.is_empty() {
            parts.push(format!("removed {}", names(&self.removed)));
        }
        for column in &self.retyped {
            parts.push(format!("`{}` is {} instead of {} ({})", column.name, column.to, column.from, column.reason));
        }
        if !self.reordered.is_empty() {
            parts.push(format!("another order: {}", self.reordered.join(", ")));
        }
        f.write_str(&if parts.is_empty() { "no difference".to_owned() } else { parts.join("; ") })
    }
}

/// Compares a file with a fixed schema; over all of its rows if it is a file of this machine, else by a sample.
pub async fn schema_diff(request: DiffRequest) -> Result<SchemaDiff> {
    let stores = Stores::new(request.storage);
    let location = stores.locate(&request.input.url)?;
    let declared = request.input.declared();
    let file_name = request.input.file_name.clone().or_else(|| Some(location.file_name()));
    let known = Known { file_name, declared };
    let mut inspected = look(&location, &known).await?;
    whole::complete_if_local(&mut inspected, &location, &known.declared).await?;
    let found = to_columns(&inspected.schema);
    Ok(SchemaDiff::of(&request.schema, &found, |place, fixed| retyped(&inspected, place, fixed)))
}

/// Whether a column's values do not all fit a fixed type.
fn retyped(inspected: &Inspected, place: usize, fixed: &ColumnSchema) -> Option<Retyped> {
    let field = inspected.schema.field(place);
    let kind = parse_type(&fixed.kind)?;
    let reason = inspected.reasons.get(place).cloned().unwrap_or_default();
    let fits = match (&kind, field.data_type()) {
        (old, new) if old == new => true,
        // Any text is text, any whole number a number; a column without values fits all.
        (DataType::Utf8, _) | (DataType::Float64 | DataType::Decimal128(..), DataType::Int64) => true,
        _ => reason.starts_with("text: no values"),
    };
    (!fits).then(|| Retyped {
        name: fixed.name.clone(),
        from: fixed.kind.clone(),
        to: crate::types::type_name(field.data_type()),
        reason,
    })
}

/// Checks that a file of delimited text still has the names that its fixed schema has, in the same order.
pub(crate) async fn check_header(
    location: &Location,
    size: u64,
    dialect: &Dialect,
    fixed: &[ColumnSchema],
) -> Result<()> {
    if !dialect.header {
        return Ok(());
    }
    let stored = location.read(0..size.min(HEADER_BYTES)).await?;
    let (text, whole) = decode_start(&stored, dialect.compression, dialect.encoding, false, 4 << 20)?;
    let (start, _) = dialect.preamble(&text);
    let text = text.slice(start..);
    let mut reader = FieldReader::new(&text, dialect);
    let header: Vec<_> = std::iter::from_fn(|| reader.texts(dialect)).take(dialect.header_records() as usize).collect();
    // A header that the beginning of the file does not hold is not looked at.
    if header.len() < dialect.header_records() as usize || (!whole && reader.texts(dialect).is_none()) {
        return Ok(());
    }
    // Names that were written with spaces around them, by ourselves, are right too.
    let plain = fixed.iter().map(|column| Some(column.name.as_str()));
    if let [only] = &header[..]
        && only.iter().map(Option::as_deref).eq(plain)
    {
        return Ok(());
    }
    let width = header.iter().map(Vec::len).max().unwrap_or_default();
    let names = super::names::names(&super::start::merged(&header, width), true, &mut Vec::new());
    let found: Vec<ColumnSchema> = names
        .into_iter()
        .map(|name| {
            let kind = fixed.iter().find(|column| column.name == name).map_or("utf8", |column| &column.kind);
            ColumnSchema { kind: kind.to_owned(), name, nullable: true }
        })
        .collect();
    let diff = SchemaDiff::of(fixed, &found, |_, _| None);
    if diff.same { Ok(()) } else { Err(diff.into_error(&location.file_name())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> Vec<ColumnSchema> {
        let column = |part: &str| {
            let (name, kind) = part.split_once(':').unwrap();
            ColumnSchema { name: name.to_owned(), kind: kind.to_owned(), nullable: true }
        };
        text.split(' ').map(column).collect()
    }

    #[test]
    fn differences_of_names_and_order() {
        let none = |_: usize, _: &ColumnSchema| None;
        let fixed = columns("a:int64 b:utf8 c:date");
        assert!(SchemaDiff::of(&fixed, &fixed, none).same);
        let diff = SchemaDiff::of(&fixed, &columns("c:date a:int64 d:utf8"), none);
        assert_eq!(diff.to_string(), "added `d`; removed `b`; another order: c, a");
        assert_eq!(diff.into_error("x.csv").code(), ErrorCode::SchemaDrift);
    }
}
