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

    /// Adds a text of the block, at this offset. It must be UTF-8.
    #[inline]
    pub(super) fn point(&mut self, text: &[u8], offset: u32) {
        debug_assert_eq!(&self.block[offset as usize..][..text.len()], text);
        self.points |= text.len() > INLINE;
        self.made.push(make_view(text, 0, offset));
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
