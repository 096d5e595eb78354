//! Where a table starts: behind lines that say something about it, with a header of one record, several or none.

use std::collections::HashSet;

use arrow::datatypes::DataType;

use super::infer::{Evidence, spelling_of};
use crate::scan::spelling::Spelling;
use crate::scan::{Dialect, FieldReader};

/// How many lines in front of a table are looked for.
const PREAMBLE_LINES: usize = 200;
/// How much of the text is looked at for that.
const LOOKED_BYTES: usize = 256 << 10;
/// How many records are looked at where a table may start; half of them must have its width.
const RECORDS: usize = 4;
/// The longest header that is found.
const HEADER_RECORDS: usize = 4;
/// How many records the columns' types are judged by, for the header.
const TYPED_RECORDS: usize = 200;

/// A record as texts; `None` for null.
pub(super) type Texts = Vec<Option<String>>;

/// Where a table starts.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// The offset of its first record, the header's if there is one.
    pub(super) offset: usize,
    /// The lines in front of it.
    pub(super) lines: u64,
    /// The records of the header.
    pub(super) header: Vec<Texts>,
    /// The first record.
    pub(super) first: Option<Texts>,
}

/// The first records from an offset on.
fn records(text: &[u8], offset: usize, dialect: &Dialect, count: usize) -> Vec<Texts> {
    let end = text.len().min(offset + LOOKED_BYTES);
    let mut reader = FieldReader::new(&text[offset..end], dialect);
    let mut records: Vec<Texts> = std::iter::from_fn(|| reader.texts(dialect)).take(count + 1).collect();
    // The last one may be cut off.
    if end < text.len() || records.len() > count {
        records.pop();
    }
    records
}

/// Finds the start of a table of `width` columns. `skipped` lines in front and the number of header records may be
/// declared.
pub(super) fn find(
    text: &[u8],
    dialect: &Dialect,
    width: usize,
    skipped: Option<u64>,
    header_records: Option<u32>,
) -> Start {
    let (offset, lines) = match skipped {
        Some(lines) => Dialect { skip_rows: lines, ..dialect.clone() }.preamble(text),
        None if width > 1 => first_line(text, dialect, width),
        None => (0, 0),
    };
    let records = records(text, offset, dialect, TYPED_RECORDS);
    let rows = match header_records {
        Some(rows) => rows as usize,
        None => header(&records, width),
    };
    let header = records.iter().take(rows).cloned().collect();
    Start { offset, lines, header, first: records.into_iter().next() }
}

/// The first line from which on records have the table's width.
fn first_line(text: &[u8], dialect: &Dialect, width: usize) -> (usize, u64) {
    let (mut offset, mut line) = (0, 0);
    let one = Dialect { skip_rows: 1, ..dialect.clone() };
    for _ in 0..PREAMBLE_LINES {
        let comment = dialect.comment.is_some_and(|mark| text[offset..].starts_with(mark.as_bytes()));
        let next = records(text, offset, dialect, RECORDS);
        if next.is_empty() {
            break;
        }
        let fitting = next.iter().filter(|record| record.len() == width).count();
        let fits = next[0].len() == width && fitting * 2 >= next.len() && !is_title(&next, width);
        if fits && !comment {
            // Lines that are no records anyway need not be skipped.
            let only_empty = text[..offset].iter().all(u8::is_ascii_whitespace);
            return if only_empty { (0, 0) } else { (offset, line) };
        }
        let (end, count) = one.preamble(&text[offset..]);
        if count == 0 {
            break;
        }
        (offset, line) = (offset + end, line + 1);
    }
    (0, 0)
}

/// Whether the first record is a title that a spreadsheet padded to the table's width.
fn is_title(records: &[Texts], width: usize) -> bool {
    let filled = |record: &Texts| record.iter().flatten().filter(|text| !text.trim().is_empty()).count();
    let untyped = |record: &Texts| record.iter().flatten().all(|text| kind(text) == DataType::Utf8);
    let Some((first, rest)) = records.split_first() else { return false };
    // What follows a title are names; what follows a name that stands alone are values.
    let next = rest.iter().find(|record| filled(record) > 1);
    width > 2 && filled(first) <= 1 && untyped(first) && next.is_some_and(untyped)
}

fn kind(text: &str) -> DataType {
    let mut evidence = Evidence::default();
    evidence.add(text.as_bytes(), 1);
    evidence.decide(Spelling::default()).kind
}

/// Words for a missing value, which say nothing about a header.
fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 10] = ["na", "n/a", "nan", "null", "none", "nil", "-", "?", "unknown", "missing"];
    WORDS.contains(&text.trim().to_lowercase().as_str())
}

/// How many records in front hold names: those that do not fit the types of the columns below.
fn header(records: &[Texts], width: usize) -> usize {
    let Some(first) = records.first() else { return 0 };
    // Records that may be of the header say nothing about types.
    let below =
        records.iter().filter(|record| record.len() == width).skip(HEADER_RECORDS.min(records.len() / 2).max(1));
    let mut evidence = vec![Evidence::default(); width];
    for record in below {
        for (column, text) in evidence.iter_mut().zip(record) {
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty() && !is_missing(text)) {
                column.add(text.as_bytes(), 1);
            }
        }
    }
    let spelling = spelling_of(&evidence, None, None, true);
    let kinds: Vec<DataType> = evidence.iter().map(|column| column.decide(spelling).kind).collect();
    // Fields that do not fit a column's type, and those that do.
    let clash = |record: &Texts| {
        let (mut against, mut fitting) = (0, 0);
        for (text, _) in record.iter().zip(&kinds).filter(|(_, kind)| **kind != DataType::Utf8) {
            let Some(text) = text.as_ref().filter(|text| !text.is_empty()) else { continue };
            if kind(text) == DataType::Utf8 && !is_missing(text) {
                against += 1;
            } else {
                fitting += 1;
            }
        }
        (against, fitting)
    };
    let rows = records.iter().take(HEADER_RECORDS.min(records.len().saturating_sub(2)));
    let mut last = rows.enumerate().skip(1).filter(|(_, record)| {
        let (against, fitting) = clash(record);
        record.len() == width && against > 1 && fitting == 0
    });
    if let Some((row, _)) = last.next_back() {
        return row + 1;
    }
    usize::from(is_header(first, &kinds, records.len() > 1))
}

/// Whether the first record names the columns: its texts are there, differ, and do not fit the columns' types.
fn is_header(first: &Texts, kinds: &[DataType], rows: bool) -> bool {
    let mut seen = HashSet::new();
    let texts_differ = first.iter().flatten().all(|text| seen.insert(text.to_lowercase()));
    if first.iter().flatten().any(|text| kind(text) != DataType::Utf8) {
        return false;
    }
    // A column of numbers or dates under a text: a header for sure. Only texts: headers are far more usual than none,
    // unless texts repeat or are missing.
    let clash = rows && kinds.iter().any(|kind| *kind != DataType::Utf8);
    clash || (texts_differ && first.iter().all(Option::is_some))
}

/// The columns' texts of a header, top to bottom: a text of an upper record stands for the fields to the right of it too,
/// as merged cells are written.
pub(super) fn merged(header: &[Texts], width: usize) -> Texts {
    let mut names: Vec<Vec<String>> = vec![Vec::new(); width];
    for (row, record) in header.iter().enumerate() {
        let last = row + 1 == header.len();
        let mut before: Option<&str> = None;
        for (column, name) in names.iter_mut().enumerate() {
            let text = record.get(column).and_then(Option::as_deref).map(str::trim).filter(|text| !text.is_empty());
            let below = header[row + 1..].iter().any(|record| record.get(column).is_some_and(Option::is_some));
            let text = text.or(before.filter(|_| !last && below));
            before = text;
            if let Some(text) = text {
                name.push(text.to_owned());
            }
        }
    }
    names.into_iter().map(|parts| (!parts.is_empty()).then(|| parts.join(" "))).collect()
}
