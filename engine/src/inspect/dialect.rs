//! The dialect of delimited text: every dialect that the text gives reason for is tried, and the one wins whose records have
//! the most regular number of fields and whose fields look most like values.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cells::{fit, is_typed};
use crate::scan::{Dialect, Field, FieldKind, FieldReader, LineEnding, Mark};
use crate::threads::on_all;

/// How much is looked at.
const TEXT_BYTES: usize = 128 << 10;
/// How many records are looked at.
const RECORDS: usize = 400;
/// How many fields of a record are looked at.
const FIELDS: usize = 64;
/// A table's score must be better, or the text has one column.
const LEAST_SCORE: f64 = 0.2;

/// Delimiters of one character, the usual first.
const SINGLE: [&str; 14] = [",", ";", "\t", "|", ":", "^", "~", " ", "\u{1}", "\u{1f}", "§", "¬", "¦", "&"];
/// Others that are in use.
const SPECIAL: [&str; 10] = ["~|~", "|~|", "^|^", "|^|", "=>", "->", "@@", "##", "$$", "<>"];
/// What comments begin with.
const COMMENTS: [&str; 4] = ["#", "//", "--", "%"];

/// What is fixed, because somebody declared it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::option_option, reason = "declared to be absent, and not declared, differ")]
pub(super) struct Fixed {
    pub(super) delimiter: Option<Mark>,
    pub(super) quote: Option<Option<u8>>,
    pub(super) escape: Option<Option<u8>>,
    pub(super) comment: Option<Option<Mark>>,
}

/// What a dialect makes of a text.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) dialect: Dialect,
    /// Fields of most records.
    pub(super) width: usize,
    /// The share of records that have them.
    pub(super) share: f64,
    pub(super) score: f64,
}

/// The dialect that fits best; of one column if none makes a table.
pub(super) fn find(head: &[u8], base: &Dialect, fixed: &Fixed) -> Judged {
    let mut text = &head[..head.len().min(TEXT_BYTES)];
    if text.len() < head.len() {
        let end = memchr::memrchr2(b'\n', b'\r', text).map_or(text.len(), |end| end + 1);
        text = &text[..end];
    }
    let lines: Vec<&[u8]> = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(RECORDS)
        .collect();
    let (delimiters, comments) = (delimiters(&lines, fixed), comments(&lines, fixed));
    let mut tried = Vec::new();
    for line_ending in endings(text) {
        for comment in &comments {
            for (quote, escape) in quoting(text, base, fixed) {
                for delimiter in &delimiters {
                    if quote.is_some_and(|quote| delimiter.as_bytes().contains(&quote))
                        || comment.is_some_and(|comment| comment == *delimiter)
                    {
                        continue;
                    }
                    tried.push(Dialect {
                        delimiter: *delimiter,
                        quote,
                        escape,
                        comment: *comment,
                        line_ending,
                        ..base.clone()
                    });
                }
            }
        }
    }
    let mut best: Option<Judged> = None;
    for judged in judge_all(text, &tried).into_iter().flatten() {
        // A dialect that is tried later must be clearly better.
        if best.as_ref().is_none_or(|best| judged.score > best.score + 1e-6) {
            best = Some(judged);
        }
    }
    match best {
        Some(mut best) if best.score >= LEAST_SCORE && !single_column(&lines, best.dialect.delimiter, fixed) => {
            // A quote that is never closed is no sign that nothing is quoted.
            if fixed.quote.is_none()
                && best.dialect.quote.is_none()
                && memchr::memchr_iter(b'"', text).take(3).count() < 3
            {
                best.dialect.quote = base.quote;
            }
            best
        }
        _ => {
            let line_ending = endings(text)[0];
            let comment = fixed.comment.unwrap_or_default();
            let delimiter = fixed.delimiter.unwrap_or(base.delimiter);
            let quote = fixed.quote.unwrap_or(base.quote);
            let escape = fixed.escape.unwrap_or(base.escape);
            let dialect = Dialect { delimiter, quote, escape, comment, line_ending, ..base.clone() };
            Judged { dialect, width: 1, share: 1.0, score: 0.0 }
        }
    }
}

/// What ends records. Carriage returns that stand alone, beside line feeds, may be text or ends.
fn endings(text: &[u8]) -> Vec<LineEnding> {
    let alone = memchr::memchr_iter(b'\r', text).any(|at| text.get(at + 1).is_some_and(|next| *next != b'\n'));
    let usual = match memchr::memchr(b'\n', text) {
        None if memchr::memchr(b'\r', text).is_some() => return vec![LineEnding::Cr],
        Some(end) if end > 0 && text[end - 1] == b'\r' => LineEnding::Crlf,
        _ => LineEnding::Lf,
    };
    if alone { vec![usual, LineEnding::Mixed] } else { vec![usual] }
}

fn comments(lines: &[&[u8]], fixed: &Fixed) -> Vec<Option<Mark>> {
    if let Some(comment) = fixed.comment {
        return vec![comment];
    }
    let begun = |mark: &&&str| {
        let count = lines.iter().filter(|line| line.starts_with(mark.as_bytes())).count();
        count > 0 && count * 2 <= lines.len()
    };
    let marks = COMMENTS.iter().filter(begun).filter_map(|mark| Mark::new(mark.as_bytes()));
    std::iter::once(None).chain(marks.map(Some)).collect()
}

/// Quotes and escapes that the text gives reason for.
fn quoting(text: &[u8], base: &Dialect, fixed: &Fixed) -> Vec<(Option<u8>, Option<u8>)> {
    let holds = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    let mut quotes = match fixed.quote {
        Some(quote) => vec![quote],
        None => vec![Some(b'"')],
    };
    if fixed.quote.is_none() {
        let opens = |pair: &[u8]| !pair[0].is_ascii_alphanumeric() && pair[1] == b'\'';
        if text.first() == Some(&b'\'') || text.windows(2).any(opens) {
            quotes.push(Some(b'\''));
        }
        if holds(b"\"") || quotes.len() > 1 || holds(b"\\") {
            quotes.push(None);
        }
    }
    let mut found = Vec::new();
    for quote in quotes {
        match fixed.escape {
            Some(escape) => found.push((quote, escape)),
            None => {
                found.push((quote, base.escape));
                let reason = match quote {
                    Some(quote) => holds(&[b'\\', quote]),
                    None => holds(b"\\"),
                };
                if base.escape.is_none() && reason {
                    found.push((quote, Some(b'\\')));
                }
            }
        }
    }
    found
}

/// Delimiters that stand in a good part of the lines.
fn delimiters(lines: &[&[u8]], fixed: &Fixed) -> Vec<Mark> {
    if let Some(delimiter) = fixed.delimiter {
        return vec![delimiter];
    }
    let mut all: Vec<String> = SINGLE.iter().map(|text| (*text).to_owned()).collect();
    for single in SINGLE {
        all.extend((2..=4).map(|count| single.repeat(count)));
        if single != " " {
            all.extend([format!("{single} "), format!(" {single} "), format!(" {single}")]);
        }
    }
    all.extend(SPECIAL.iter().map(|text| (*text).to_owned()));
    let usual = |text: &String| {
        let finder = memchr::memmem::Finder::new(text.as_bytes());
        let count = lines.iter().filter(|line| finder.find(line).is_some()).count();
        count > 0 && count * 5 >= lines.len()
    };
    all.iter().filter(|text| usual(text)).filter_map(|text| Mark::new(text.as_bytes())).collect()
}

/// Judges dialects, on all threads; in their order.
fn judge_all(text: &[u8], dialects: &[Dialect]) -> Vec<Option<Judged>> {
    let next = AtomicUsize::new(0);
    let found = on_all(dialects.len(), || {
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            Some((number, judge(text, dialects.get(number)?.clone())))
        };
        std::iter::from_fn(take).collect::<Vec<_>>()
    });
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, judged)| judged).collect()
}

/// Judges one dialect; `None` if it makes no record of two fields or more.
fn judge(text: &[u8], dialect: Dialect) -> Option<Judged> {
    let mut reader = FieldReader::new(text, &dialect);
    let mut records: Vec<Vec<Field>> = Vec::new();
    let mut fields = Vec::new();
    while records.len() < RECORDS && reader.next_fields(0, &mut fields).is_some() {
        records.push(fields.clone());
    }
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for record in &records {
        *widths.entry(record.len()).or_default() += 1;
    }
    let (width, count) =
        widths.into_iter().filter(|(width, _)| *width > 1).max_by_key(|(width, count)| (*count, *width))?;
    let first = records.iter().position(|record| record.len() == width)?;
    let last = records.iter().rposition(|record| record.len() == width)?;
    let (span, all) = (last - first + 1, records.len());
    let fits = cells(text, &records, width, &dialect);
    #[expect(clippy::cast_precision_loss, reason = "shares")]
    let (regular, coverage, share, many) = (
        count as f64 / span as f64,
        span as f64 / all as f64,
        count as f64 / all as f64,
        1.0 - 1.0 / (width + 1) as f64,
    );
    let mut score = regular * regular * coverage.sqrt() * many * fits.mean * fits.worst.sqrt();
    // A space or colon stands in all kinds of text, also in that of one column.
    let weak = matches!(dialect.delimiter.as_bytes(), b" " | b":" | b"-" | b"&" | b"->" | b"  ");
    if weak && (!fits.typed || regular < 0.9 || coverage < 0.5) {
        score *= 0.25;
    } else if weak {
        score *= 0.6;
    }
    if let Some(comment) = dialect.comment
        && !are_comments(text, &dialect, comment, width)
    {
        return None;
    }
    Some(Judged { dialect, width, share, score })
}

/// Whether most lines that begin with a mark would not fit into the table.
fn are_comments(text: &[u8], dialect: &Dialect, comment: Mark, width: usize) -> bool {
    let plain = Dialect { comment: None, quote: None, escape: None, ..dialect.clone() };
    let mut fields = Vec::new();
    let (mut all, mut fitting) = (0, 0);
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| line.starts_with(comment.as_bytes())) {
        all += 1;
        fitting += usize::from(FieldReader::new(line, &plain).next_fields(width, &mut fields) == Some(true));
    }
    fitting * 2 < all
}

struct Cells {
    /// How well fields fit on average; those of columns that are always empty do not.
    mean: f64,
    /// The same of the column that fits worst and is not always empty: other delimiters in all of its fields say that these
    /// are the right ones.
    worst: f64,
    /// Whether a column holds numbers, dates or the like.
    typed: bool,
}

fn cells(text: &[u8], records: &[Vec<Field>], width: usize, dialect: &Dialect) -> Cells {
    let looked = width.min(FIELDS);
    let (mut sums, mut filled, mut typed) = (vec![0.0; looked], vec![0_usize; looked], vec![0_usize; looked]);
    let mut rows = 0_usize;
    for record in records.iter().filter(|record| record.len() == width) {
        rows += 1;
        for (column, field) in record.iter().take(looked).enumerate() {
            sums[column] += fit(text, *field, dialect.quote, dialect.escape, dialect.delimiter.as_bytes());
            let raw = &text[field.start as usize..field.end as usize];
            filled[column] += usize::from(!raw.is_empty() || field.kind != FieldKind::Plain);
            typed[column] += usize::from(field.kind != FieldKind::Escaped && is_typed(raw.trim_ascii()));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean = sums.iter().zip(&filled).map(|(sum, filled)| if *filled == 0 { 0.0 } else { *sum }).sum::<f64>()
        / (rows.max(1) * looked) as f64;
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let means = sums.iter().zip(&filled).filter(|(_, filled)| **filled > 0).map(|(sum, _)| sum / rows.max(1) as f64);
    let worst = means.fold(1.0, f64::min);
    let typed =
        typed.iter().zip(&filled).any(|(typed, filled)| *filled > 0 && (typed + 1) * 10 >= filled * 9 && *typed > 0);
    Cells { mean, worst, typed }
}

/// Whether a delimiter that may be part of a value only cuts the values of one column into pieces.
fn single_column(lines: &[&[u8]], delimiter: Mark, fixed: &Fixed) -> bool {
    let weak = matches!(delimiter.as_bytes(), b" " | b":" | b"-");
    let values = lines.get(1..).unwrap_or_default();
    let typed = values.iter().filter(|line| is_typed(line)).count();
    weak && fixed.delimiter.is_none() && !values.is_empty() && typed * 10 >= values.len() * 9
}

/// Runs of records whose number of fields is regular, but another than the table's: other tables in the same file. Each
/// with its number of fields, its first record among those given, and its length.
pub(super) fn other_tables(widths: &[usize], width: usize) -> Vec<(usize, usize, usize)> {
    let mut found: HashMap<usize, (usize, usize)> = HashMap::new();
    let mut start = 0;
    while start < widths.len() {
        let length = widths[start..].iter().take_while(|other| **other == widths[start]).count();
        if widths[start] != width && widths[start] > 1 && length > 1 {
            found.entry(widths[start]).or_insert((start, length));
        }
        start += length;
    }
    let mut tables: Vec<_> = found.into_iter().map(|(width, (start, length))| (width, start, length)).collect();
    tables.sort_by_key(|table| table.1);
    tables
}
