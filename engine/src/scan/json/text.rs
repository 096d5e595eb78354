//! The inside of JSON strings: where they end, and what they say.

use std::borrow::Cow;

/// Why a text cannot be read, and where (an offset in the data).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

pub(crate) const fn fault<T>(at: usize, what: &'static str) -> Result<T, Fault> {
    Err(Fault { at, what })
}

/// The end of the string whose opening quote stands before `at`: where its closing quote is, and whether it holds escapes.
///
/// A line end cannot stand in a string, so this never runs past the line.
#[inline]
pub(crate) fn string_end(data: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    let end = special(data, at);
    if data.get(end) == Some(&b'"') { Ok((end, false)) } else { end_behind(data, end) }
}

/// The end of a string that has something else than its closing quote at `at`.
#[inline(never)]
fn end_behind(data: &[u8], mut at: usize) -> Result<(usize, bool), Fault> {
    let mut escaped = false;
    loop {
        match data.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                at = special(data, escape(data, at)?);
                escaped = true;
            }
            Some(b'\n') | None => return fault(at, "a text is not closed"),
            Some(_) => return fault(at, "a control character in a text must be escaped"),
        }
    }
}

/// The first quote, backslash or control character at or behind `at`; the length of the data if there is none.
#[inline]
fn special(data: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = data.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let found = mask(chunk);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    let rest = data.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
}

/// A bit for each quote, backslash or control character.
#[cfg(target_arch = "x86_64")]
#[inline]
fn mask(chunk: &[u8; 16]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_wrap, reason = "bytes and bits, not numbers")]
    #[expect(unsafe_code, reason = "vector instructions")]
    // SAFETY: SSE2 is part of every x86-64; what is loaded is the chunk, which is as long as a vector.
    unsafe {
        let bytes = _mm_loadu_si128(chunk.as_ptr().cast());
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, escapes), controls)) as u32
    }
}

/// A bit for each quote, backslash or control character.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn mask(chunk: &[u8; 16]) -> u32 {
    let mut found = 0;
    for (bit, byte) in chunk.iter().enumerate() {
        found |= u32::from(*byte < 0x20 || *byte == b'"' || *byte == b'\\') << bit;
    }
    found
}

/// Behind the escape at `at`.
fn escape(data: &[u8], at: usize) -> Result<usize, Fault> {
    match data.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match character(&data[at + 2..]) {
            Ok((_, length)) => Ok(at + 2 + length),
            Err(what) => fault(at, what),
        },
        _ => fault(at, "no such escape in a text"),
    }
}

/// Four hexadecimal digits.
fn code_unit(data: &[u8], at: usize) -> Option<u32> {
    let digits = data.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// What a string says; copied only if it holds escapes. `raw` stands between quotes whose end [`string_end`] found.
pub(crate) fn unescape(raw: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| NOT_UTF8);
    };
    let mut text = Vec::with_capacity(raw.len());
    text.extend_from_slice(&raw[..first]);
    let mut at = first;
    while let Some(byte) = raw.get(at) {
        if *byte != b'\\' {
            let end = memchr::memchr(b'\\', &raw[at..]).map_or(raw.len(), |found| at + found);
            text.extend_from_slice(&raw[at..end]);
            at = end;
            continue;
        }
        at += 2;
        text.push(match raw.get(at - 1) {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, length) = character(&raw[at..])?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
                continue;
            }
            Some(other) => *other,
            None => return Err("a text ends within an escape"),
        });
    }
    String::from_utf8(text).map(Cow::Owned).map_err(|_| NOT_UTF8)
}

const NOT_UTF8: &str = "the text is not UTF-8";

/// The character behind `\u`, and its length: four digits, or two code units with `\u` between them.
fn character(raw: &[u8]) -> Result<(char, usize), &'static str> {
    const HALF: &str = "an escape in the text is one half of a surrogate pair";
    let unit = code_unit(raw, 0).ok_or("no such escape in a text")?;
    if !(0xD800..0xE000).contains(&unit) {
        return char::from_u32(unit).map(|character| (character, 4)).ok_or(HALF);
    }
    let second = if raw.get(4..6) == Some(b"\\u") { code_unit(raw, 6) } else { None };
    match second {
        Some(second) if unit < 0xDC00 && (0xDC00..0xE000).contains(&second) => {
            let code = 0x1_0000 + ((unit - 0xD800) << 10) + (second - 0xDC00);
            char::from_u32(code).map(|character| (character, 10)).ok_or(HALF)
        }
        _ => Err(HALF),
    }
}
