//! Hashing of short keys by multiplication, with a seed that no file can know.

use std::hash::{BuildHasher, RandomState};

/// Multipliers without structure: the first digits of π.
pub(crate) const PI: [u64; 3] = [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0];

/// A seed that is not to be guessed: a file must not be able to choose keys that meet in one slot of a table.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(PI)
}

/// Multiplies to twice the width and folds.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let (low, high) = (wide as u64, (wide >> 64) as u64);
    low ^ high
}

/// Two hashes of a text of at least eight bytes; other texts have the same ones now and then.
pub(crate) fn long_words(text: &[u8], seed: u64) -> [u64; 2] {
    let (mut a, mut b) = (seed ^ PI[0] ^ text.len() as u64, PI[1]);
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        (a, b) = (fold(a ^ word, PI[2]), fold(b ^ word, PI[1] ^ a));
    }
    let last = text.last_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    [fold(a ^ last, PI[0]), fold(b ^ last, PI[2])]
}
