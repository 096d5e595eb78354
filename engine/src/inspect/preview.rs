//! Rows as JSON.

use arrow::array::RecordBatch;
use arrow::json::writer::{EncoderOptions, make_encoder};
use serde_json::Value;

use crate::error::Result;

/// The first rows of a batch as JSON values: numbers, texts, `true`/`false`, `null`; dates and timestamps as ISO texts.
pub fn rows_json(batch: &RecordBatch, limit: usize) -> Result<Vec<Vec<Value>>> {
    let options = EncoderOptions::default();
    let count = batch.num_rows().min(limit);
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); count];
    let schema = batch.schema();
    for (array, field) in batch.columns().iter().zip(schema.fields()) {
        let mut encoder = make_encoder(field, array, &options)?;
        let mut text = Vec::new();
        for (number, row) in rows.iter_mut().enumerate() {
            text.clear();
            // Not the array's own answer, which is no in a column of the type null.
            row.push(if encoder.is_null(number) {
                Value::Null
            } else {
                encoder.encode(number, &mut text);
                serde_json::from_slice(&text).unwrap_or(Value::Null)
            });
        }
    }
    Ok(rows)
}
