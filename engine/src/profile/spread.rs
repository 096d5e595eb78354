//! How numbers are spread: quantiles from a random sample of the rows, a histogram of all.

/// Bins of a finished histogram, at most.
const MAX_BINS: usize = 32;
/// Bins while counting; the range of the first values is cut into about half of them.
const OPEN_BINS: usize = 256;
/// Values that are looked at before the first width is chosen.
const FIRST_VALUES: usize = 1024;

/// A random sample of bounded size: the values with the smallest keys. Keys depend on row numbers alone, so that the
/// sample is the same however the rows are divided among threads.
#[derive(Debug, Clone)]
pub(super) struct Reservoir {
    items: Vec<(u64, f64)>,
    size: usize,
    limit: u64,
    /// How many values there were.
    seen: u64,
}

impl Reservoir {
    pub(super) fn new(size: usize) -> Self {
        Self { items: Vec::new(), size, limit: u64::MAX, seen: 0 }
    }

    #[inline]
    pub(super) fn add(&mut self, row: u64, value: f64) {
        self.seen += 1;
        let key = mix(row);
        if key <= self.limit {
            self.items.push((key, value));
            if self.items.len() >= 2 * self.size {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.items.len() > self.size {
            let (_, last, _) = self.items.select_nth_unstable_by_key(self.size - 1, |(key, _)| *key);
            self.limit = last.0;
            self.items.truncate(self.size);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        self.limit = self.limit.min(other.limit);
        self.items.extend(other.items);
        self.shrink();
    }

    /// The values at these fractions, each one that occurs; and whether the sample holds all values.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of some thousand"
    )]
    pub(super) fn quantiles(mut self, fractions: &[f64]) -> (Vec<f64>, bool) {
        self.shrink();
        let mut values: Vec<f64> = self.items.iter().map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let at = |fraction: &f64| values.get((fraction * (values.len().max(1) - 1) as f64).round() as usize).copied();
        (fractions.iter().filter_map(at).collect(), self.seen == values.len() as u64)
    }
}

/// Splitmix64: a fixed, well mixed function of the row's number.
fn mix(row: u64) -> u64 {
    let mut z = row.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Exact counts in bins whose width is a power of two and whose borders are multiples of it: when the range grows, two
/// neighbours become one.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    /// Values seen before a width was chosen.
    early: Vec<f64>,
    /// The width of a bin as a power of two; whole numbers have none below 1.
    exponent: Option<i32>,
    /// One over the width.
    scale: f64,
    least: i32,
    /// The number of the first bin: its lower border as a multiple of the width.
    first: i64,
    counts: Vec<u64>,
}

/// A bin: lower border, upper border (not in it), values.
pub(super) type Bin = (f64, f64, u64);

impl Histogram {
    pub(super) fn new(whole: bool) -> Self {
        let least = if whole { 0 } else { -1000 };
        Self { early: Vec::new(), exponent: None, scale: 1.0, least, first: 0, counts: Vec::new() }
    }

    /// Counts a finite value.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        match self.exponent {
            Some(_) => self.count(value, 1),
            None => {
                self.early.push(value);
                if self.early.len() >= FIRST_VALUES {
                    self.open();
                }
            }
        }
    }

    /// Chooses the width from the values so far.
    fn open(&mut self) {
        let early = std::mem::take(&mut self.early);
        let Some(first) = early.first().copied() else { return };
        let (low, high) = early.iter().fold((first, first), |(low, high), value| (low.min(*value), high.max(*value)));
        let range = high / 2.0 - low / 2.0;
        #[expect(clippy::cast_possible_truncation, reason = "the exponent of a float")]
        let exponent = if range > 0.0 { range.log2().ceil() as i32 - 6 } else { self.least };
        let exponent = exponent.clamp(self.least, 1000);
        self.exponent = Some(exponent);
        self.scale = 2_f64.powi(-exponent);
        for value in early {
            self.count(value, 1);
        }
    }

    fn count(&mut self, value: f64, count: u64) {
        loop {
            if let Some(place) = place(value, self.scale)
                && self.make_room(place)
            {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "there is room for it")]
                let bin = (place - self.first) as usize;
                self.counts[bin] += count;
                return;
            }
            self.widen();
        }
    }

    /// Whether a bin fits beside the others; if so, it is there afterwards.
    fn make_room(&mut self, place: i64) -> bool {
        if self.counts.is_empty() {
            (self.first, self.counts) = (place, vec![0]);
        }
        let end = self.first + i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
        let (first, last) = (self.first.min(place), (end - 1).max(place));
        let Ok(length) = usize::try_from(last - first + 1) else { return false };
        if length > OPEN_BINS {
            return false;
        }
        if place < self.first {
            let new = usize::try_from(self.first - place).unwrap_or_default();
            self.counts.splice(0..0, std::iter::repeat_n(0, new));
            self.first = place;
        } else {
            self.counts.resize(length.max(self.counts.len()), 0);
        }
        true
    }

    /// Twice the width.
    fn widen(&mut self) {
        let before = std::mem::take(&mut self.counts);
        let first = self.first >> 1;
        for (number, count) in before.into_iter().enumerate() {
            let place = (self.first + i64::try_from(number).unwrap_or_default()) >> 1;
            let bin = usize::try_from(place - first).unwrap_or_default();
            if bin >= self.counts.len() {
                self.counts.resize(bin + 1, 0);
            }
            self.counts[bin] += count;
        }
        self.first = first;
        self.exponent = self.exponent.map(|exponent| exponent + 1);
        self.scale /= 2.0;
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        other.open();
        self.open();
        let (Some(mine), Some(theirs)) = (self.exponent, other.exponent) else {
            if self.exponent.is_none() {
                *self = other;
            }
            return;
        };
        for _ in theirs..mine {
            other.widen();
        }
        for _ in mine..theirs {
            self.widen();
        }
        let width = 2_f64.powi(mine.max(theirs));
        for (number, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            #[expect(clippy::cast_precision_loss, reason = "bins are numbered below 2^53")]
            let lower = (other.first + i64::try_from(number).unwrap_or_default()) as f64 * width;
            self.count(lower, *count);
        }
    }

    /// The bins, empty ones between them included.
    pub(super) fn bins(mut self) -> Vec<Bin> {
        self.open();
        let filled = |counts: &[u64]| {
            let first = counts.iter().position(|count| *count > 0)?;
            Some((first, counts.iter().rposition(|count| *count > 0)?))
        };
        while filled(&self.counts).is_some_and(|(first, last)| last - first >= MAX_BINS) {
            self.widen();
        }
        let Some((first, last)) = filled(&self.counts) else { return Vec::new() };
        let width = 2_f64.powi(self.exponent.unwrap_or_default());
        #[expect(clippy::cast_precision_loss, reason = "bins are numbered below 2^53")]
        let border = |number: usize| (self.first + i64::try_from(number).unwrap_or_default()) as f64 * width;
        (first..=last).map(|number| (border(number), border(number + 1), self.counts[number])).collect()
    }
}

/// The number of the bin of a value; `None` if the width is too small for it.
fn place(value: f64, scale: f64) -> Option<i64> {
    /// Below this, multiples of the width are exact.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let place = (value * scale).floor();
    #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
    (place.abs() < LARGEST).then_some(place as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[f64], whole: bool) -> Vec<Bin> {
        let mut histogram = Histogram::new(whole);
        for value in values {
            histogram.add(*value);
        }
        histogram.bins()
    }

    #[test]
    fn bins_hold_what_lies_between_their_borders() {
        let values: Vec<f64> = (0..5000).map(|number| f64::from(number * number % 7919) / 3.0 - 700.0).collect();
        for values in [&values[..], &values[..10], &[1e300, -1e300, 0.5], &[5.0; 3], &[1e-300, 2e-300]] {
            let bins = histogram(values, false);
            assert!(bins.len() <= MAX_BINS);
            for (lower, upper, count) in &bins {
                let inside = values.iter().filter(|value| (*lower..*upper).contains(*value)).count();
                assert_eq!(inside as u64, *count, "{lower}..{upper}");
            }
            assert_eq!(bins.iter().map(|bin| bin.2).sum::<u64>(), values.len() as u64);
        }
        assert_eq!(
            histogram(&[1.0, 2.0, 2.0, 4.0], true),
            [(1.0, 2.0, 1), (2.0, 3.0, 2), (3.0, 4.0, 0), (4.0, 5.0, 1)]
        );
        assert_eq!(histogram(&[], true), []);
    }

    #[test]
    fn merged_as_one() {
        let values: Vec<f64> = (0..40_000).map(|number| f64::from(number).powi(3) * 0.7).collect();
        let (mut one, mut two) = (Histogram::new(false), Histogram::new(false));
        values.iter().enumerate().for_each(|(n, value)| if n < 700 { one.add(*value) } else { two.add(*value) });
        one.merge(two);
        assert_eq!(one.bins(), histogram(&values, false));
    }

    #[test]
    fn quantiles_by_rank() {
        let mut parts = [Reservoir::new(2000), Reservoir::new(2000), Reservoir::new(2000)];
        for row in 0..200_000_u32 {
            parts[row as usize % 3].add(u64::from(row), f64::from(row * 7919 % 200_000));
        }
        let [mut all, second, third] = parts;
        all.merge(second);
        all.merge(third);
        let (quantiles, exact) = all.quantiles(&[0.0, 0.25, 0.5, 0.99]);
        assert!(!exact);
        for (value, expected) in quantiles.iter().zip([0.0, 0.25, 0.5, 0.99]) {
            assert!((value / 200_000.0 - expected).abs() < 0.04, "{quantiles:?}");
        }
        let mut small = Reservoir::new(2000);
        (0..101).for_each(|row| small.add(row, f64::from(u32::try_from(row).unwrap())));
        assert_eq!(small.quantiles(&[0.0, 0.5, 0.75, 1.0]), (vec![0.0, 50.0, 75.0, 100.0], true));
    }
}
