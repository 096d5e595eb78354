//! What can be a data set: columns of types that Parquet holds, each with a name of its own.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema};
use parquet::arrow::ArrowSchemaConverter;

use crate::error::{Error, Result};

/// Refuse, by column, what cannot be a data set.
pub fn check(schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(Error::InvalidArgument("The table has no columns: send at least one.".into()));
    }
    let mut names = HashSet::new();
    for field in schema.fields() {
        if !names.insert(field.name()) {
            return Err(Error::InvalidArgument(format!(
                "Two columns are named '{}': give each a name of its own.",
                field.name()
            )));
        }
        if let Some(kind) = unknown_to_parquet(field) {
            return Err(Error::InvalidArgument(format!(
                "The column '{}' has the type {kind}, which Parquet cannot hold: cast it before you send it.",
                field.name()
            )));
        }
        let alone = Schema::new(vec![Arc::clone(field)]);
        ArrowSchemaConverter::new().convert(&alone).map_err(|error| {
            Error::InvalidArgument(format!(
                "The column '{}' has the type {}, which Parquet cannot hold ({error}): cast it before you send it.",
                field.name(),
                field.data_type()
            ))
        })?;
    }
    Ok(())
}

/// A type in this column that Parquet has no counterpart of.
fn unknown_to_parquet(field: &Field) -> Option<DataType> {
    match field.data_type() {
        kind @ (DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Interval(IntervalUnit::MonthDayNano)) => Some(kind.clone()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => unknown_to_parquet(item),
        kind @ DataType::Struct(fields) if fields.is_empty() => Some(kind.clone()),
        DataType::Struct(fields) => fields.iter().find_map(|field| unknown_to_parquet(field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: Vec<Field>) -> String {
        check(&Schema::new(fields)).unwrap_err().to_string()
    }

    #[test]
    fn what_parquet_cannot_hold_is_refused_by_column() {
        let run_ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
        let values = Arc::new(Field::new("values", DataType::Utf8, true));
        let encoded = DataType::RunEndEncoded(run_ends, values);
        let inside = DataType::List(Arc::new(Field::new("item", encoded.clone(), true)));
        for kind in [
            encoded,
            inside,
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Struct(arrow::datatypes::Fields::empty()),
        ] {
            let said = refused(vec![Field::new("good", DataType::Int64, true), Field::new("odd", kind, true)]);
            assert!(said.contains("'odd'") && said.contains("Parquet cannot hold"), "{said}");
        }
        assert!(refused(vec![]).contains("no columns"));
        let twice = || Field::new("a", DataType::Int64, true);
        assert!(refused(vec![twice(), twice()]).contains("Two columns are named 'a'"));
        assert!(check(&Schema::new(vec![Field::new("n", DataType::Null, true)])).is_ok());
    }
}
