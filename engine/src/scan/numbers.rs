//! Numbers and booleans from text.

pub(super) const ONES: u64 = 0x0101_0101_0101_0101;
/// Eight digits `0`.
pub(super) const ZEROS: u64 = ONES * b'0' as u64;
pub(super) const HIGH_HALVES: u64 = ONES * 0xF0;
pub(super) const PAIRS: u64 = 0x0000_00FF_0000_00FF;
/// Powers of ten that are exact.
pub(super) const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// An integer: an optional sign and digits. `None` if it is not one or does not fit into 64 bits.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let value = small(digits)?;
        return Some(if negative { -value } else { value });
    }
    let mut value: i64 = 0;
    // Counts downwards, so that the smallest number fits too.
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// At most 18 digits, which always fit.
#[inline]
fn small(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// Whether a minus stands in front, and what follows the sign.
fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text.strip_prefix(b"+").unwrap_or(text)),
    }
}

/// A decimal or scientific number, or `NaN`, `inf`, `infinity` in any case.
#[inline]
pub fn parse_float(text: &[u8]) -> Option<f64> {
    short_float(text).or_else(|| long_float(text))
}

/// A plain decimal of at most 15 digits: digits and power of ten are exact, so that one division rounds right
/// (Clinger, "How to read floating point numbers accurately", 1990). `None` says nothing about the text.
#[inline]
fn short_float(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    if let Some((mantissa, decimals)) = eight(digits) {
        // Signed: there is an instruction for that on every processor.
        #[expect(clippy::cast_precision_loss, reason = "8 digits are exact")]
        let value = mantissa.cast_signed() as f64 / POWERS[decimals];
        return Some(if digits.len() < text.len() { -value } else { value });
    }
    let (mut mantissa, mut decimals, mut count) = (0_u64, None, 0);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            count += 1;
            decimals = decimals.map(|decimals| decimals + 1);
        } else if *byte == b'.' && decimals.is_none() {
            decimals = Some(0);
        } else {
            return None;
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "15 digits are exact")]
    let value = mantissa as f64 / POWERS[decimals.unwrap_or(0)];
    Some(if digits.len() < text.len() { -value } else { value })
}

/// Four to eight digits, a point maybe among them: the digits as a number, and how many follow the point. All bytes at once,
/// since texts of changing lengths make a loop's end hard to foresee.
#[inline]
fn eight(text: &[u8]) -> Option<(u64, usize)> {
    let (4..=8, Some(first), Some(last)) = (text.len(), text.first_chunk(), text.last_chunk()) else { return None };
    let (first, last) = (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)));
    // The text's end at the last byte, with zeros before its start: where the halves meet, both hold the same.
    let missing = 8 * (8 - text.len());
    let mut word = last << 32 | first << missing | ZEROS & ((1 << missing) - 1);
    let points = word ^ (ONES * u64::from(b'.'));
    // The lowest one marks the first point; others may be wrong, but are no digits' ends then.
    let points = points.wrapping_sub(ONES) & !points & (ONES << 7);
    let mut decimals = 0;
    if points != 0 {
        let place = points.trailing_zeros() / 8;
        decimals = 7 - place as usize;
        let before = word & ((1 << (8 * place)) - 1);
        let after = word & (u64::MAX << (8 * place) << 8);
        word = after | before << 8 | u64::from(b'0');
    }
    if word & HIGH_HALVES != ZEROS || (word + ONES * 6) & HIGH_HALVES != ZEROS {
        return None;
    }
    word -= ZEROS;
    word = word.wrapping_mul(10) + (word >> 8);
    let even = (word & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let odd = ((word >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    Some((even.wrapping_add(odd) >> 32, decimals))
}

#[cold]
fn long_float(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `true` or `false` in any case.
#[inline]
pub fn parse_bool(text: &[u8]) -> Option<bool> {
    // Letters in upper case differ from others in one bit, and with it no other byte becomes a letter of these.
    const LOWER: u32 = 0x2020_2020;
    let small = u32::from_le_bytes(*text.first_chunk()?) | LOWER;
    match text.len() {
        4 if small == u32::from_le_bytes(*b"true") => Some(true),
        5 if small == u32::from_le_bytes(*b"fals") && text[4] | 0x20 == b'e' => Some(false),
        _ => None,
    }
}

/// A plain decimal number as integer of `10^-scale`. `None` if it is not one, has more decimals than `scale` (trailing
/// zeros aside), or more digits than `precision`.
pub fn parse_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = sign(text);
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let scale = usize::try_from(scale).ok()?;
    let kept = fraction.len().min(scale);
    if fraction[kept..].iter().any(|byte| *byte != b'0') {
        return None;
    }
    let padding = std::iter::repeat_n(&b'0', scale - kept);
    let mut value: i128 = 0;
    for byte in whole.iter().chain(&fraction[..kept]).chain(padding) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (value < limit).then_some(if negative { -value } else { value })
}

/// Whether reading the number would lose leading zeros: `007`, `-01.5`; not `0`, `0.5`.
pub fn has_leading_zero(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    matches!(digits, [b'0', second, ..] if second.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(parse_int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_int(b"9223372036854775808"), None);
        for text in [&b""[..], b"-", b"1.0", b"1 ", b"1_000", b"0x1"] {
            assert_eq!(parse_int(text), None);
        }
    }

    #[test]
    fn floats_are_rounded_as_the_standard_library_rounds_them() {
        for text in ["0.1", "-0", "0.3", "123456789012345", "1.", ".5", "-12.50", "99999999.9999999", "1e3", "1e-400"] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
        for text in ["", "-", ".", "1.2.3", "1 ", "--1", "1,5"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn short_numbers_are_read_as_the_standard_library_reads_them(text in "-?[0-9]{0,9}(\\.[0-9]{0,9})?|[-+.0-9:/e ]{3,9}") {
            let expected = text.parse::<f64>().ok().map(f64::to_bits);
            proptest::prop_assert_eq!(parse_float(text.as_bytes()).map(f64::to_bits), expected);
        }
    }

    #[test]
    fn decimals() {
        assert_eq!(parse_decimal(b"12.5", 12, 2), Some(1250));
        assert_eq!(parse_decimal(b"-0.05", 12, 2), Some(-5));
        assert_eq!(parse_decimal(b"12.500", 12, 2), Some(1250));
        assert_eq!(parse_decimal(b"12.505", 12, 2), None);
        assert_eq!(parse_decimal(b"100", 4, 2), None);
        assert_eq!(parse_decimal(b".", 4, 2), None);
        assert_eq!(parse_decimal(b"1e5", 12, 2), None);
    }

    #[test]
    fn booleans() {
        for (text, value) in [("true", true), ("True", true), ("TRUE", true), ("false", false), ("fAlSE", false)] {
            assert_eq!(parse_bool(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", "t", "yes", "1", "truee", "fals", "falsf", "true ", "\u{14}rue", "tru\u{5}"] {
            assert_eq!(parse_bool(text.as_bytes()), None, "{text}");
        }
        // Of all bytes in each place, only the letter in both cases fits.
        for word in [&b"true"[..], b"false"] {
            for place in 0..word.len() {
                for byte in 0..=u8::MAX {
                    let mut text = word.to_vec();
                    text[place] = byte;
                    let same = text.eq_ignore_ascii_case(word);
                    assert_eq!(parse_bool(&text).is_some(), same, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn leading_zeros() {
        assert!(has_leading_zero(b"007") && has_leading_zero(b"-01.5"));
        assert!(!has_leading_zero(b"0") && !has_leading_zero(b"0.5") && !has_leading_zero(b"70"));
    }
}
