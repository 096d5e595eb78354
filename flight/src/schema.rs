//! The one schema of a table: what `FlightInfo`, `GetSchema` and every `DoGet` of it say.
//!
//! Clients differ in what they can read, so that only plain types go out: string and binary views become `Utf8` and
//! `Binary`, dictionaries and run-end encoded columns become their values; nested types keep their shape. Names,
//! nullability and metadata stay as they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};

/// The schema that goes out for one that is stored.
pub fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    let data_type = plain_type(field.data_type());
    if data_type == *field.data_type() {
        return Arc::clone(field);
    }
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(field.metadata().clone()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(plain_field(item)),
        DataType::List(item) | DataType::ListView(item) => DataType::List(plain_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    }
}

/// Bring a batch to the schema that goes out. Columns that have their type already are not touched.
pub fn to_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    if batch.num_columns() != schema.fields().len() {
        return Err(Error::Corrupt(format!(
            "The stored data has {} columns, its table has {}.",
            batch.num_columns(),
            schema.fields().len()
        )));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                Ok(cast(column, field.data_type())?)
            }
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Split a batch, without copying, into slices whose encoded bodies are at most `target` bytes, or one row.
///
/// Sizes are those of the rows in the slice (arrow's own `get_array_memory_size` counts whole buffers, which a slice
/// shares with its siblings).
pub fn split(batch: RecordBatch, target: usize, out: &mut Vec<RecordBatch>) {
    let rows = batch.num_rows();
    let size = batch.columns().iter().map(|column| bytes_of(column.as_ref())).sum::<usize>();
    if size <= target || rows <= 1 {
        out.push(batch);
        return;
    }
    // Even parts first; a part that is still too big because widths differ is halved again by the recursion.
    let parts = size.div_ceil(target).clamp(2, rows);
    let step = rows.div_ceil(parts);
    let mut start = 0;
    while start < rows {
        let length = step.min(rows - start);
        split(batch.slice(start, length), target, out);
        start += length;
    }
}

/// Bytes that the rows of this array take in an IPC body, without padding.
fn bytes_of(array: &dyn Array) -> usize {
    let rows = array.len();
    let nulls = if array.null_count() > 0 { rows.div_ceil(8) } else { 0 };
    nulls
        + match array.data_type() {
            DataType::Null => 0,
            DataType::Boolean => rows.div_ceil(8),
            DataType::Utf8 => rows * 4 + span(array.as_string::<i32>().value_offsets()),
            DataType::LargeUtf8 => rows * 8 + span(array.as_string::<i64>().value_offsets()),
            DataType::Binary => rows * 4 + span(array.as_binary::<i32>().value_offsets()),
            DataType::LargeBinary => rows * 8 + span(array.as_binary::<i64>().value_offsets()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                rows * 4 + bytes_between(list.values(), list.value_offsets())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                rows * 8 + bytes_between(list.values(), list.value_offsets())
            }
            DataType::Map(..) => {
                let map = array.as_map();
                rows * 4 + bytes_between(map.entries(), map.value_offsets())
            }
            DataType::FixedSizeList(..) => bytes_of(array.as_fixed_size_list().values().as_ref()),
            DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes_of(column.as_ref())).sum(),
            other => match other.primitive_width() {
                Some(width) => rows * width,
                None => match other {
                    DataType::FixedSizeBinary(width) => rows * usize::try_from(*width).unwrap_or(0),
                    _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
                },
            },
        }
}

fn span<O: arrow::array::OffsetSizeTrait>(offsets: &[O]) -> usize {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) => last.as_usize() - first.as_usize(),
        _ => 0,
    }
}

fn bytes_between<O: arrow::array::OffsetSizeTrait>(values: &dyn Array, offsets: &[O]) -> usize {
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) if last > first => {
            bytes_of(values.slice(first.as_usize(), last.as_usize() - first.as_usize()).as_ref())
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int64Array, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::datatypes::{Int32Type, Int64Type};

    #[test]
    fn only_plain_types_go_out_and_nullability_stays() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
        let item = Arc::new(Field::new("item", dictionary.clone(), false));
        let schema = Schema::new(vec![
            Field::new("view", DataType::Utf8View, false),
            Field::new("dict", dictionary.clone(), true),
            Field::new("list", DataType::List(Arc::clone(&item)), true),
            Field::new("struct", DataType::Struct(vec![Field::new("b", DataType::BinaryView, false)].into()), false),
            Field::new("int", DataType::Int64, false),
        ]);
        let plain = plain_schema(&schema);
        let types: Vec<String> =
            plain.fields().iter().map(|f| format!("{}:{}", f.data_type(), f.is_nullable())).collect();
        assert_eq!(
            types,
            [
                "Utf8:false",
                "Utf8:true",
                "List(non-null Utf8):true",
                "Struct(\"b\": non-null Binary):false",
                "Int64:false"
            ]
        );
    }

    #[test]
    fn batches_are_brought_to_the_plain_schema() {
        let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y")].into_iter().collect();
        let batch = RecordBatch::try_from_iter([
            ("v", Arc::new(StringViewArray::from(vec!["a long string beyond twelve", "b", "c"])) as ArrayRef),
            ("d", Arc::new(dictionary) as ArrayRef),
        ])
        .unwrap();
        let plain = to_schema(&batch, &plain_schema(batch.schema_ref())).unwrap();
        assert_eq!(plain.column(0).as_string::<i32>().value(0), "a long string beyond twelve");
        assert_eq!(plain.column(1).as_string::<i32>(), &StringArray::from(vec![Some("x"), None, Some("y")]));
    }

    fn pieces(batch: &RecordBatch, target: usize) -> Vec<RecordBatch> {
        let mut out = Vec::new();
        split(batch.clone(), target, &mut out);
        assert_eq!(arrow::compute::concat_batches(batch.schema_ref(), &out).unwrap(), *batch);
        out
    }

    #[test]
    fn splitting_keeps_all_rows_in_order_and_each_piece_small() {
        let wide: Vec<String> = (0..1000).map(|i| "x".repeat(if i % 100 == 0 { 50_000 } else { 10 })).collect();
        let batch = RecordBatch::try_from_iter([
            ("n", Arc::new(Int64Array::from_iter_values(0..1000)) as ArrayRef),
            ("s", Arc::new(StringArray::from(wide)) as ArrayRef),
        ])
        .unwrap();
        let pieces = pieces(&batch, 64 * 1024);
        assert!(pieces.len() > 5);
        for piece in &pieces {
            let size: usize = piece.columns().iter().map(|c| bytes_of(c.as_ref())).sum();
            assert!(size <= 64 * 1024, "{size} bytes in {} rows", piece.num_rows());
        }
    }

    #[test]
    fn one_row_is_never_split_and_no_rows_stay_one_batch() {
        let batch =
            RecordBatch::try_from_iter([("s", Arc::new(StringArray::from(vec!["x".repeat(1000); 3])) as ArrayRef)])
                .unwrap();
        assert_eq!(pieces(&batch, 10).len(), 3);
        assert_eq!(pieces(&batch.slice(0, 0), 10).len(), 1);
    }

    #[test]
    fn slices_of_nested_columns_are_measured_by_their_own_rows() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>((0..1000).map(|i| Some(vec![Some(i); 100])));
        let whole: ArrayRef = Arc::new(list);
        assert_eq!(bytes_of(whole.slice(10, 1).as_ref()), 4 + 800);
        let inside = Field::new("l", whole.data_type().clone(), true);
        let nested = StructArray::from(vec![(Arc::new(inside), Arc::clone(&whole))]);
        assert_eq!(bytes_of(&nested.slice(10, 2)), 2 * 804);
    }
}
