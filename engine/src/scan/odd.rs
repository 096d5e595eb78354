//! Dialects that the vector code does not know: delimiters of several bytes, comments between records, ends of records that
//! change, escapes where nothing is quoted. Read record by record, from the start of one.

use memchr::{memchr, memchr2, memchr3};

use super::index::Separators;
use super::mark::Mark;

/// What is odd about a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    /// Between fields.
    pub delimiter: Mark,
    /// What lines that are no records begin with.
    pub comment: Option<Mark>,
    /// Whether a carriage return alone ends a record too.
    pub mixed: bool,
}

/// What stands at a position.
enum Found {
    /// A delimiter begins.
    Delimiter,
    /// A record ends.
    End,
    /// A quote opens.
    Opened,
}

/// How the data ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// After a record, or before any.
    Whole,
    /// In the middle of a record.
    Within,
    /// Inside quotes.
    Quoted,
}

/// The next position from `at` on of a byte that may mean something outside quotes.
fn next(data: &[u8], at: usize, separators: &Separators, odd: &Odd) -> Option<usize> {
    let rest = &data[at..];
    let (delimiter, terminator) = (odd.delimiter.first(), separators.terminator);
    let escape = separators.escape.filter(|_| separators.quote.is_none());
    let found = match (odd.mixed, escape) {
        (false, None) => memchr2(delimiter, terminator, rest),
        (false, Some(escape)) => memchr3(delimiter, terminator, escape, rest),
        (true, None) => memchr3(delimiter, b'\n', b'\r', rest),
        (true, Some(escape)) => rest.iter().position(|byte| [delimiter, b'\n', b'\r', escape].contains(byte)),
    };
    found.map(|found| at + found)
}

/// Whether a record ends with the byte at a position, which may be the first of two.
fn ends(data: &[u8], at: usize, separators: &Separators, odd: &Odd) -> bool {
    let byte = data[at];
    byte == separators.terminator || (odd.mixed && byte == b'\r' && data.get(at + 1) != Some(&b'\n'))
}

fn walk(data: &[u8], separators: &Separators, odd: &Odd, mut found: impl FnMut(usize, Found)) -> Ended {
    let mut at = 0;
    'records: while at < data.len() {
        if odd.comment.is_some_and(|comment| data[at..].starts_with(comment.as_bytes())) {
            let line = |byte: &u8| *byte == separators.terminator || (odd.mixed && *byte == b'\r');
            while let Some(end) = data[at..].iter().position(line) {
                at += end + 1;
                if ends(data, at - 1, separators, odd) {
                    found(at - 1, Found::End);
                    continue 'records;
                }
            }
            return Ended::Within;
        }
        'fields: loop {
            if separators.quote.is_some() && data.get(at).copied() == separators.quote {
                found(at, Found::Opened);
                match closed(data, at + 1, separators) {
                    Some(end) => at = end,
                    None => return Ended::Quoted,
                }
            }
            loop {
                let Some(place) = next(data, at, separators, odd) else { return Ended::Within };
                at = place + 1;
                if data[place..].starts_with(odd.delimiter.as_bytes()) {
                    found(place, Found::Delimiter);
                    at = place + usize::from(odd.delimiter.width());
                    continue 'fields;
                }
                if ends(data, place, separators, odd) {
                    found(place, Found::End);
                    continue 'records;
                }
                if Some(data[place]) == separators.escape && separators.quote.is_none() {
                    at += 1;
                    if at > data.len() {
                        return Ended::Within;
                    }
                }
            }
        }
    }
    Ended::Whole
}

/// The position behind the quote that closes what opened before `at`.
fn closed(data: &[u8], mut at: usize, separators: &Separators) -> Option<usize> {
    let quote = separators.quote?;
    loop {
        let rest = data.get(at..)?;
        at += match separators.escape {
            Some(escape) => memchr2(quote, escape, rest),
            None => memchr(quote, rest),
        }?;
        let doubled = separators.escape.is_none() && data.get(at + 1) == Some(&quote);
        if !doubled && Some(data[at]) != separators.escape {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// One past the last record of `data` that surely ends in it, and how many records end up to there; `data` starts at a
/// record.
pub(super) fn whole(data: &[u8], separators: Separators, odd: Odd) -> Option<usize> {
    let mut end = None;
    walk(data, &separators, &odd, |at, found| {
        // A line feed may follow a carriage return at the very end.
        if matches!(found, Found::End) && !(data[at] == b'\r' && odd.mixed && at + 1 == data.len()) {
            end = Some(at + 1);
        }
    });
    end
}

/// Adds the separators of `data`, which starts at a record and ends with one, to `seps`, and those of them that end records
/// to `ends`; returns the position of a quote that is never closed.
#[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB (see `blocks`)")]
pub(super) fn index(
    data: &[u8],
    separators: Separators,
    odd: Odd,
    seps: &mut Vec<u32>,
    ends: &mut Vec<u32>,
) -> Option<u32> {
    let mut last_opened = None;
    let ended = walk(data, &separators, &odd, |at, found| match found {
        Found::Delimiter => seps.push(at as u32),
        Found::End => {
            ends.push(seps.len() as u32);
            seps.push(at as u32);
        }
        Found::Opened => last_opened = Some(at as u32),
    });
    if ended != Ended::Whole {
        ends.push(seps.len() as u32);
        seps.push(data.len() as u32);
    }
    last_opened.filter(|_| ended == Ended::Quoted)
}
