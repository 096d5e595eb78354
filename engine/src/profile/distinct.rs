//! How many different values there are, and which are frequent; both in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use datafusion::common::ScalarValue;

/// Registers of the sketch, as a power of two: a standard error of 1.04 / √16384 = 0.8 %.
const PRECISION: u32 = 14;
const REGISTERS: usize = 1 << PRECISION;
/// Ranks that a hash can have.
const RANKS: usize = 64 - PRECISION as usize;

/// `HyperLogLog`: an estimate of the number of different hashes.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    registers: Vec<u8>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { registers: vec![0; REGISTERS] }
    }
}

impl Sketch {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the first 14 bits; a rank of at most 51")]
    pub(super) fn add(&mut self, hash: u64) {
        let rank = ((hash << PRECISION) | (1 << (PRECISION - 1))).leading_zeros() as u8 + 1;
        let register = &mut self.registers[(hash >> RANKS) as usize];
        *register = rank.max(*register);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// The estimate, by O. Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (2017): no bias in any
    /// range.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub(super) fn estimate(&self) -> u64 {
        let mut counts = [0_u32; RANKS + 2];
        for register in &self.registers {
            counts[usize::from(*register)] += 1;
        }
        let m = REGISTERS as f64;
        let mut z = m * tau(1.0 - f64::from(counts[RANKS + 1]) / m);
        for count in counts[1..=RANKS].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        (0.5 / std::f64::consts::LN_2 * m * m / z).round() as u64
    }
}

#[expect(clippy::float_cmp, reason = "a series is summed until it does not change")]
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

#[expect(clippy::float_cmp, reason = "a series is summed until it does not change")]
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// Hashes are their own hashes.
#[derive(Debug, Default, Clone, Copy)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Counts of values by hash. All are exact until there are more than twice `kept` values; then (Misra and Gries, 1982) the
/// smallest counts make room, and a count may be too low by at most `error`.
#[derive(Debug, Clone)]
pub(super) struct Frequent {
    counts: HashMap<u64, Counted, BuildHasherDefault<Same>>,
    kept: usize,
    error: u64,
}

/// One value. What it is, is looked up with its second occurrence, unless there are few.
#[derive(Debug, Clone)]
struct Counted {
    count: u64,
    value: Option<ScalarValue>,
}

/// So many values are looked up with their first occurrence.
const AT_ONCE: usize = 64;

impl Frequent {
    pub(super) fn new(kept: usize) -> Self {
        Self { counts: HashMap::default(), kept, error: 0 }
    }

    #[inline]
    pub(super) fn add(&mut self, hash: u64, value: impl FnOnce() -> Option<ScalarValue>) {
        let few = self.counts.len() < AT_ONCE;
        match self.counts.entry(hash) {
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                let counted = entry.get_mut();
                counted.count += 1;
                if counted.value.is_none() {
                    counted.value = value();
                }
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Counted { count: 1, value: if few { value() } else { None } });
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        if self.counts.len() <= 2 * self.kept {
            return;
        }
        let mut counts: Vec<u64> = self.counts.values().map(|counted| counted.count).collect();
        let place = self.kept;
        let (_, least, _) = counts.select_nth_unstable_by(place, |a, b| b.cmp(a));
        let least = *least;
        self.error += least;
        self.counts.retain(|_, counted| {
            counted.count = counted.count.saturating_sub(least);
            counted.count > 0
        });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.error += other.error;
        for (hash, theirs) in other.counts {
            let mine = self.counts.entry(hash).or_insert(Counted { count: 0, value: None });
            mine.count += theirs.count;
            mine.value = mine.value.take().or(theirs.value);
        }
        self.prune();
    }

    /// The number of different values, if all were counted.
    pub(super) fn exact(&self) -> Option<u64> {
        (self.error == 0).then_some(self.counts.len() as u64)
    }

    /// The most frequent values with their counts, equal counts in the order of the values; and by how much a count may be
    /// too low.
    pub(super) fn top(&self, count: usize) -> (Vec<(ScalarValue, u64)>, u64) {
        let mut all: Vec<_> =
            self.counts.values().filter_map(|counted| Some((counted.value.clone()?, counted.count))).collect();
        all.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
        all.truncate(count);
        (all, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splitmix64: hashes as good as random.
    fn hash(value: u64) -> u64 {
        let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a relative error")]
    fn estimates_within_three_percent() {
        for count in [0, 1, 10, 1000, 20_000, 50_000, 100_000, 1_000_000_u64] {
            let (mut one, mut other) = (Sketch::default(), Sketch::default());
            for value in 0..count {
                if value % 3 == 0 {
                    one.add(hash(value));
                } else {
                    other.add(hash(value));
                }
                other.add(hash(value / 2));
            }
            one.merge(&other);
            let error = (one.estimate() as f64 - count as f64).abs() / (count.max(1) as f64);
            assert!(error < 0.03, "{count}: {}", one.estimate());
        }
    }

    #[test]
    fn counts_are_exact_or_too_low_by_the_error() {
        let value = |number: u64| Some(ScalarValue::from(number));
        let mut counts = Frequent::new(100);
        let mut other = Frequent::new(100);
        for number in 0..100_000_u64 {
            let frequent = if number % 4 == 0 { 7 } else { number };
            let to = if number % 2 == 0 { &mut counts } else { &mut other };
            to.add(hash(frequent), || value(frequent));
        }
        counts.merge(other);
        let (top, error) = counts.top(3);
        assert_eq!(top[0].0, ScalarValue::from(7_u64));
        assert!(top[0].1 <= 25_000 && top[0].1 + error >= 25_000, "{top:?} {error}");
        assert!(error <= 100_000 / 100 && counts.exact().is_none());

        let mut few = Frequent::new(100);
        for number in 0..150_u64 {
            few.add(hash(number % 70), || value(number % 70));
        }
        assert_eq!(few.exact(), Some(70));
        assert_eq!(few.top(1), (vec![(ScalarValue::from(0_u64), 3)], 0));
    }
}
