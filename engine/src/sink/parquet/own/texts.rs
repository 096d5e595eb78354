//! Texts without a dictionary: their lengths, then their bytes (`DELTA_LENGTH_BYTE_ARRAY`). Each is copied once, to where
//! the page is compressed from.

use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanBufferBuilder};
use arrow::datatypes::DataType;
use parquet::basic::Encoding;

use super::bounds::{Bounds, Order};
use super::pages::{DataPage, PAGE_ROWS, PageBounds, Pages, encode_levels};
use super::{EncodedColumn, FETCHED_AT_ONCE, Plan, delta, fetch};
use crate::error::{EngineError, Result};
use crate::scan::to_u32;

/// Bytes of a page's texts that the last one is added to, at most; as in the `parquet` crate.
const PAGE_BYTES: usize = 1 << 20;

/// A column of a row group, of texts that hardly repeat.
pub(in crate::sink::parquet) struct TextColumn {
    statistics: bool,
    pages: Pages,
    /// Of the page that is being filled: room for its levels and lengths, then the texts one after the other.
    texts: Vec<u8>,
    room: usize,
    lengths: Vec<u32>,
    validity: BooleanBufferBuilder,
    /// Where the least and the greatest text are in `texts`.
    span: Option<(Range<usize>, Range<usize>)>,
    /// The least and the greatest text of the last page that has any, and of all pages.
    last: Option<(Vec<u8>, Vec<u8>)>,
    all: Option<(Vec<u8>, Vec<u8>)>,
    /// What a page begins with.
    head: Vec<u8>,
}

impl TextColumn {
    /// Whether columns of a type are encoded here.
    pub(in crate::sink::parquet) fn takes(kind: &DataType) -> bool {
        matches!(kind, DataType::Utf8 | DataType::Utf8View)
    }

    /// A column without rows, of a type that is encoded here.
    pub(in crate::sink::parquet) fn new(plan: &Plan) -> Self {
        Self {
            statistics: plan.statistics,
            pages: Pages::new(plan, Encoding::DELTA_LENGTH_BYTE_ARRAY),
            texts: Vec::new(),
            room: 0,
            lengths: Vec::new(),
            validity: BooleanBufferBuilder::new(0),
            span: None,
            last: None,
            all: None,
            head: Vec::new(),
        }
    }

    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        self.pages.size() + self.texts.capacity() + self.lengths.capacity() * size_of::<u32>()
    }

    /// Takes rows.
    pub(in crate::sink::parquet) fn push(&mut self, array: &dyn Array) -> Result<()> {
        let mut start = 0;
        while start < array.len() {
            let room = PAGE_ROWS - self.validity.len();
            let part = array.slice(start, room.min(array.len() - start));
            let rows = part.len();
            let taken = if let Some(texts) = part.as_string_view_opt() {
                self.add(rows, |row| texts.is_valid(row).then(|| texts.value(row).as_bytes()))
            } else if let Some(texts) = part.as_string_opt::<i32>() {
                self.add(rows, |row| texts.is_valid(row).then(|| texts.value(row).as_bytes()))
            } else {
                return Err(EngineError::internal(format!("texts of the type {}", part.data_type())));
            };
            match part.nulls() {
                Some(nulls) => self.validity.append_buffer(&nulls.inner().slice(0, taken)),
                None => self.validity.append_n(taken, true),
            }
            start += taken;
            if self.validity.len() >= PAGE_ROWS || self.texts.len() - self.room >= PAGE_BYTES {
                self.end_page()?;
            }
        }
        Ok(())
    }

    /// Adds rows to the page until it is full; how many were added.
    fn add<'a>(&mut self, rows: usize, text: impl Fn(usize) -> Option<&'a [u8]>) -> usize {
        for from in (0..rows).step_by(FETCHED_AT_ONCE) {
            let until = rows.min(from + FETCHED_AT_ONCE);
            fetch((from..until).filter_map(&text));
            for row in from..until {
                let Some(text) = text(row) else { continue };
                let start = self.texts.len();
                self.texts.extend_from_slice(text);
                self.lengths.push(to_u32(text.len()));
                if self.statistics {
                    self.widen(start..start + text.len());
                }
                if self.texts.len() - self.room >= PAGE_BYTES {
                    return row + 1;
                }
            }
        }
        rows
    }

    fn widen(&mut self, text: Range<usize>) {
        let Self { texts, span, .. } = self;
        match span {
            None => *span = Some((text.clone(), text)),
            Some((least, _)) if texts[text.clone()] < texts[least.clone()] => *least = text,
            Some((_, greatest)) if texts[text.clone()] > texts[greatest.clone()] => *greatest = text,
            Some(_) => {}
        }
    }

    fn end_page(&mut self) -> Result<()> {
        let bounds = self.bounds();
        let Self { pages, texts, room, lengths, validity, head, .. } = self;
        let (valid, text_bytes) = (validity.finish(), texts.len() - *room);
        head.clear();
        if pages.has_levels() {
            encode_levels(&valid, lengths.len(), head);
        }
        delta::encode(lengths, head);
        if head.len() > *room {
            // The first page's texts are moved; the next ones find room, since what they begin with is hardly longer.
            let more = head.len() + head.len() / 8 - *room;
            texts.splice(..0, std::iter::repeat_n(0, more));
            *room += more;
        }
        let start = *room - head.len();
        texts[start..*room].copy_from_slice(head);
        let page = DataPage { rows: valid.len(), values: lengths.len(), text_bytes: Some(text_bytes), bounds };
        pages.write_rows(&texts[start..], page)?;
        lengths.clear();
        texts.truncate(*room);
        // A long text need not be held room for.
        texts.shrink_to(*room + 2 * PAGE_BYTES);
        Ok(())
    }

    fn bounds(&mut self) -> PageBounds {
        if !self.statistics {
            return PageBounds::Unknown;
        }
        let Some((least, greatest)) = self.span.take() else { return PageBounds::Empty };
        let (least, greatest) = (self.texts[least].to_vec(), self.texts[greatest].to_vec());
        let bounds = Bounds::of_texts(&least, &greatest);
        let order = Order::of(self.last.as_ref(), &least, &greatest);
        match &mut self.all {
            None => self.all = Some((least.clone(), greatest.clone())),
            Some(all) => {
                if least < all.0 {
                    all.0.clone_from(&least);
                }
                if greatest > all.1 {
                    all.1.clone_from(&greatest);
                }
            }
        }
        self.last = Some((least, greatest));
        PageBounds::Between(bounds, order)
    }

    /// Encodes what is left of the rows taken.
    pub(super) fn finish(mut self) -> Result<EncodedColumn> {
        if !self.validity.is_empty() {
            self.end_page()?;
        }
        self.pages.finish(self.all.map(|(least, greatest)| Bounds::of_texts(&least, &greatest)))
    }
}
