//! Columns whose values repeat.
//!
//! A number is its own key, a text of up to 16 bytes is three words. What is held until the row group's end are the
//! numbers of the values; then all pages are written at once, with one width, and their least and greatest values are
//! looked up by rank instead of being compared. A column whose dictionary becomes too large gives its rows back, to be
//! encoded without one.

mod indices;
mod interner;
mod ranks;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanBufferBuilder, PrimitiveArray, StringArray, StringViewArray,
    UInt32Array, make_array,
};
use arrow::buffer::Buffer;
use arrow::compute::take;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use parquet::basic::Encoding;

use super::super::SLICE_ROWS;
use super::bounds::Order;
use super::hybrid::{encode, width};
use super::pages::{DataPage, PAGE_ROWS, PageBounds, Pages, encode_levels};
use super::{EncodedColumn, FETCHED_AT_ONCE, OwnColumn, Plan, TextColumn, fetch};
use crate::error::{EngineError, Result};
use indices::Indices;
use interner::{Interner, Texts, is_inline};
use ranks::Ranks;

/// A column of a row group that has a dictionary.
pub(in crate::sink::parquet) struct DictionaryColumn {
    plan: Plan,
    values: Values,
    indices: Indices,
    validity: BooleanBufferBuilder,
    /// A dictionary of so many bytes is too large.
    limit: usize,
    numbers: Vec<u32>,
}

/// The different values.
enum Values {
    /// By their 64 bits; those of numbers of 32 bits are extended by their sign.
    Numbers(Interner<u64>),
    Texts(Texts),
}

impl Values {
    /// How many there are.
    fn len(&self) -> usize {
        match self {
            Self::Numbers(known) => known.keys().len(),
            Self::Texts(known) => known.len(),
        }
    }

    /// Bytes of the texts with these numbers, if they are texts.
    fn text_bytes(&self, numbers: &[u32]) -> Option<usize> {
        match self {
            Self::Numbers(_) => None,
            Self::Texts(known) => Some(numbers.iter().map(|number| known.length(*number as usize)).sum()),
        }
    }

    /// Bytes of the dictionary's page.
    fn page_bytes(&self) -> usize {
        match self {
            Self::Numbers(known) => size_of_val(known.keys()),
            Self::Texts(known) => known.page().len(),
        }
    }
}

impl DictionaryColumn {
    /// Whether columns of a type are encoded here.
    pub(in crate::sink::parquet) fn takes(kind: &DataType) -> bool {
        matches!(
            kind,
            DataType::Int64
                | DataType::Int32
                | DataType::Date32
                | DataType::Float64
                | DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Utf8
                | DataType::Utf8View
        )
    }

    /// A column without rows, of a type that is encoded here.
    pub(in crate::sink::parquet) fn new(plan: Plan, limit: usize) -> Self {
        let values = match plan.kind {
            DataType::Utf8 | DataType::Utf8View => Values::Texts(Texts::new()),
            _ => Values::Numbers(Interner::new()),
        };
        Self {
            plan,
            values,
            indices: Indices::new(),
            validity: BooleanBufferBuilder::new(0),
            limit,
            numbers: Vec::new(),
        }
    }

    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        let values = match &self.values {
            Values::Numbers(numbers) => numbers.size(),
            Values::Texts(texts) => texts.size(),
        };
        values + self.indices.size() + self.validity.capacity() / 8 + self.numbers.capacity() * size_of::<u32>()
    }

    /// Takes rows, unless they are of another type or the dictionary becomes too large; then nothing of them is taken.
    pub(in crate::sink::parquet) fn push(&mut self, array: &dyn Array) -> Result<bool> {
        if array.data_type() != &self.plan.kind {
            return Ok(false);
        }
        self.numbers.clear();
        match &mut self.values {
            Values::Numbers(known) => intern_numbers(array, known, &mut self.numbers)?,
            Values::Texts(known) => intern_texts(array, known, self.limit, &mut self.numbers),
        }
        if self.values.page_bytes() >= self.limit {
            return Ok(false);
        }
        self.indices.extend(&self.numbers, self.values.len());
        match array.nulls() {
            Some(nulls) if nulls.null_count() > 0 => self.validity.append_buffer(nulls.inner()),
            _ => self.validity.append_n(array.len(), true),
        }
        Ok(true)
    }

    /// All rows taken so far, for a writer that has no dictionary.
    pub(in crate::sink::parquet) fn give_back(mut self, mut write: impl FnMut(&ArrayRef) -> Result<()>) -> Result<()> {
        let (values, validity) = (self.values_array()?, self.validity.finish());
        let (mut at, mut numbers) = (0, Vec::new());
        for start in (0..validity.len()).step_by(SLICE_ROWS) {
            let valid = validity.slice(start, SLICE_ROWS.min(validity.len() - start));
            let count = valid.count_set_bits();
            self.indices.read(at, count, &mut numbers);
            at += count;
            let mut numbers = numbers.iter().copied();
            let numbers: UInt32Array = valid.iter().map(|valid| if valid { numbers.next() } else { None }).collect();
            write(&take(values.as_ref(), &numbers, None)?)?;
        }
        Ok(())
    }

    /// What encodes its rows if its dictionary is too large; none if that is the crate's writer.
    pub(in crate::sink::parquet) fn successor(&self) -> Option<OwnColumn> {
        TextColumn::takes(&self.plan.kind).then(|| OwnColumn::texts(&self.plan))
    }

    /// Encodes the rows taken.
    pub(super) fn finish(mut self) -> Result<EncodedColumn> {
        let validity = self.validity.finish();
        let mut pages = Pages::new(&self.plan, Encoding::RLE_DICTIONARY);
        pages.write_dictionary(&self.dictionary_page(), self.values.len())?;

        let Plan { kind, statistics, .. } = &self.plan;
        let ranks = statistics.then(|| Ranks::new(&self.values, kind));
        let width = width(self.values.len());
        let (mut at, mut numbers, mut page, mut last) = (0, Vec::new(), Vec::new(), None);
        for start in (0..validity.len()).step_by(PAGE_ROWS) {
            let valid = validity.slice(start, PAGE_ROWS.min(validity.len() - start));
            let values = valid.count_set_bits();
            self.indices.read(at, values, &mut numbers);
            at += values;
            page.clear();
            if pages.has_levels() {
                encode_levels(&valid, values, &mut page);
            }
            page.push(width);
            encode(&numbers, width, &mut page);
            let bounds = match &ranks {
                Some(_) if numbers.is_empty() => PageBounds::Empty,
                Some(ranks) => ranks.of(&numbers).map_or(PageBounds::Unknown, |span| {
                    let before = last.replace((span.least, span.greatest));
                    let order = Order::of(before.as_ref(), &span.least, &span.greatest);
                    PageBounds::Between(ranks.bounds(span, &self.values, kind), order)
                }),
                None => PageBounds::Unknown,
            };
            let text_bytes = self.values.text_bytes(&numbers);
            pages.write_rows(&page, DataPage { rows: valid.len(), values, text_bytes, bounds })?;
        }
        pages.finish(ranks.and_then(|ranks| Some(ranks.bounds(ranks.of_all()?, &self.values, kind))))
    }

    fn dictionary_page(&self) -> Vec<u8> {
        match &self.values {
            Values::Texts(known) => known.page().to_vec(),
            Values::Numbers(known) if is_narrow(&self.plan.kind) => {
                known.keys().iter().flat_map(|key| low(*key).to_le_bytes()).collect()
            }
            Values::Numbers(known) => known.keys().iter().flat_map(|key| key.to_le_bytes()).collect(),
        }
    }

    fn values_array(&self) -> Result<ArrayRef> {
        let text = |known: &Texts, number| {
            str::from_utf8(known.text(number))
                .map(str::to_owned)
                .map_err(|_| EngineError::internal("a text is not UTF-8"))
        };
        Ok(match &self.values {
            Values::Numbers(known) => {
                let keys = known.keys();
                let buffer = if is_narrow(&self.plan.kind) {
                    keys.iter().map(|key| low(*key)).collect()
                } else {
                    Buffer::from_slice_ref(keys)
                };
                let data = ArrayData::builder(self.plan.kind.clone()).len(keys.len()).add_buffer(buffer).build()?;
                make_array(data)
            }
            Values::Texts(known) => {
                let texts = (0..known.len()).map(|number| text(known, number)).collect::<Result<Vec<_>>>()?;
                match self.plan.kind {
                    DataType::Utf8 => Arc::new(StringArray::from(texts)),
                    _ => Arc::new(StringViewArray::from_iter_values(texts)),
                }
            }
        })
    }
}

/// Whether numbers of a type have 32 bits.
pub(super) fn is_narrow(kind: &DataType) -> bool {
    matches!(kind, DataType::Int32 | DataType::Date32)
}

/// The number of 32 bits that a key was made of.
pub(super) fn low(key: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the upper half repeats the sign")]
    let low = key as u32;
    low
}

fn intern_numbers(array: &dyn Array, known: &mut Interner<u64>, numbers: &mut Vec<u32>) -> Result<()> {
    match array.data_type() {
        DataType::Int64 => intern::<Int64Type>(array.as_primitive(), i64::cast_unsigned, known, numbers),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            intern::<TimestampMicrosecondType>(array.as_primitive(), i64::cast_unsigned, known, numbers);
        }
        DataType::Float64 => intern::<Float64Type>(array.as_primitive(), f64::to_bits, known, numbers),
        DataType::Int32 => intern::<Int32Type>(array.as_primitive(), extended, known, numbers),
        DataType::Date32 => intern::<Date32Type>(array.as_primitive(), extended, known, numbers),
        other => return Err(EngineError::internal(format!("a dictionary of {other}"))),
    }
    Ok(())
}

fn extended(number: i32) -> u64 {
    i64::from(number).cast_unsigned()
}

fn intern<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    key: impl Fn(T::Native) -> u64,
    known: &mut Interner<u64>,
    numbers: &mut Vec<u32>,
) {
    let number = |value| known.number(key(value), |_| true);
    if array.null_count() == 0 {
        numbers.extend(array.values().iter().copied().map(number));
    } else {
        numbers.extend(array.iter().flatten().map(number));
    }
}

/// Stops where the dictionary becomes too large.
fn intern_texts(array: &dyn Array, known: &mut Texts, limit: usize, numbers: &mut Vec<u32>) {
    if let Some(texts) = array.as_string_opt::<i32>() {
        for text in texts.iter().flatten() {
            if known.page().len() >= limit {
                return;
            }
            numbers.push(known.number(text.as_bytes()));
        }
    } else if let Some(texts) = array.as_string_view_opt() {
        let views = texts.views();
        for from in (0..views.len()).step_by(FETCHED_AT_ONCE) {
            let rows = from..views.len().min(from + FETCHED_AT_ONCE);
            let elsewhere = |row: &usize| texts.is_valid(*row) && !is_inline(views[*row]);
            fetch(rows.clone().filter(elsewhere).map(|row| texts.value(row).as_bytes()));
            for row in rows {
                if texts.is_null(row) {
                    continue;
                }
                if known.page().len() >= limit {
                    return;
                }
                numbers.push(known.number_of_view(views[row], || texts.value(row).as_bytes()));
            }
        }
    }
}
