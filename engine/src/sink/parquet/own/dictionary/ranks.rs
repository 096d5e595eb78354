//! The least and the greatest of values, looked up by their ranks in a dictionary.

use arrow::datatypes::DataType;

use super::super::bounds::Bounds;
use super::Values;
use crate::scan::to_u32;

/// The rank of what has none: `NaN`.
const UNRANKED: u32 = u32::MAX;

/// The ranks of a dictionary's values, by their numbers and the other way round.
pub(super) struct Ranks {
    ranks: Vec<u32>,
    numbers: Vec<u32>,
}

/// The ranks that a page's values lie between.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) least: u32,
    pub(super) greatest: u32,
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
    pub(super) fn of(&self, numbers: &[u32]) -> Option<Span> {
        let (mut least, mut greatest) = (UNRANKED, 0);
        for number in numbers {
            let rank = self.ranks[*number as usize];
            least = least.min(rank);
            greatest = greatest.max(if rank == UNRANKED { 0 } else { rank });
        }
        (least != UNRANKED).then_some(Span { least, greatest })
    }

    /// What all values lie between.
    pub(super) fn of_all(&self) -> Option<Span> {
        let greatest = to_u32(self.numbers.len()).checked_sub(1)?;
        Some(Span { least: 0, greatest })
    }

    /// What values with these ranks lie between, as a file has it.
    pub(super) fn bounds(&self, span: Span, values: &Values, kind: &DataType) -> Bounds {
        let number = |rank: u32| self.numbers[rank as usize] as usize;
        let (least, greatest) = (number(span.least), number(span.greatest));
        match values {
            Values::Numbers(known) => Bounds::of_numbers(known.keys()[least], known.keys()[greatest], kind),
            Values::Texts(known) => Bounds::of_texts(known.text(least), known.text(greatest)),
        }
    }
}
