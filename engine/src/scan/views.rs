//! Builds arrays of text that point into a block.

#![expect(unsafe_code, reason = "texts are known to be UTF-8, and views to lie within their buffers")]

use std::sync::Arc;

use arrow::array::builder::make_view;
use arrow::array::{ArrayRef, NullBufferBuilder, StringViewArray};
use arrow::buffer::Buffer;

/// The length up to which a text stands in its view.
const INLINE: usize = 12;

/// An array in the making. Blocks that no text points into are not kept.
pub(super) struct Views<'a> {
    made: Vec<u128>,
    nulls: NullBufferBuilder,
    block: &'a Buffer,
    /// Whether any text points into the block; then it is buffer 0.
    points: bool,
    copies: Vec<u8>,
    /// The views that point into `copies`.
    copied: Vec<usize>,
}

impl<'a> Views<'a> {
    pub(super) fn new(rows: usize, block: &'a Buffer) -> Self {
        Self {
            made: Vec::with_capacity(rows),
            nulls: NullBufferBuilder::new(rows),
            block,
            points: false,
            copies: Vec::new(),
            copied: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn null(&mut self) {
        self.made.push(0);
        self.nulls.append_null();
    }

    /// Adds the text of the block between two offsets. It must be UTF-8.
    #[inline]
    pub(super) fn point(&mut self, start: u32, end: u32) {
        let (length, from) = (end - start, start as usize);
        let view = match self.block.get(from..).and_then(<[u8]>::first_chunk) {
            // A view is the length, then a short text, else its first four bytes, the buffer's number and the offset.
            Some(bytes) => {
                let bytes = u128::from_le_bytes(*bytes);
                if length as usize > INLINE {
                    u128::from(length) | (bytes & 0xFFFF_FFFF) << 32 | u128::from(start) << 96
                } else {
                    u128::from(length) | (bytes & ((1 << (8 * length)) - 1)) << 32
                }
            }
            None => make_view(&self.block[from..end as usize], 0, start),
        };
        self.points |= length as usize > INLINE;
        self.made.push(view);
        self.nulls.append_non_null();
    }

    /// Adds a copy of a text. It must be UTF-8.
    #[inline]
    pub(super) fn copy(&mut self, text: &[u8]) {
        if text.len() > INLINE {
            self.copied.push(self.made.len());
        }
        self.made.push(make_view(text, 1, super::index::to_u32(self.copies.len())));
        if text.len() > INLINE {
            self.copies.extend_from_slice(text);
        }
        self.nulls.append_non_null();
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        let mut buffers = Vec::new();
        if self.points {
            buffers.push(self.block.clone());
        } else {
            // The copies are buffer 0 then: bits 64 to 95 of a view.
            for place in &self.copied {
                self.made[*place] &= !(0xFFFF_FFFF << 64);
            }
        }
        if !self.copies.is_empty() {
            buffers.push(Buffer::from(self.copies));
        }
        // SAFETY: each view was made from its text, which lies in the buffer that it names; callers give UTF-8 only.
        Arc::new(unsafe { StringViewArray::new_unchecked(self.made.into(), buffers, self.nulls.finish()) })
    }
}
