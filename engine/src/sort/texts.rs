//! Texts behind views: where they stand, and how those of a batch are brought together.

#![expect(unsafe_code, reason = "arrays of views that were checked when they were made")]

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::error::Result;

/// Bytes of a text that stands in the view itself.
pub(super) const INLINE_BYTES: u32 = 12;
/// A view array's buffer has at most this many bytes: offsets in views have 31 bits.
pub(super) const MAX_BUFFER_BYTES: usize = 1 << 30;

/// The views of an array and the buffers that they point into; `None` of other arrays.
pub(super) fn views(array: &dyn Array) -> Option<(&ScalarBuffer<u128>, &[Buffer])> {
    match array.data_type() {
        DataType::Utf8View => Some((array.as_string_view().views(), array.as_string_view().data_buffers())),
        DataType::BinaryView => Some((array.as_binary_view().views(), array.as_binary_view().data_buffers())),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
pub(super) fn length(view: u128) -> u32 {
    view as u32
}

/// The text that a view points to.
#[expect(clippy::cast_possible_truncation, reason = "fields of 32 bits each: length, prefix, buffer, offset")]
pub(super) fn text(view: u128, buffers: &[Buffer]) -> &[u8] {
    let (buffer, offset) = ((view >> 64) as u32 as usize, (view >> 96) as usize);
    &buffers[buffer][offset..offset + length(view) as usize]
}

/// The view of the same text in the first buffer, from `offset` on: the length and the first bytes stay.
pub(super) fn moved(view: u128, offset: usize) -> u128 {
    (view & u128::from(u64::MAX)) | (offset as u128) << 96
}

/// An array of views.
///
/// They must be those of valid arrays of this type, with buffers that hold the same texts where they point to.
pub(super) fn array(kind: &DataType, views: Vec<u128>, buffers: Vec<Buffer>, nulls: Option<NullBuffer>) -> ArrayRef {
    if *kind == DataType::Utf8View {
        // SAFETY: the views come from valid arrays of UTF-8, and their texts were copied byte by byte; checking that again
        // took a twentieth of a sort.
        Arc::new(unsafe { StringViewArray::new_unchecked(views.into(), buffers, nulls) })
    } else {
        // SAFETY: the same.
        Arc::new(unsafe { BinaryViewArray::new_unchecked(views.into(), buffers, nulls) })
    }
}

/// The buffers behind the views of a batch, each once: columns of one text share them.
pub(super) fn buffers(batch: &RecordBatch) -> impl Iterator<Item = &Buffer> {
    let mut seen = HashSet::new();
    let all = batch.columns().iter().filter_map(|array| views(array.as_ref())).flat_map(|(_, buffers)| buffers);
    all.filter(move |buffer| seen.insert(buffer.as_ptr() as usize))
}

/// How many bytes of texts the rows of a batch have outside of their views.
pub(super) fn outside(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter().filter_map(|array| views(array.as_ref()));
    let lengths = columns.flat_map(|(views, _)| views.iter().map(|view| length(*view)));
    lengths.filter(|length| *length > INLINE_BYTES).map(|length| length as usize).sum()
}

/// The batch with its texts in one buffer of `bytes` bytes, those of a row side by side: what is put together row by row
/// later is found in one place.
pub(super) fn together(batch: &RecordBatch, bytes: usize) -> Result<RecordBatch> {
    struct Column<'a> {
        index: usize,
        made: Vec<u128>,
        buffers: &'a [Buffer],
    }
    let mut columns = Vec::new();
    for (index, array) in batch.columns().iter().enumerate() {
        let Some((views, buffers)) = views(array.as_ref()) else { continue };
        let mut made = views.to_vec();
        if let Some(nulls) = array.nulls() {
            // What stands in the place of a null is anybody's guess.
            made.iter_mut().zip(nulls.iter()).filter(|(_, valid)| !valid).for_each(|(view, _)| *view = 0);
        }
        columns.push(Column { index, made, buffers });
    }
    let mut copies: Vec<u8> = Vec::with_capacity(bytes);
    for row in 0..batch.num_rows() {
        for Column { made, buffers, .. } in &mut columns {
            let view = made[row];
            if length(view) > INLINE_BYTES {
                made[row] = moved(view, copies.len());
                copies.extend_from_slice(text(view, buffers));
            }
        }
    }
    let copies = Buffer::from(copies);
    let mut arrays = batch.columns().to_vec();
    for Column { index, made, .. } in columns {
        let old = &batch.columns()[index];
        arrays[index] = array(old.data_type(), made, vec![copies.clone()], old.nulls().cloned());
    }
    Ok(RecordBatch::try_new(batch.schema(), arrays)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringViewBuilder};

    use super::*;

    #[test]
    fn texts_come_together_row_by_row() {
        let text = "a text that is long enough, another text of that kind, and what nobody asks for";
        let shared = Buffer::from(text.as_bytes());
        let column = |values: &[Option<(u32, u32)>]| -> ArrayRef {
            let mut builder = StringViewBuilder::new();
            let block = builder.append_block(shared.clone());
            for value in values {
                match value {
                    Some((offset, length)) => builder.try_append_view(block, *offset, *length).unwrap(),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        };
        let first = column(&[Some((0, 26)), None, Some((0, 6)), Some((28, 25))]);
        let second = column(&[Some((28, 25)), Some((0, 26)), None, Some((0, 1))]);
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
        let batch = RecordBatch::try_from_iter([("a", first), ("b", second), ("n", number)]).unwrap();
        assert_eq!(buffers(&batch).count(), 1);
        let bytes = outside(&batch);
        assert_eq!(bytes, 26 + 25 + 26 + 25);
        let made = together(&batch, bytes).unwrap();
        assert_eq!(made, batch);
        let kept: Vec<&[u8]> = buffers(&made).map(Buffer::as_slice).collect();
        let expected = [&text[..26], &text[28..53], &text[..26], &text[28..53]].concat();
        assert_eq!(kept, [expected.as_bytes()]);
        made.columns().iter().for_each(|array| array.to_data().validate_full().unwrap());
    }
}
