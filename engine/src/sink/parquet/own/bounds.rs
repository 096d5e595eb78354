//! Least and greatest values as a file has them.

use arrow::datatypes::DataType;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::dictionary::{is_narrow, low};

/// Bytes of a text in statistics, at most; as in the `parquet` crate.
const TEXT_BYTES: usize = 64;

/// A value as a file has it, that no value is beyond.
pub(super) struct Bound {
    pub(super) bytes: Vec<u8>,
    /// Whether it is one of the values.
    exact: bool,
}

/// What values lie between.
pub(super) struct Bounds {
    pub(super) least: Bound,
    pub(super) greatest: Bound,
}

impl Bounds {
    /// Of numbers, given as their 64 bits. A zero gets the sign that is further out (Parquet's specification: readers may
    /// take either for the other).
    pub(super) fn of_numbers(least: u64, greatest: u64, kind: &DataType) -> Self {
        let bound = |key: u64, zero: f64| {
            let bytes = match kind {
                kind if is_narrow(kind) => low(key).to_le_bytes().to_vec(),
                DataType::Float64 if f64::from_bits(key) == 0.0 => zero.to_le_bytes().to_vec(),
                _ => key.to_le_bytes().to_vec(),
            };
            Bound { bytes, exact: true }
        };
        Self { least: bound(least, -0.0), greatest: bound(greatest, 0.0) }
    }

    /// Of texts; long ones are cut.
    pub(super) fn of_texts(least: &[u8], greatest: &[u8]) -> Self {
        let cut = prefix(least, TEXT_BYTES);
        let least = Bound { bytes: cut.to_vec(), exact: cut.len() == least.len() };
        let greatest = match beyond(greatest) {
            Some(bytes) => Bound { bytes, exact: false },
            None => Bound { bytes: greatest.to_vec(), exact: true },
        };
        Self { least, greatest }
    }
}

/// How the bounds of a page follow those of the page before.
pub(super) struct Order {
    /// Neither is less.
    pub(super) ascending: bool,
    /// Neither is greater.
    pub(super) descending: bool,
}

impl Order {
    /// From the least and the greatest of both pages.
    pub(super) fn of<T: Ord>(before: Option<&(T, T)>, least: &T, greatest: &T) -> Self {
        Self {
            ascending: before.is_none_or(|before| before.0 <= *least && before.1 <= *greatest),
            descending: before.is_none_or(|before| before.0 >= *least && before.1 >= *greatest),
        }
    }
}

/// The statistics of a column.
pub(super) fn statistics(kind: &DataType, bounds: Option<Bounds>, nulls: u64) -> Statistics {
    let (least, greatest) = bounds.map(|bounds| (bounds.least, bounds.greatest)).unzip();
    let exact = |bound: &Option<Bound>| bound.as_ref().is_some_and(|bound| bound.exact);
    let (least_exact, greatest_exact) = (exact(&least), exact(&greatest));
    // The crate does not name the trait that its values have in common.
    macro_rules! of {
        ($value:expr, $signed:expr) => {{
            let value = |bound: Bound| $value(bound.bytes);
            ValueStatistics::new(least.and_then(value), greatest.and_then(value), None, Some(nulls), false)
                .with_min_is_exact(least_exact)
                .with_max_is_exact(greatest_exact)
                .with_backwards_compatible_min_max($signed)
                .into()
        }};
    }
    match kind {
        kind if is_narrow(kind) => of!(|bytes: Vec<u8>| bytes.try_into().map(i32::from_le_bytes).ok(), true),
        DataType::Float64 => of!(|bytes: Vec<u8>| bytes.try_into().map(f64::from_le_bytes).ok(), true),
        DataType::Utf8 | DataType::Utf8View => of!(|bytes: Vec<u8>| Some(ByteArray::from(bytes)), false),
        _ => of!(|bytes: Vec<u8>| bytes.try_into().map(i64::from_le_bytes).ok(), true),
    }
}

/// As much of a text as fits, in whole characters.
fn prefix(text: &[u8], most: usize) -> &[u8] {
    let mut end = text.len().min(most);
    while end < text.len() && end > 0 && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    &text[..end]
}

/// A short text that is greater than a long one: its beginning with the last character that has a next one increased.
/// Nothing if the text is short, or has no such character.
fn beyond(text: &[u8]) -> Option<Vec<u8>> {
    let cut = prefix(text, TEXT_BYTES);
    if cut.len() == text.len() {
        return None;
    }
    let cut = str::from_utf8(cut).ok()?;
    cut.char_indices().rev().find_map(|(at, last)| {
        // Behind the last character before the surrogates comes the first one after them.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32)?;
        let mut bytes = cut.as_bytes()[..at].to_vec();
        bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
        Some(bytes)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_beyond_a_text_is_greater(text in "[a\u{7f}\u{7ff}\u{d7ff}\u{ffff}\u{10ffff}]{0,70}") {
            match beyond(text.as_bytes()) {
                Some(greater) => {
                    prop_assert!(str::from_utf8(&greater).unwrap() > text.as_str());
                    prop_assert!(greater.len() <= TEXT_BYTES + 1);
                }
                None => prop_assert!(text.len() <= TEXT_BYTES || text.chars().take(16).all(|char| char == char::MAX)),
            }
            let least = prefix(text.as_bytes(), TEXT_BYTES);
            prop_assert!(str::from_utf8(least).unwrap() <= text.as_str());
        }
    }
}
