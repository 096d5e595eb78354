//! Numbers and times as text, fast. What they look like is pinned by the tests against slower, general formatters.

use std::io::Write;

/// Numbers of hundredths up to here have at most fifteen digits, so that no shorter text reads back as the same number.
const MAX_HUNDREDTHS: f64 = 1e15;
/// From 2^49 on, a number may lie just between two texts of the same length: the standard library rounds such a tie up, and
/// ryu to even.
const MAX_WITHOUT_TIES: f64 = 5e14;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// A whole number.
pub(super) fn write_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The shortest text that reads back as the same number; huge and tiny ones in scientific notation.
pub(super) fn write_float(out: &mut Vec<u8>, value: f64) -> std::io::Result<()> {
    let size = value.abs();
    // Prices and the like: a whole number of hundredths.
    let hundredths = (size * 100.0).round();
    #[expect(clippy::float_cmp, reason = "the very same number is meant")]
    if hundredths < MAX_HUNDREDTHS && hundredths / 100.0 == size {
        write_hundredths(out, value.is_sign_negative(), hundredths);
        return Ok(());
    }
    if (1e-5..MAX_WITHOUT_TIES).contains(&size) {
        let mut buffer = ryu::Buffer::new();
        let text = buffer.format_finite(value);
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
        return Ok(());
    }
    if size.is_finite() && !(1e-5..1e17).contains(&size) { write!(out, "{value:e}") } else { write!(out, "{value}") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10^15, not negative, and whole")]
fn write_hundredths(out: &mut Vec<u8>, negative: bool, hundredths: f64) {
    let hundredths = hundredths as u64;
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(hundredths / 100).as_bytes());
    let rest = (hundredths % 100) as u8;
    if rest > 0 {
        out.extend_from_slice(&[b'.', b'0' + rest / 10]);
        if !rest.is_multiple_of(10) {
            out.push(b'0' + rest % 10);
        }
    }
}

/// `2024-02-29` from days since 1970; false if the year has not four digits, and nothing is written.
pub(super) fn write_date(out: &mut Vec<u8>, days: i32) -> bool {
    let (year, month, day) = civil(i64::from(days));
    let Ok(year) = u32::try_from(year) else { return false };
    if year > 9999 {
        return false;
    }
    let mut text = *b"0000-00-00";
    two_digits(&mut text[0..2], year / 100);
    two_digits(&mut text[2..4], year % 100);
    two_digits(&mut text[5..7], month);
    two_digits(&mut text[8..10], day);
    out.extend_from_slice(&text);
    true
}

/// `2024-02-29T10:00:00`, with milliseconds or microseconds if there are any, and with `Z` in UTC; false if the year has
/// not four digits, and nothing is written.
pub(super) fn write_timestamp(out: &mut Vec<u8>, micros: i64, utc: bool) -> bool {
    let (days, of_day) = (micros.div_euclid(MICROS_A_DAY), micros.rem_euclid(MICROS_A_DAY));
    let Ok(days) = i32::try_from(days) else { return false };
    if !write_date(out, days) {
        return false;
    }
    let narrow = |value: i64| u32::try_from(value).unwrap_or_default();
    let (seconds, fraction) = (narrow(of_day / 1_000_000), narrow(of_day % 1_000_000));
    let mut text = *b"T00:00:00";
    two_digits(&mut text[1..3], seconds / 3600);
    two_digits(&mut text[4..6], seconds / 60 % 60);
    two_digits(&mut text[7..9], seconds % 60);
    out.extend_from_slice(&text);
    if fraction > 0 {
        let mut text = *b".000000";
        two_digits(&mut text[1..3], fraction / 10_000);
        two_digits(&mut text[3..5], fraction / 100 % 100);
        two_digits(&mut text[5..7], fraction % 100);
        out.extend_from_slice(if fraction % 1000 == 0 { &text[..4] } else { &text });
    }
    if utc {
        out.push(b'Z');
    }
    true
}

#[expect(clippy::cast_possible_truncation, reason = "below one hundred")]
fn two_digits(out: &mut [u8], value: u32) {
    out[0] = b'0' + (value / 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970 (Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or_default(), u32::try_from(day).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, Date32Array, TimestampMicrosecondArray};
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    use proptest::prelude::*;

    use super::*;

    fn general(array: &dyn Array) -> String {
        ArrayFormatter::try_new(array, &FormatOptions::default()).unwrap().value(0).to_string()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn slow_float(value: f64) -> String {
        let size = value.abs();
        if size != 0.0 && size.is_finite() && !(1e-5..1e17).contains(&size) {
            format!("{value:e}")
        } else {
            format!("{value}")
        }
    }

    #[test]
    fn floats_at_the_edges() {
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            0.01,
            0.05,
            99.99,
            100.0,
            1.005,
            0.29,
            1e-5,
            9.999_999e-6,
            1e15,
            1e16,
            1e17,
            123_456_789_012_345.67,
            9_999_999_999_999.99,
            10_000_000_000_000.01,
            4.35,
            5e-324,
            f64::MAX,
            f64::MIN,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1.0 / 3.0,
            2.5e16,
            9_007_199_254_740_993.0,
            -1_945_058_107_953_232.2,
            600_000_000_000_000.2,
        ] {
            assert_eq!(float(value), slow_float(value));
        }
    }

    proptest! {
        #[test]
        fn floats_are_the_shortest_text(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(float(value), slow_float(value));
        }

        #[test]
        fn hundredths_are_the_shortest_text(hundredths in -2_000_000_000_000_000_i64..2_000_000_000_000_000) {
            #[expect(clippy::cast_precision_loss, reason = "that is the question")]
            let value = hundredths as f64 / 100.0;
            prop_assert_eq!(float(value), slow_float(value));
        }

        #[test]
        fn dates_are_as_arrow_shows_them(days in -800_000..4_000_000_i32) {
            let mut out = Vec::new();
            if write_date(&mut out, days) {
                prop_assert_eq!(String::from_utf8(out).unwrap(), general(&Date32Array::from(vec![days])));
            } else {
                prop_assert!(out.is_empty());
                prop_assert!(!(-719_528..=2_932_896).contains(&days));
            }
        }

        #[test]
        fn timestamps_are_as_arrow_shows_them(
            seconds in -62_200_000_000_i64..253_500_000_000,
            fraction in prop_oneof![Just(0_i64), (0..1000_i64).prop_map(|millis| millis * 1000), 0..1_000_000_i64],
            utc: bool,
        ) {
            let micros = seconds * 1_000_000 + fraction;
            let array = TimestampMicrosecondArray::from(vec![micros]);
            let array = array.with_timezone_opt(utc.then(|| Arc::<str>::from("UTC")));
            let mut out = Vec::new();
            if write_timestamp(&mut out, micros, utc) {
                prop_assert_eq!(String::from_utf8(out).unwrap(), general(&array));
            } else {
                prop_assert!(out.is_empty());
                prop_assert!(!(-62_167_219_200..253_402_300_800).contains(&seconds));
            }
        }
    }
}
