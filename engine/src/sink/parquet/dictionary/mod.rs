//! Columns whose values repeat: encoded by us, since the `parquet` crate hashes each value's bytes.
//!
//! A number is its own key, a text of up to 16 bytes is three words. What is held until the row group's end are the
//! numbers of the values; then all pages are written at once, with one width, and their least and greatest values are
//! looked up by rank instead of being compared. A column whose dictionary becomes too large gives its rows back, to be
//! encoded without one (`docs/adr/0014-own-dictionary-columns.md`).

mod bounds;
mod indices;
mod interner;
mod pages;

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

use super::SLICE_ROWS;
use crate::error::{EngineError, Result};
use indices::Indices;
use interner::{Interner, Texts};

pub(super) use pages::EncodedColumn;

/// A column of a row group that has a dictionary.
pub(super) struct DictionaryColumn {
    kind: DataType,
    values: Values,
    indices: Indices,
    validity: BooleanBufferBuilder,
    /// A dictionary of so many bytes is too large.
    limit: usize,
    /// Whether least and greatest values are written.
    statistics: bool,
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
    pub(super) fn takes(kind: &DataType) -> bool {
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
    pub(super) fn new(kind: &DataType, limit: usize, statistics: bool) -> Self {
        let values = match kind {
            DataType::Utf8 | DataType::Utf8View => Values::Texts(Texts::new()),
            _ => Values::Numbers(Interner::new()),
        };
        Self {
            kind: kind.clone(),
            values,
            indices: Indices::new(),
            validity: BooleanBufferBuilder::new(0),
            limit,
            statistics,
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
    pub(super) fn push(&mut self, array: &dyn Array) -> Result<bool> {
        if array.data_type() != &self.kind {
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
    pub(super) fn give_back(mut self, mut write: impl FnMut(&ArrayRef) -> Result<()>) -> Result<()> {
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

    fn values_array(&self) -> Result<ArrayRef> {
        let text = |known: &Texts, number| {
            str::from_utf8(known.text(number))
                .map(str::to_owned)
                .map_err(|_| EngineError::internal("a text is not UTF-8"))
        };
        Ok(match &self.values {
            Values::Numbers(known) => {
                let keys = known.keys();
                let narrow = matches!(self.kind, DataType::Int32 | DataType::Date32);
                let buffer =
                    if narrow { keys.iter().map(|key| low(*key)).collect() } else { Buffer::from_slice_ref(keys) };
                let data = ArrayData::builder(self.kind.clone()).len(keys.len()).add_buffer(buffer).build()?;
                make_array(data)
            }
            Values::Texts(known) => {
                let texts = (0..known.len()).map(|number| text(known, number)).collect::<Result<Vec<_>>>()?;
                match self.kind {
                    DataType::Utf8 => Arc::new(StringArray::from(texts)),
                    _ => Arc::new(StringViewArray::from_iter_values(texts)),
                }
            }
        })
    }
}

/// The number of 32 bits that a key was made of.
fn low(key: u64) -> u32 {
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
        for (row, view) in texts.views().iter().enumerate() {
            if texts.is_null(row) {
                continue;
            }
            if known.page().len() >= limit {
                return;
            }
            numbers.push(known.number_of_view(*view, || texts.value(row).as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests;
