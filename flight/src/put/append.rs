//! Rows that are added to a data set: its own come first, then the client's, in the same columns.
//!
//! The data set's columns are the contract. Each must come, by name, in a type whose every value the column can hold as it
//! is; anything else is refused before a row is read.

use std::sync::Arc;
use std::time::SystemTime;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt as _;
use karyaksham_engine::EngineError;
use karyaksham_engine::open::{StoredFile, stream};
use karyaksham_engine::sink::Upload;

use super::{Puts, Writer};
use crate::error::{Error, Result};
use crate::schema::{plain_schema, to_schema};

/// The data set whose rows come first.
pub struct Before {
    /// Its columns.
    pub schema: SchemaRef,
    files: Vec<StoredFile>,
}

impl Before {
    /// The data set of this ticket.
    pub async fn open(puts: &Puts, ticket: &str) -> Result<Self> {
        let ticket = puts.verifier.verify(ticket.as_bytes(), SystemTime::now())?;
        let schema = puts.streams.describe(&ticket).await?.schema;
        Ok(Self { schema, files: puts.streams.stored(&ticket)? })
    }

    /// Write all its rows.
    pub(super) async fn copy(self, writer: &mut Writer, upload: &mut Upload) -> Result<()> {
        let target = Arc::clone(&writer.target);
        for file in self.files {
            // A text file without a byte has no rows; the scanner would ask where its header is.
            if file.size == Some(0) {
                continue;
            }
            let mut batches = stream(&file).await?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(EngineError::from)?;
                writer.write(to_schema(&batch, &target)?, upload).await?;
            }
        }
        Ok(())
    }
}

/// The columns to write, and the places in which they come from the client.
pub fn target(stored: &Schema, sent: &Schema) -> Result<(SchemaRef, Option<Vec<usize>>)> {
    let more: Vec<&str> = sent
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .filter(|name| stored.column_with_name(name).is_none())
        .collect();
    if let Some(name) = more.first() {
        return Err(Error::InvalidArgument(format!(
            "The data set has no column '{name}': rows that are added must have its columns. Replace the data set to change \
             them."
        )));
    }
    let plain = plain_schema(sent);
    let mut order = Vec::with_capacity(stored.fields().len());
    let mut fields = Vec::with_capacity(stored.fields().len());
    for field in stored.fields() {
        let Some((place, from)) = plain.column_with_name(field.name()) else {
            return Err(Error::InvalidArgument(format!(
                "The rows have no column '{}', which the data set has: send nulls where there is no value.",
                field.name()
            )));
        };
        if !fits(from.data_type(), field.data_type()) {
            return Err(Error::InvalidArgument(format!(
                "The column '{}' is {} in the data set, the rows bring {}, whose values it cannot hold exactly: cast them \
                 before, or replace the data set.",
                field.name(),
                field.data_type(),
                from.data_type()
            )));
        }
        order.push(place);
        let nullable = field.is_nullable() || from.is_nullable() || from.data_type() == &DataType::Null;
        fields.push(Field::new(field.name(), field.data_type().clone(), nullable));
    }
    Ok((Arc::new(Schema::new(fields)), Some(order)))
}

/// Whether every value of one type is one of the other, as it is.
fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let text = |kind: &DataType| matches!(kind, D::Utf8 | D::LargeUtf8);
    let bytes = |kind: &DataType| matches!(kind, D::Binary | D::LargeBinary);
    from == to
        || from == &D::Null
        || (text(from) && text(to))
        || (bytes(from) && bytes(to))
        || match (integer(from), integer(to)) {
            (Some((true, from)), Some((true, to))) | (Some((false, from)), Some((false, to))) => from <= to,
            (Some((false, from)), Some((true, to))) => from < to,
            _ => false,
        }
        || matches!((from, to), (D::Float32, D::Float64))
}

/// Whether it is signed, and its width in bits.
fn integer(kind: &DataType) -> Option<(bool, u8)> {
    Some(match kind {
        DataType::Int8 => (true, 8),
        DataType::Int16 => (true, 16),
        DataType::Int32 => (true, 32),
        DataType::Int64 => (true, 64),
        DataType::UInt8 => (false, 8),
        DataType::UInt16 => (false, 16),
        DataType::UInt32 => (false, 32),
        DataType::UInt64 => (false, 64),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType, bool)]) -> Schema {
        Schema::new(fields.iter().map(|(name, kind, null)| Field::new(*name, kind.clone(), *null)).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_found_by_name_and_keep_their_types() {
        let stored = schema(&[("a", DataType::Int64, false), ("b", DataType::Utf8, false)]);
        let sent = schema(&[("b", DataType::Utf8View, true), ("a", DataType::Int32, false)]);
        let (target, order) = target(&stored, &sent).unwrap();
        assert_eq!(order, Some(vec![1, 0]));
        assert_eq!(*target, schema(&[("a", DataType::Int64, false), ("b", DataType::Utf8, true)]));
    }

    #[test]
    fn what_would_not_stay_as_it_is_is_refused() {
        let stored = schema(&[("a", DataType::Int32, true)]);
        for (sent, part) in [
            (schema(&[("a", DataType::Int64, true)]), "cannot hold exactly"),
            (schema(&[("a", DataType::UInt32, true)]), "cannot hold exactly"),
            (schema(&[("a", DataType::Float64, true)]), "cannot hold exactly"),
            (schema(&[("a", DataType::Utf8, true)]), "cannot hold exactly"),
            (schema(&[("b", DataType::Int32, true)]), "no column 'b'"),
            (schema(&[]), "no column 'a'"),
        ] {
            assert!(target(&stored, &sent).unwrap_err().to_string().contains(part), "{sent}");
        }
        assert!(target(&stored, &schema(&[("a", DataType::Null, true)])).is_ok());
    }
}
