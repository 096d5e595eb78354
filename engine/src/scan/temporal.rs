//! Dates and timestamps from text: ISO 8601 as written by the usual tools.

use std::cell::Cell;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Days since 1970-01-01 of `YYYY-MM-DD`; `None` if it is no day of the calendar.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else { return None };
    let year = pair(y0, y1)? * 100 + pair(y2, y3)?;
    days(year, pair(m0, m1)?, pair(d0, d1)?)
}

/// Reads timestamps that mostly fall on the day of the one before, as in files that were written as time went by.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    /// A day as it was written, and its number.
    day: Cell<([u8; 10], i32)>,
}

impl Timestamps {
    /// As [`parse_timestamp`] of a text of its usual length, without a fraction or an offset; `None` says nothing of others.
    #[inline]
    pub(super) fn usual(&self, text: &[u8]) -> Option<i64> {
        let text: &[u8; 19] = text.try_into().ok()?;
        let (date, [b'T' | b't' | b' ', rest @ ..]) = text.split_first_chunk::<10>()? else { return None };
        let (known, number) = self.day.get();
        let day = if known == *date {
            number
        } else {
            let number = parse_date(date)?;
            self.day.set((*date, number));
            number
        };
        let seconds = i64::from(day) * SECONDS_PER_DAY + seconds(u64::from_le_bytes(*rest.first_chunk()?))?;
        Some(seconds * MICROS_PER_SECOND)
    }
}

/// The seconds since midnight of `HH:MM:SS`, all bytes at once.
#[inline]
fn seconds(text: u64) -> Option<i64> {
    const COLONS: u64 = 0x0000_FF00_00FF_0000;
    let digits = text ^ u64::from_le_bytes(*b"00:00:00");
    let fit = (digits | digits.wrapping_add(0x0606_0006_0600_0606)) & 0xF0F0_F0F0_F0F0_F0F0 == 0;
    let pairs = (digits.wrapping_mul(10)).wrapping_add(digits >> 8);
    let (hour, minute, second) = (pairs & 0xFF, pairs >> 24 & 0xFF, pairs >> 48 & 0xFF);
    let fit = fit && digits & COLONS == 0 && hour < 24 && minute < 60 && second < 60;
    #[expect(clippy::cast_possible_wrap, reason = "less than a day")]
    fit.then_some((hour * 3600 + minute * 60 + second) as i64)
}

/// A timestamp: microseconds since 1970-01-01 as written, and the offset from UTC in seconds if one is written.
///
/// `YYYY-MM-DD`, then `T` or a space, then `HH:MM[:SS[.fraction]]`, then nothing, `Z`, `±HH`, `±HHMM` or `±HH:MM`. More than
/// six decimals fit only if the rest are zeros.
pub fn parse_timestamp(text: &[u8]) -> Option<(i64, Option<i32>)> {
    let (date, rest) = text.split_at_checked(10)?;
    let day = i64::from(parse_date(date)?);
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let [_, _, b':', ..] = rest else { return None };
    let (micros, rest) = clock(rest)?;
    Some((day * SECONDS_PER_DAY * MICROS_PER_SECOND + micros, offset(rest)?))
}

/// A time of day in the spellings that people use, with what says its zone: `9:05`, `09:05:00.5`, `9:05 pm`, `09:05Z`,
/// `09:05 +0100`. Microseconds since midnight, and the offset in seconds.
pub(super) fn time_of_day(text: &[u8]) -> Option<(i64, Option<i32>)> {
    const NOON: i64 = 12 * 3600 * MICROS_PER_SECOND;
    let (micros, rest) = clock(text)?;
    let rest = rest.trim_ascii_start();
    let Some((half, zone)) = rest.split_at_checked(2) else { return Some((micros, offset(rest)?)) };
    let micros = match half {
        b"AM" | b"am" | b"PM" | b"pm" => {
            // Midnight and noon are 12 o'clock.
            if !(3600 * MICROS_PER_SECOND..NOON + 3600 * MICROS_PER_SECOND).contains(&micros) {
                return None;
            }
            micros % NOON + if half[0].eq_ignore_ascii_case(&b'p') { NOON } else { 0 }
        }
        _ => return Some((micros, offset(rest)?)),
    };
    Some((micros, offset(zone.trim_ascii_start())?))
}

/// `H:MM[:SS[.fraction]]` in microseconds, and what follows.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = match text {
        [h0, h1, b':', rest @ ..] => (pair(*h0, *h1)?, rest),
        [h1, b':', rest @ ..] => (pair(b'0', *h1)?, rest),
        _ => return None,
    };
    let [m0, m1, rest @ ..] = rest else { return None };
    let minute = pair(*m0, *m1)?;
    let (second, rest) = match rest {
        [b':', s0, s1, rest @ ..] => (pair(*s0, *s1)?, rest),
        rest => (0, rest),
    };
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => micros(rest)?,
        rest => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction, rest))
}

/// The offset in seconds: `Some(None)` if none is written.
#[expect(clippy::option_option, reason = "an offset that is wrong and one that is absent differ")]
fn offset(text: &[u8]) -> Option<Option<i32>> {
    let (sign, hours, minutes) = match *text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [sign, h0, h1] => (sign, pair(h0, h1)?, 0),
        [sign, h0, h1, m0, m1] | [sign, h0, h1, b':', m0, m1] => (sign, pair(h0, h1)?, pair(m0, m1)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        b'+' => Some(Some(seconds)),
        b'-' => Some(Some(-seconds)),
        _ => None,
    }
}

/// Leading digits as microseconds, and what follows them.
fn micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() || digits.len() > 9 || digits.iter().skip(6).any(|byte| *byte != b'0') {
        return None;
    }
    let value = (0..6).fold(0, |value, place| value * 10 + i64::from(digits.get(place).map_or(0, |byte| byte - b'0')));
    Some((value, rest))
}

fn pair(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub(super) fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"2024-02-29"), Some(19_782));
        assert_eq!(parse_date(b"1969-12-31"), Some(-1));
        assert_eq!(parse_date(b"0000-01-01"), Some(-719_528));
        for text in ["2023-02-29", "2023-13-01", "2023-00-01", "2023-01-00", "2023-1-1", "20230101", ""] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:01"), Some((1_000_000, None)));
        assert_eq!(parse_timestamp(b"1970-01-01 00:01"), Some((60_000_000, None)));
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00.25Z"), Some((250_000, Some(0))));
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00.000001000+05:30"), Some((1, Some(19_800))));
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00-08"), Some((0, Some(-28_800))));
        for text in ["1970-01-01", "1970-01-01T24:00:00", "1970-01-01T00:00:00.1234567", "1970-01-01T00:00:00 CET"] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn usual_timestamps_are_read_as_others_are(
            texts in proptest::collection::vec(
                "202[0-4]-(0[1-3]|[0-9]{2})-(01|[0-3][0-9])[Tt ]([01][0-9]|[0-9/:]{2}):[0-6][0-9]:([0-5][0-9]|[0-9:;]{2})",
                1..20,
            ),
        ) {
            let usual = Timestamps::default();
            for text in texts {
                // The same day twice, by the way.
                for _ in 0..2 {
                    let expected = parse_timestamp(text.as_bytes()).map(|(micros, _)| micros);
                    proptest::prop_assert_eq!(usual.usual(text.as_bytes()), expected, "{}", text);
                }
            }
        }
    }
}
