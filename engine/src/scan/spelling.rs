//! How a file spells numbers, dates and times, beyond ISO 8601 and the decimal point.

use karyaksham_spec::{DateOrder, Decimal};

use super::dialect::Dialect;
use super::numbers::{parse_decimal, parse_float};
use super::temporal::{days, parse_date, parse_timestamp, time_of_day};

/// The longest number that is read with a decimal comma.
const MAX_NUMBER_BYTES: usize = 64;

/// The spellings that a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spelling {
    /// The order of day and month in dates whose year stands last; without it, such dates are none.
    pub date_order: Option<DateOrder>,
    /// Whether a comma stands before decimals; a point then stands nowhere in a number.
    pub comma: bool,
}

impl Spelling {
    /// Those of a dialect.
    pub fn of(dialect: &Dialect) -> Self {
        Self { date_order: dialect.date_order, comma: dialect.decimal == Some(Decimal::Comma) }
    }

    /// A number with decimals.
    #[inline]
    pub fn float(self, text: &[u8]) -> Option<f64> {
        if self.comma { with_point(text, parse_float) } else { parse_float(text) }
    }

    /// A decimal, scaled.
    #[inline]
    pub fn decimal(self, text: &[u8], precision: u8, scale: i8) -> Option<i128> {
        if self.comma {
            with_point(text, |text| parse_decimal(text, precision, scale))
        } else {
            parse_decimal(text, precision, scale)
        }
    }

    /// Days since 1970-01-01.
    #[inline]
    pub fn date(self, text: &[u8]) -> Option<i32> {
        parse_date(text).or_else(|| self.other_date(text))
    }

    /// Microseconds since 1970-01-01 as written, and the offset from UTC in seconds if one is written.
    #[inline]
    pub fn timestamp(self, text: &[u8]) -> Option<(i64, Option<i32>)> {
        parse_timestamp(text).or_else(|| self.other_timestamp(text))
    }

    fn other_timestamp(self, text: &[u8]) -> Option<(i64, Option<i32>)> {
        let colon = memchr::memchr(b':', text)?;
        let start = text[..colon].iter().rposition(|byte| !byte.is_ascii_digit())?;
        let date = match text[start] {
            b' ' => text[..start].trim_ascii_end(),
            b'T' | b't' => &text[..start],
            _ => return None,
        };
        let day = i64::from(self.date(date.strip_suffix(b",").unwrap_or(date))?);
        let (micros, offset) = time_of_day(&text[start + 1..])?;
        Some((day * 86_400_000_000 + micros, offset))
    }

    /// `2024/1/31`, `2024.01.31`, `31 Jan 2024`, `January 31, 2024`, and `31/01/2024` by the order of the file.
    fn other_date(self, text: &[u8]) -> Option<i32> {
        let mut parts = text.split(|byte| matches!(byte, b'/' | b'.' | b'-' | b' ')).filter(|part| !part.is_empty());
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !same_separators(text) {
            return None;
        }
        if let Some(month) = month(second) {
            let (day, year) = if first.len() == 4 { (third, first) } else { (first, third) };
            return days(year_of(year)?, month, day_of(day)?);
        }
        if let Some(month) = month(first) {
            return days(year_of(third)?, month, day_of(second.strip_suffix(b",").unwrap_or(second))?);
        }
        if memchr::memchr(b' ', text).is_some() {
            return None;
        }
        if first.len() == 4 {
            return days(year_of(first)?, day_of(second)?, day_of(third)?);
        }
        let (day, month) = match self.date_order? {
            DateOrder::Dmy => (first, second),
            DateOrder::Mdy => (second, first),
        };
        days(year_of(third)?, day_of(month)?, day_of(day)?)
    }
}

/// Whether the parts of a date are separated in one way, and by one byte (or a comma and a space).
fn same_separators(text: &[u8]) -> bool {
    let mut kind = None;
    let mut before = false;
    for byte in text {
        let separator = matches!(byte, b'/' | b'.' | b'-' | b' ');
        if separator && (before || *kind.get_or_insert(*byte) != *byte) {
            return false;
        }
        before = separator;
    }
    !before && text.first().is_some_and(u8::is_ascii_alphanumeric)
}

fn year_of(text: &[u8]) -> Option<i32> {
    (text.len() == 4).then(|| number(text)).flatten()
}

/// A day's or month's number, of one or two digits.
fn day_of(text: &[u8]) -> Option<i32> {
    (1..=2).contains(&text.len()).then(|| number(text)).flatten()
}

fn number(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i32::from(byte - b'0')))
}

/// The number of a month that is written in English, in full or by its first three letters.
fn month(text: &[u8]) -> Option<i32> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let fits =
        |name: &str| text.eq_ignore_ascii_case(name.as_bytes()) || text.eq_ignore_ascii_case(&name.as_bytes()[..3]);
    let place = NAMES.iter().position(|name| fits(name))?;
    i32::try_from(place + 1).ok()
}

/// Reads a number with its decimal comma turned to a point; with a point in it, it is none.
fn with_point<V>(text: &[u8], parse: impl Fn(&[u8]) -> Option<V>) -> Option<V> {
    let mut buffer = [0; MAX_NUMBER_BYTES];
    let number = buffer.get_mut(..text.len())?;
    for (to, byte) in number.iter_mut().zip(text) {
        *to = match byte {
            b',' => b'.',
            b'.' => return None,
            byte => *byte,
        };
    }
    parse(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(order: Option<DateOrder>) -> Spelling {
        Spelling { date_order: order, comma: false }
    }

    #[test]
    fn dates() {
        let day = parse_date(b"2024-01-31");
        for text in ["2024/01/31", "2024.1.31", "31 Jan 2024", "31-jan-2024", "January 31, 2024", "2024-Jan-31"] {
            assert_eq!(by(None).date(text.as_bytes()), day, "{text}");
        }
        for text in ["31/01/2024", "31.1.2024", "31-01-2024"] {
            assert_eq!(by(Some(DateOrder::Dmy)).date(text.as_bytes()), day, "{text}");
            assert_eq!(by(None).date(text.as_bytes()), None, "{text}");
            assert_eq!(by(Some(DateOrder::Mdy)).date(text.as_bytes()), None, "{text}");
        }
        assert_eq!(by(Some(DateOrder::Mdy)).date(b"1/31/2024"), day);
        for text in ["31/01/24", "31/01-2024", "2024//01/31", "1/2/3", "31 01 2024", "2024/01/31/", "Foo 31, 2024"] {
            assert_eq!(by(Some(DateOrder::Dmy)).date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        let moment = parse_timestamp(b"2024-01-31T13:05:00");
        for text in ["31.01.2024 13:05", "31/01/2024 1:05 PM", "31/1/2024 01:05:00 pm", "31 Jan 2024, 13:05:00"] {
            assert_eq!(by(Some(DateOrder::Dmy)).timestamp(text.as_bytes()), moment, "{text}");
        }
        assert_eq!(by(None).timestamp(b"2024/01/31 13:05:00 Z"), parse_timestamp(b"2024-01-31T13:05:00Z"));
        assert_eq!(by(None).timestamp(b"2024-01-31 12:05 AM"), parse_timestamp(b"2024-01-31T00:05"));
        for text in ["31/01/2024 25:00", "31/01/2024 13:05 PM", "13:05", "31/01/2024"] {
            assert_eq!(by(Some(DateOrder::Dmy)).timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimal_commas() {
        let comma = Spelling { date_order: None, comma: true };
        assert_eq!(comma.float(b"-1,5"), Some(-1.5));
        assert_eq!(comma.float(b"15"), Some(15.0));
        assert_eq!(comma.float(b"1.5"), None);
        assert_eq!(comma.float(b"1.000,5"), None);
        assert_eq!(comma.decimal(b"1,25", 5, 2), Some(125));
        assert_eq!(by(None).float(b"1,5"), None);
    }
}
