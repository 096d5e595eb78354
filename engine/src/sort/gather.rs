//! Puts batches together from rows of many batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, RecordBatch, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{ArrowNativeType, DataType, SchemaRef};

use super::order::Place;
use super::texts::{self, INLINE_BYTES, MAX_BUFFER_BYTES, length, moved, text};
use crate::error::{EngineError, Result};

/// The rows to take from.
pub(super) struct Gather {
    schema: SchemaRef,
    columns: Vec<Column>,
}

struct Column {
    kind: DataType,
    values: Values,
    /// Of each batch; absent if no batch has nulls.
    nulls: Option<Vec<Option<NullBuffer>>>,
}

/// The values of a column in each batch.
enum Values {
    One(Vec<ScalarBuffer<u8>>),
    Two(Vec<ScalarBuffer<u16>>),
    Four(Vec<ScalarBuffer<u32>>),
    Eight(Vec<ScalarBuffer<u64>>),
    Sixteen(Vec<ScalarBuffer<u128>>),
    Bits(Vec<BooleanBuffer>),
    Views(Vec<Views>),
    Other(Vec<ArrayRef>),
}

struct Views {
    views: ScalarBuffer<u128>,
    buffers: Arc<[Buffer]>,
}

impl Gather {
    /// Rows of these batches.
    pub(super) fn new(schema: SchemaRef, batches: &[RecordBatch]) -> Self {
        let columns = (0..schema.fields().len())
            .map(|index| {
                let arrays: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(index)).collect();
                Column::new(schema.field(index).data_type(), &arrays)
            })
            .collect();
        Self { schema, columns }
    }

    /// The rows at these places, in this order.
    pub(super) fn rows(&self, places: &[Place]) -> Result<RecordBatch> {
        let columns: Result<Vec<ArrayRef>> = self.columns.iter().map(|column| column.rows(places)).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns?)?)
    }
}

impl Column {
    fn new(kind: &DataType, arrays: &[&ArrayRef]) -> Self {
        let values = match (kind, kind.primitive_width()) {
            (DataType::Boolean, _) => {
                Values::Bits(arrays.iter().map(|array| array.as_boolean().values().clone()).collect())
            }
            (DataType::Utf8View | DataType::BinaryView, _) => {
                let views = arrays.iter().filter_map(|array| texts::views(array.as_ref()));
                Values::Views(
                    views.map(|(views, buffers)| Views { views: views.clone(), buffers: buffers.into() }).collect(),
                )
            }
            (_, Some(1)) => Values::One(fixed(arrays)),
            (_, Some(2)) => Values::Two(fixed(arrays)),
            (_, Some(4)) => Values::Four(fixed(arrays)),
            (_, Some(8)) => Values::Eight(fixed(arrays)),
            (_, Some(16)) => Values::Sixteen(fixed(arrays)),
            _ => Values::Other(arrays.iter().map(|array| Arc::clone(array)).collect()),
        };
        let nulls: Vec<Option<NullBuffer>> =
            arrays.iter().map(|array| array.nulls().filter(|nulls| nulls.null_count() > 0).cloned()).collect();
        let nulls = nulls.iter().any(Option::is_some).then_some(nulls);
        Self { kind: kind.clone(), values, nulls }
    }

    fn rows(&self, places: &[Place]) -> Result<ArrayRef> {
        let nulls = self.nulls.as_ref().map(|nulls| {
            let valid = |at: usize| {
                let place = places[at];
                nulls[place.batch as usize].as_ref().is_none_or(|nulls| nulls.is_valid(place.row as usize))
            };
            NullBuffer::new(BooleanBuffer::collect_bool(places.len(), valid))
        });
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        match &self.values {
            Values::One(batches) => self.fixed(pick(batches, places), nulls),
            Values::Two(batches) => self.fixed(pick(batches, places), nulls),
            Values::Four(batches) => self.fixed(pick(batches, places), nulls),
            Values::Eight(batches) => self.fixed(pick(batches, places), nulls),
            Values::Sixteen(batches) => self.fixed(pick(batches, places), nulls),
            Values::Bits(batches) => {
                let bit = |at: usize| batches[places[at].batch as usize].value(places[at].row as usize);
                Ok(Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(places.len(), bit), nulls)))
            }
            Values::Views(batches) => {
                let (views, buffers) = views(batches, places, nulls.as_ref())?;
                Ok(texts::array(&self.kind, views, buffers, nulls))
            }
            Values::Other(arrays) => {
                let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
                let places: Vec<_> = places.iter().map(|place| (place.batch as usize, place.row as usize)).collect();
                Ok(interleave(&arrays, &places)?)
            }
        }
    }

    fn fixed<T: ArrowNativeType>(&self, values: Vec<T>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let data = ArrayData::builder(self.kind.clone())
            .len(values.len())
            .nulls(nulls)
            .add_buffer(Buffer::from_vec(values))
            .build()?;
        Ok(make_array(data))
    }
}

fn fixed<T: ArrowNativeType>(arrays: &[&ArrayRef]) -> Vec<ScalarBuffer<T>> {
    arrays
        .iter()
        .map(|array| {
            let data = array.to_data();
            ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len())
        })
        .collect()
}

fn pick<T: ArrowNativeType>(batches: &[ScalarBuffer<T>], places: &[Place]) -> Vec<T> {
    places.iter().map(|place| batches[place.batch as usize][place.row as usize]).collect()
}

/// Views of the rows, and the one buffer that they point into.
fn views(batches: &[Views], places: &[Place], nulls: Option<&NullBuffer>) -> Result<(Vec<u128>, Vec<Buffer>)> {
    // First all views, then all texts: loads that do not wait for one another.
    let mut views: Vec<u128> =
        places.iter().map(|place| batches[place.batch as usize].views[place.row as usize]).collect();
    if let Some(nulls) = nulls {
        for (at, view) in views.iter_mut().enumerate() {
            if nulls.is_null(at) {
                *view = 0;
            }
        }
    }
    let outside = views.iter().map(|view| length(*view)).filter(|length| *length > INLINE_BYTES);
    let bytes: usize = outside.map(|length| length as usize).sum();
    if bytes == 0 {
        return Ok((views, Vec::new()));
    }
    if bytes > MAX_BUFFER_BYTES {
        return Err(EngineError::internal("texts of one batch take more than a gigabyte"));
    }
    let mut buffer: Vec<u8> = Vec::with_capacity(bytes);
    for (view, place) in views.iter_mut().zip(places) {
        if length(*view) > INLINE_BYTES {
            let new = moved(*view, buffer.len());
            buffer.extend_from_slice(text(*view, &batches[place.batch as usize].buffers));
            *view = new;
        }
    }
    Ok((views, vec![buffer.into()]))
}
