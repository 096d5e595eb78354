//! Short numbers, eight at a time: most columns of numbers hold nothing else.
//!
//! A number of at most eight bytes, sign and point among them, fits a word: the eight bytes that end where its field ends.
//! Eight words are turned to numbers without a branch, by operations that compilers make vector instructions of; what
//! cannot be told that way is left to be read one by one.

#![expect(unsafe_code, reason = "instructions that only some processors have")]
#![expect(clippy::inline_always, reason = "they are used only where everything is inlined")]
#![expect(clippy::needless_bitwise_bool, reason = "without branches, which vectors do not have")]

use super::numbers::{HIGH_HALVES, ONES, PAIRS, POWERS, ZEROS};

/// Numbers that are read at once, and the bytes of the longest.
const LANES: usize = 8;

/// Texts that are numbers in their usual spelling: with a point, if any, no spaces, no plus sign.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) data: &'a [u8],
    /// The ends of all fields.
    pub(super) seps: &'a [u32],
    /// The column's place in a record.
    pub(super) column: usize,
    /// Bytes between a field's end and the next one's start.
    pub(super) width: usize,
    /// Whether a number with leading zeros is none.
    pub(super) strict: bool,
}

/// A type that short numbers are read to.
pub(super) trait Short: Copy + Default {
    /// Whether there may be a point.
    const POINT: bool;

    /// The number of these digits, below 10^8, of which `decimals`, at most 7, follow the point.
    fn of(digits: u32, decimals: usize, negative: bool) -> Self;
}

impl Short for f64 {
    const POINT: bool = true;

    #[inline(always)]
    fn of(digits: u32, decimals: usize, negative: bool) -> Self {
        // Signed: there is an instruction for that on every processor.
        let value = Self::from(digits.cast_signed()) / POWERS[decimals & (LANES - 1)];
        if negative { -value } else { value }
    }
}

impl Short for i64 {
    const POINT: bool = false;

    #[inline(always)]
    fn of(digits: u32, _: usize, negative: bool) -> Self {
        let value = Self::from(digits);
        if negative { -value } else { value }
    }
}

/// Adds a value for each of `places`, and those of their numbers to `unsure` that are not short numbers: their values are
/// anything.
pub(super) fn read<V: Short>(fields: Fields<'_>, places: &[u32], values: &mut Vec<V>, unsure: &mut Vec<usize>) {
    #[cfg(target_arch = "x86_64")]
    {
        // As in `simd`: a processor that has these has the others that are named there too.
        if std::arch::is_x86_feature_detected!("avx512bw") && std::arch::is_x86_feature_detected!("avx512vbmi2") {
            // SAFETY: the processor has these instructions.
            return unsafe { read_avx512(fields, places, values, unsure) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has these instructions.
            return unsafe { read_avx2(fields, places, values, unsure) };
        }
    }
    read_with(fields, places, values, unsure);
}

/// # Safety
/// The processor must have these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,bmi2,popcnt,lzcnt")]
unsafe fn read_avx512<V: Short>(fields: Fields<'_>, places: &[u32], values: &mut Vec<V>, unsure: &mut Vec<usize>) {
    read_with(fields, places, values, unsure);
}

/// # Safety
/// The processor must have these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
unsafe fn read_avx2<V: Short>(fields: Fields<'_>, places: &[u32], values: &mut Vec<V>, unsure: &mut Vec<usize>) {
    read_with(fields, places, values, unsure);
}

#[inline(always)]
fn read_with<V: Short>(fields: Fields<'_>, places: &[u32], values: &mut Vec<V>, unsure: &mut Vec<usize>) {
    let wanted = values.len() + places.len();
    let mut row = 0;
    let (chunks, rest) = places.as_chunks::<LANES>();
    for chunk in chunks {
        eight(fields, chunk, row, LANES, values, unsure);
        row += LANES;
    }
    if let Some(first) = rest.first() {
        let mut chunk = [*first; LANES];
        chunk[..rest.len()].copy_from_slice(rest);
        eight(fields, &chunk, row, rest.len(), values, unsure);
    }
    values.truncate(wanted);
}

/// Reads eight numbers, of which the first `count` are wanted.
#[inline(always)]
fn eight<V: Short>(
    fields: Fields<'_>,
    places: &[u32; LANES],
    row: usize,
    count: usize,
    values: &mut Vec<V>,
    unsure: &mut Vec<usize>,
) {
    let (mut words, mut lengths) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        (words[lane], lengths[lane]) = fields.word(places[lane]);
    }
    let (mut numbers, mut good, mut all) = ([V::default(); LANES], [false; LANES], true);
    for lane in 0..LANES {
        (numbers[lane], good[lane]) = number(words[lane], lengths[lane], fields.strict);
        all &= good[lane];
    }
    values.extend_from_slice(&numbers);
    if !all {
        unsure.extend((0..count).filter(|lane| !good[*lane]).map(|lane| row + lane));
    }
}

impl Fields<'_> {
    /// The eight bytes that end with a field, and the field's length; 0 if there are none.
    #[inline(always)]
    fn word(self, place: u32) -> (u64, u64) {
        let at = place as usize + self.column;
        let width = if self.column == 0 { 1 } else { self.width };
        let start = if at == 0 { 0 } else { self.seps[at - 1] as usize + width };
        let end = self.seps[at] as usize;
        match end.checked_sub(LANES).and_then(|from| self.data.get(from..)?.first_chunk()) {
            Some(word) => (u64::from_le_bytes(*word), end.wrapping_sub(start) as u64),
            None => (0, 0),
        }
    }
}

/// The number that the last `length` bytes of a word spell, and whether they do.
#[inline(always)]
fn number<V: Short>(word: u64, length: u64, strict: bool) -> (V, bool) {
    let missing = 8_u64.wrapping_sub(length).wrapping_mul(8) & 63;
    let (text, kept) = (word >> missing, u64::MAX << missing);
    let negative = text & 0xFF == u64::from(b'-');
    // What stands before the number is zeros, and so is its sign.
    let sign = if negative { u64::from(b'-' ^ b'0') } else { 0 };
    let word = (word & kept | ZEROS & !kept) ^ sign << missing;
    // The lowest bit marks the first point; others may be wrong, but are no digits then.
    let points = word ^ (ONES * u64::from(b'.'));
    let points = points.wrapping_sub(ONES) & !points & (ONES << 7);
    let point = points & points.wrapping_neg();
    let pointed = point != 0;
    let before = word & (point >> 7).wrapping_sub(1);
    let after = word & !(point << 1).wrapping_sub(1);
    let joined = after | before << 8 | u64::from(b'0');
    let word = if pointed { joined } else { word };
    let decimals = if pointed { u64::from(point.leading_zeros()) / 8 } else { 0 };
    let digits = ((word ^ ZEROS) | (word.wrapping_add(ONES * 6) ^ ZEROS)) & HIGH_HALVES == 0;
    let count = length.wrapping_sub(u64::from(negative)).wrapping_sub(u64::from(pointed));
    let unsigned = if negative { text >> 8 } else { text };
    let second = unsigned >> 8 & 0xFF;
    let zero = (unsigned & 0xFF == u64::from(b'0')) & (second != 0) & (second != u64::from(b'.'));
    let good =
        digits & (length.wrapping_sub(1) < 8) & (count.wrapping_sub(1) < 8) & (V::POINT | !pointed) & !(strict & zero);
    let word = word.wrapping_sub(ZEROS);
    let word = word.wrapping_mul(10).wrapping_add(word >> 8);
    let even = (word & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let odd = (word >> 16 & PAIRS).wrapping_mul(1 + (10_000 << 32));
    #[expect(clippy::cast_possible_truncation, reason = "eight digits and seven decimals at most")]
    let number = V::of((even.wrapping_add(odd) >> 32) as u32, decimals as usize, negative);
    (number, good)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::numbers::{has_leading_zero, parse_float, parse_int};
    use super::*;

    /// What one way to read tells of texts: the numbers that it is sure of.
    fn told<V: Short>(
        texts: &[String],
        strict: bool,
        read: impl Fn(Fields<'_>, &[u32], &mut Vec<V>, &mut Vec<usize>),
    ) -> Vec<Option<V>> {
        let data = texts.join(",");
        let mut seps: Vec<u32> = data.bytes().zip(0..).filter(|(byte, _)| *byte == b',').map(|(_, at)| at).collect();
        seps.push(u32::try_from(data.len()).unwrap());
        let places: Vec<u32> = (0..u32::try_from(texts.len()).unwrap()).collect();
        let fields = Fields { data: data.as_bytes(), seps: &seps, column: 0, width: 1, strict };
        let (mut values, mut unsure) = (Vec::new(), Vec::new());
        read(fields, &places, &mut values, &mut unsure);
        assert_eq!(values.len(), texts.len());
        values.into_iter().enumerate().map(|(row, value)| (!unsure.contains(&row)).then_some(value)).collect()
    }

    /// All ways that this processor has.
    fn all<V: Short>(texts: &[String], strict: bool) -> Vec<Vec<Option<V>>> {
        let mut found = vec![told(texts, strict, read::<V>), told(texts, strict, read_with::<V>)];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has these instructions.
            found.push(told(texts, strict, |a, b, c, d| unsafe { read_avx2::<V>(a, b, c, d) }));
        }
        found
    }

    /// Texts of which the usual ones must be told, not only be right where they are told.
    fn usual(text: &str, point: bool) -> bool {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || (point && byte == b'.'));
        plain && digits.bytes().any(|byte| byte.is_ascii_digit()) && text.len() <= 8
    }

    proptest! {
        #[test]
        fn they_are_the_numbers_that_are_read_one_by_one(
            texts in prop::collection::vec("-?[0-9]{0,9}(\\.[0-9]{0,6})?|[-+.0-9:/e\" ]{0,9}", 1..40),
            strict in any::<bool>(),
        ) {
            // What stands in the first eight bytes is not told.
            let mut texts = texts;
            texts.insert(0, "12345678".to_owned());
            let refused = |text: &str| strict && has_leading_zero(text.as_bytes());
            for found in all::<f64>(&texts, strict) {
                for (text, value) in texts.iter().zip(found).skip(1) {
                    let expected = parse_float(text.as_bytes()).filter(|_| !refused(text));
                    match value {
                        Some(value) => prop_assert_eq!(Some(value.to_bits()), expected.map(f64::to_bits), "{}", text),
                        None => prop_assert!(!usual(text, true) || expected.is_none(), "{}", text),
                    }
                }
            }
            for found in all::<i64>(&texts, strict) {
                for (text, value) in texts.iter().zip(found).skip(1) {
                    let expected = parse_int(text.as_bytes()).filter(|_| !refused(text));
                    match value {
                        Some(value) => prop_assert_eq!(Some(value), expected, "{}", text),
                        None => prop_assert!(!usual(text, false) || expected.is_none(), "{}", text),
                    }
                }
            }
        }
    }
}
