//! How much a text looks like the value of one field: what tells a right dialect from a wrong one.

use crate::scan::numbers::{parse_bool, parse_float};
use crate::scan::{Field, FieldKind};

/// How well a field fits, from 0 to 1. Quotes that are left over, other delimiters and spaces at the ends speak for another
/// dialect.
pub(super) fn fit(data: &[u8], field: Field, quote: Option<u8>, escape: Option<u8>, delimiter: &[u8]) -> f64 {
    let text = &data[field.start as usize..field.end as usize];
    match (field.kind, quote) {
        (FieldKind::Quoted, _) => return 1.0,
        (FieldKind::Escaped, Some(quote)) => return if well_closed(text, quote, escape) { 1.0 } else { 0.3 },
        _ => {}
    }
    if text.is_empty() {
        return 1.0;
    }
    let trimmed = text.trim_ascii();
    let mut fit = match trimmed {
        [b'"' | b'\'', ..] | [.., b'"'] => 0.3,
        _ if is_typed(trimmed) => 1.0,
        _ => plain_text(trimmed, delimiter),
    };
    if trimmed.len() < text.len() {
        fit *= 0.8;
    }
    fit
}

fn plain_text(text: &[u8], delimiter: &[u8]) -> f64 {
    let mut fit = if text.len() > 60 { 0.9_f64 } else { 1.0 };
    for (at, byte) in text.iter().enumerate() {
        let worth = match byte {
            byte if delimiter.contains(byte) => continue,
            b';' | b'\t' | b'|' | b'^' | b'~' => 0.5,
            b',' if text.get(at + 1) == Some(&b' ') => 0.85,
            b',' => 0.6,
            b'"' => 0.7,
            byte if byte.is_ascii_control() => 0.4,
            _ => continue,
        };
        fit = fit.min(worth);
    }
    fit
}

/// Whether the quotes inside of what a quote opened are all escaped, and the last one closes it.
fn well_closed(text: &[u8], quote: u8, escape: Option<u8>) -> bool {
    let Some((last, inner)) = text.split_last() else { return false };
    let mut bytes = inner.iter().peekable();
    while let Some(byte) = bytes.next() {
        let good = if Some(*byte) == escape {
            bytes.next().is_some()
        } else if *byte == quote {
            escape.is_none() && bytes.next_if_eq(&&quote).is_some()
        } else {
            true
        };
        if !good {
            return false;
        }
    }
    *last == quote
}

/// Whether a text is a number, a truth value, a date or a time, in any usual spelling.
pub(super) fn is_typed(text: &[u8]) -> bool {
    parse_bool(text).is_some() || is_number(text) || is_moment(text)
}

/// A number with signs of money or per cent, a decimal point or comma, or groups of three digits.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"%").unwrap_or(text).trim_ascii();
    let text = ["$", "€", "£", "-$", "-€", "-£"]
        .iter()
        .find_map(|sign| text.strip_prefix(sign.as_bytes()))
        .unwrap_or(text)
        .trim_ascii();
    if !text.iter().any(u8::is_ascii_digit) {
        return false;
    }
    parse_float(text).is_some() || {
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let separators = digits.iter().filter(|byte| matches!(byte, b',' | b'.')).count();
        let grouped = digits.split(|byte| matches!(byte, b',' | b'.')).skip(1).all(|group| group.len() == 3);
        digits.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'))
            && digits.first().is_some_and(u8::is_ascii_digit)
            && (separators == 1 || grouped)
    }
}

/// A date, a time, or both: digits in groups.
fn is_moment(text: &[u8]) -> bool {
    if !(4..=35).contains(&text.len()) || !text[0].is_ascii_digit() {
        return false;
    }
    let mut separators = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {}
            b'-' | b'/' | b'.' | b':' | b' ' | b'T' | b'Z' | b'+' => separators += 1,
            _ => return false,
        }
    }
    let groups = text.split(|byte| !byte.is_ascii_digit()).filter(|group| !group.is_empty());
    (1..=8).contains(&separators) && groups.clone().count() >= 2 && groups.take(5).all(|group| group.len() <= 4)
}
