//! Types that JSON has no values for (times, binary, timestamps of other units …): through Arrow's own reader.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::reader::ReaderBuilder;

use super::walk::{Kind, Span};
use crate::error::{EngineError, Result};

/// The array of these values, and the rows whose values do not fit.
pub(crate) fn read(data: &[u8], kind: &DataType, spans: &[Span]) -> Result<(ArrayRef, Vec<usize>)> {
    let schema = Arc::new(Schema::new(vec![Field::new("v", kind.clone(), true)]));
    if spans.is_empty() {
        return Ok((new_null_array(kind, 0), Vec::new()));
    }
    if let Ok(array) = together(data, &schema, spans) {
        return Ok((array, Vec::new()));
    }
    let (mut arrays, mut wrong) = (Vec::with_capacity(spans.len()), Vec::new());
    for (row, span) in spans.iter().enumerate() {
        arrays.push(together(data, &schema, std::slice::from_ref(span)).unwrap_or_else(|_| {
            wrong.push(row);
            new_null_array(kind, 1)
        }));
    }
    let arrays: Vec<_> = arrays.iter().map(AsRef::as_ref).collect();
    Ok((arrow::compute::concat(&arrays)?, wrong))
}

fn together(data: &[u8], schema: &SchemaRef, spans: &[Span]) -> Result<ArrayRef> {
    let mut lines = Vec::new();
    for span in spans {
        lines.extend_from_slice(b"{\"v\":");
        let quotes = u32::from(matches!(span.kind, Kind::Text | Kind::Escaped));
        match span.kind {
            Kind::Absent => lines.extend_from_slice(b"null"),
            _ => lines.extend_from_slice(&data[(span.start - quotes) as usize..(span.end + quotes) as usize]),
        }
        lines.extend_from_slice(b"}\n");
    }
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(spans.len())
        .with_coerce_primitive(true)
        .build_decoder()?;
    decoder.decode(&lines)?;
    match decoder.flush()? {
        Some(batch) if batch.num_rows() == spans.len() => Ok(Arc::clone(batch.column(0))),
        _ => Err(EngineError::internal("a value is missing")),
    }
}
