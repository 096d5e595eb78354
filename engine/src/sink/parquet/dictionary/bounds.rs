//! Least and greatest values: of pages and of a column, looked up by the rank of a value in its dictionary.

use arrow::datatypes::DataType;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::{Values, low};
use crate::scan::to_u32;

/// Bytes of a text in statistics, at most; as in the `parquet` crate.
const TEXT_BYTES: usize = 64;
/// The rank of what has none: `NaN`.
const UNRANKED: u32 = u32::MAX;

/// The ranks of a dictionary's values, by their numbers and the other way round.
pub(super) struct Ranks {
    ranks: Vec<u32>,
    numbers: Vec<u32>,
}

/// The ranks that values lie between.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) least: u32,
    pub(super) greatest: u32,
}

/// A value as statistics have it.
pub(super) struct Bound {
    pub(super) bytes: Vec<u8>,
    /// Whether it is one of the values; else all of them are beyond it.
    exact: bool,
}

impl Ranks {
    pub(super) fn new(values: &Values, kind: &DataType) -> Self {
        let mut numbers: Vec<u32> = (0..to_u32(values.len())).collect();
        match values {
            Values::Texts(known) => numbers.sort_unstable_by_key(|number| known.text(*number as usize)),
            Values::Numbers(known) => {
                let keys = known.keys();
                if *kind == DataType::Float64 {
                    let float = |number: u32| f64::from_bits(keys[number as usize]);
                    numbers.retain(|number| !float(*number).is_nan());
                    numbers.sort_unstable_by(|one, other| float(*one).total_cmp(&float(*other)));
                } else {
                    numbers.sort_unstable_by_key(|number| keys[*number as usize].cast_signed());
                }
            }
        }
        let mut ranks = vec![UNRANKED; values.len()];
        for (rank, number) in numbers.iter().enumerate() {
            ranks[*number as usize] = to_u32(rank);
        }
        Self { ranks, numbers }
    }

    /// What the values with these numbers lie between; nothing if none has a rank.
    pub(super) fn of(&self, numbers: &[u32]) -> Option<Bounds> {
        let (mut least, mut greatest) = (UNRANKED, 0);
        for number in numbers {
            let rank = self.ranks[*number as usize];
            least = least.min(rank);
            greatest = greatest.max(if rank == UNRANKED { 0 } else { rank });
        }
        (least != UNRANKED).then_some(Bounds { least, greatest })
    }

    /// What all values lie between.
    pub(super) fn of_all(&self) -> Option<Bounds> {
        let greatest = to_u32(self.numbers.len()).checked_sub(1)?;
        Some(Bounds { least: 0, greatest })
    }

    /// A value that no value is less than.
    pub(super) fn least(&self, bounds: Bounds, values: &Values, kind: &DataType) -> Bound {
        let number = self.numbers[bounds.least as usize] as usize;
        match values {
            Values::Numbers(known) => Bound::number(known.keys()[number], -0.0, kind),
            Values::Texts(known) => {
                let text = known.text(number);
                let cut = prefix(text, TEXT_BYTES);
                Bound { bytes: cut.to_vec(), exact: cut.len() == text.len() }
            }
        }
    }

    /// A value that no value is greater than.
    pub(super) fn greatest(&self, bounds: Bounds, values: &Values, kind: &DataType) -> Bound {
        let number = self.numbers[bounds.greatest as usize] as usize;
        match values {
            Values::Numbers(known) => Bound::number(known.keys()[number], 0.0, kind),
            Values::Texts(known) => {
                let text = known.text(number);
                match beyond(text) {
                    Some(bytes) => Bound { bytes, exact: false },
                    None => Bound { bytes: text.to_vec(), exact: true },
                }
            }
        }
    }
}

impl Bound {
    /// A zero gets the sign that is further out (Parquet's specification: readers may take either for the other).
    fn number(key: u64, zero: f64, kind: &DataType) -> Self {
        let bytes = match kind {
            DataType::Int32 | DataType::Date32 => low(key).to_le_bytes().to_vec(),
            DataType::Float64 if f64::from_bits(key) == 0.0 => zero.to_le_bytes().to_vec(),
            _ => key.to_le_bytes().to_vec(),
        };
        Self { bytes, exact: true }
    }
}

/// The statistics of a column.
pub(super) fn statistics(kind: &DataType, bounds: Option<(Bound, Bound)>, nulls: u64) -> Statistics {
    let (least, greatest) = bounds.unzip();
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
        DataType::Int32 | DataType::Date32 => of!(|bytes: Vec<u8>| bytes.try_into().map(i32::from_le_bytes).ok(), true),
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
