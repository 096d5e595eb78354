//! Delimited text: header, names and types.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use karyaksham_spec::{Decimal, Format, InputOverride};

use super::columns::Records;
use super::dialect::{self, Fixed};
use super::infer::{Decision, Evidence, spelling_of};
use super::sample::Decoded;
use super::start::{self, Start};
use super::{Inspected, Known, sniff};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::{Dialect, Index, LineEnding, Outcome, Separators};
use crate::threads::on_all;

/// More columns than this are a mistaken delimiter or an attack.
const MAX_COLUMNS: usize = 20_000;

pub(super) fn look_csv(sample: &Decoded, base: &Dialect, format: Format, known: &Known) -> Result<Inspected> {
    let declared = &known.declared;
    let skipped = declared.skip_rows;
    let text = match skipped {
        Some(lines) => {
            let line_ending = dialect::find(&sample.head, base, &Fixed::default()).dialect.line_ending;
            let (start, _) = Dialect { skip_rows: lines, line_ending, ..base.clone() }.preamble(&sample.head);
            sample.head.slice(start..)
        }
        None => sample.head.clone(),
    };
    let found = sniff::dialect(&text, base, format, known)?;
    let (mut dialect, mut width) = (found.dialect, found.width);
    let header_rows = declared.header_rows.or(declared.header.map(u32::from));
    let start = start::find(&sample.head, &dialect, width, skipped, header_rows);
    let Some(first) = &start.first else {
        let error = EngineError::new(ErrorCode::InputEmpty, "the file holds no rows");
        return Err(match skipped {
            Some(lines) => error.hint(format!("`skipRows` is {lines}: the file has no more lines than that")),
            None => error,
        });
    };
    if width == 1 {
        width = first.len();
    }
    if width > MAX_COLUMNS {
        let message = format!("the first row has {width} fields; {MAX_COLUMNS} are allowed");
        return Err(EngineError::new(ErrorCode::InputFormat, message).hint("check the delimiter"));
    }
    if let Some(rows) = header_rows.filter(|rows| *rows as usize > start.header.len()) {
        let message = format!("the header should have {rows} rows, but the file holds {} records", start.header.len());
        return Err(EngineError::new(ErrorCode::InputFormat, message).hint("check `headerRows` and `skipRows`"));
    }
    let mut warnings = Vec::new();
    settle(&mut dialect, &start, &sample.head, known, &mut warnings);
    let body = sample.head.slice(start.offset..);
    let gathered = gather(&body, 1 + start.lines, &sample.pieces, &dialect, width, PART_BYTES);
    let names = names(&start::merged(&start.header, width), dialect.header, &mut warnings);
    tell_ragged(&gathered, width, &mut warnings);
    let decided = decide(&gathered.evidence, &mut dialect, declared);
    let fields: Vec<Field> =
        names.iter().zip(&decided).map(|(name, decision)| Field::new(name, decision.kind.clone(), true)).collect();
    Ok(Inspected {
        format: Format::Csv,
        schema: Arc::new(Schema::new(fields)),
        reasons: decided.iter().map(|decision| decision.reason.clone()).collect(),
        examples: decided.into_iter().map(|decision| decision.examples).collect(),
        declared: Vec::new(),
        size: sample.size,
        rows: sample.estimate(gathered.rows),
        warnings,
        head: sample.head.clone(),
        dialect,
    })
}

/// Decides the columns' types, and how the file spells dates and numbers.
pub(super) fn decide(evidence: &[Evidence], dialect: &mut Dialect, declared: &InputOverride) -> Vec<Decision> {
    let commas = !dialect.delimiter.as_bytes().contains(&b',');
    let spelling = spelling_of(evidence, declared.date_order, declared.decimal, commas);
    dialect.date_order = spelling.date_order;
    dialect.decimal = if spelling.comma { Some(Decimal::Comma) } else { declared.decimal };
    evidence.iter().map(|column| column.decide(spelling)).collect()
}

/// Completes a dialect by what was found out about the start of the table.
fn settle(dialect: &mut Dialect, start: &Start, head: &[u8], known: &Known, warnings: &mut Vec<String>) {
    let declared = &known.declared;
    dialect.skip_rows = declared.skip_rows.unwrap_or(start.lines);
    dialect.header = !start.header.is_empty();
    dialect.header_rows = u32::try_from(start.header.len()).unwrap_or(1).max(1);
    if let Some(mark) = dialect.comment.filter(|_| declared.comment.is_none()) {
        // Comments that all stand in front are lines to skip, which costs nothing.
        let begins = |at: usize| head[at + 1..].starts_with(mark.as_bytes());
        if memchr::memchr2_iter(b'\n', b'\r', head).any(|at| at >= start.offset && begins(at)) {
            warnings.push(format!("lines that begin with `{mark}` are comments, no rows"));
            let only_comments = head[..start.offset]
                .split(|byte| matches!(byte, b'\n' | b'\r'))
                .all(|line| line.trim_ascii().is_empty() || line.starts_with(mark.as_bytes()));
            if only_comments && declared.skip_rows.is_none() {
                dialect.skip_rows = 0;
            }
        } else {
            dialect.comment = None;
        }
    }
    if declared.skip_rows.is_none() && dialect.skip_rows > 0 {
        let shown: String = String::from_utf8_lossy(&head[..start.offset]).chars().take(60).collect();
        warnings.push(format!(
            "{} lines before the table are skipped (`skipRows`): `{}`…",
            dialect.skip_rows,
            shown.trim().escape_debug()
        ));
    }
    if dialect.header_rows > 1 && declared.header_rows.is_none() {
        warnings.push(format!("the header has {} rows; their texts are joined to names", dialect.header_rows));
    }
    if dialect.line_ending == LineEnding::Mixed {
        warnings.push("some records end with a line feed, others with a carriage return alone".to_owned());
    }
}

/// Tells of rows that have another number of fields.
fn tell_ragged(gathered: &Gathered, width: usize, warnings: &mut Vec<String>) {
    let ragged = gathered.ragged;
    if ragged > 0 {
        warnings
            .push(format!("{ragged} rows of the sample have another number of fields than {width}; they are rejected"));
    }
    for (other, record, length) in dialect::other_tables(&gathered.widths, width) {
        let line = gathered.lines.get(record).copied().unwrap_or_default();
        warnings.push(format!(
            "from line {line} on, {length} rows have {other} fields: they seem to be another table in the same file, and \
             are rejected"
        ));
    }
}

/// What the records of a sample say.
#[derive(Default)]
struct Gathered {
    evidence: Vec<Evidence>,
    /// The rows of the head, and how many of them are ragged.
    rows: u64,
    ragged: u64,
    /// The number of fields of the head's first records, and their lines.
    widths: Vec<usize>,
    lines: Vec<u64>,
}

/// How many records' numbers of fields are kept.
const WIDTHS_KEPT: usize = 100_000;
/// A sample's beginning is looked at in parts of this many bytes, by several threads.
const PART_BYTES: usize = 1 << 20;

/// Whole records of a sample, indexed.
struct Part<'a> {
    /// The records, perhaps with the beginning of another one.
    text: &'a [u8],
    index: Index,
    records: usize,
    /// The line that it starts on; 0 if it is not known.
    line: u64,
    /// Records of a header in front.
    header: u32,
}

/// Cuts a sample into parts.
struct Cutter<'a> {
    head: &'a [u8],
    line: u64,
    header: u32,
    pieces: std::slice::Iter<'a, Bytes>,
    separators: Separators,
    part_bytes: usize,
}

impl<'a> Cutter<'a> {
    /// The next part: of the beginning in order, then the pieces from further on.
    fn next(&mut self) -> Option<Part<'a>> {
        let mut index = Index::default();
        if self.head.is_empty() {
            let text = self.pieces.next()?;
            index.build(text, self.separators);
            let records = index.records();
            return Some(Part { text, index, records, line: 0, header: 0 });
        }
        let header = std::mem::take(&mut self.header);
        let mut length = self.part_bytes;
        loop {
            let mut text = &self.head[..length.min(self.head.len())];
            let whole = text.len() == self.head.len();
            if !whole && let Some(end) = memchr::memrchr(self.separators.terminator, text) {
                // Cut inside quotes, it would be read byte by byte.
                text = &text[..=end];
            }
            index.build(text, self.separators);
            // The last one is cut off. A header stays in one part.
            let records = if whole { index.records() } else { index.records().saturating_sub(1) };
            if !whole && records <= header as usize {
                length *= 2;
                continue;
            }
            let end = if whole { text.len() } else { index.start(records) };
            let line = self.line;
            self.line += self.separators.count_lines(&text[..end]);
            self.head = &self.head[end..];
            return Some(Part { text, index, records, line, header });
        }
    }
}

/// Reads the records of a sample, the header left out; `line` is the head's first one.
fn gather(head: &Bytes, line: u64, pieces: &[Bytes], dialect: &Dialect, width: usize, part_bytes: usize) -> Gathered {
    let (separators, header) = (Separators::of(dialect), dialect.header_records());
    let most = head.len().div_ceil(part_bytes) + pieces.len();
    let cutter = Mutex::new(Cutter { head, line, header, pieces: pieces.iter(), separators, part_bytes });
    let found = on_all(most, || {
        let take = || cutter.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::iter::from_fn(take).map(|part| (part.line, part.gather(dialect, width))).collect::<Vec<_>>()
    });
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    // The parts of the head in order, then the others.
    found.sort_by_key(|(line, _)| line.wrapping_sub(1));
    let mut whole = Gathered { evidence: vec![Evidence::default(); width], ..Gathered::default() };
    for (line, part) in found {
        for (column, more) in whole.evidence.iter_mut().zip(part.evidence) {
            column.merge(more);
        }
        if line > 0 {
            whole.rows += part.rows;
            whole.ragged += part.ragged;
            let room = WIDTHS_KEPT - whole.widths.len();
            whole.widths.extend(part.widths.into_iter().take(room));
            whole.lines.extend(part.lines.into_iter().take(room));
        }
    }
    whole
}

impl Part<'_> {
    fn gather(&self, dialect: &Dialect, width: usize) -> Gathered {
        let mut gathered = Gathered { evidence: vec![Evidence::default(); width], ..Gathered::default() };
        let (separators, index) = (Separators::of(dialect), &self.index);
        let mut records = Records::default();
        let (mut line, mut seen, mut header) = (self.line, 0, self.header);
        for record in 0..self.records {
            let outcome = index.outcome(self.text, separators, record, Some(width));
            if outcome == Outcome::Empty {
                continue;
            }
            if header > 0 {
                header -= 1;
                continue;
            }
            let (good, place) = (outcome == Outcome::Good, index.first(record));
            if line > 0 {
                let start = index.start(record);
                line += separators.count_lines(&self.text[seen..start]);
                seen = start;
                gathered.rows += 1;
                gathered.ragged += u64::from(!good);
                if gathered.widths.len() < WIDTHS_KEPT {
                    gathered.widths.push((index.ends[record] - place) as usize + 1);
                    gathered.lines.push(line);
                }
            }
            if good {
                records.places.push(place);
                records.lines.push(line);
            }
        }
        records.look(self.text, index, dialect, &mut gathered.evidence);
        gathered
    }
}

/// Names of the columns: none empty, none twice.
pub(super) fn names(first: &[Option<String>], header: bool, warnings: &mut Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(first.len());
    let mut seen = HashSet::new();
    for (number, text) in first.iter().enumerate() {
        let text = text.as_deref().map(str::trim).filter(|text| header && !text.is_empty());
        let plain = text.map_or_else(|| format!("column_{}", number + 1), str::to_owned);
        if header && text.is_none() {
            warnings.push(format!("column {} has no name in the header; it is called `{plain}`", number + 1));
        }
        let mut name = plain.clone();
        let mut count = 1;
        while !seen.insert(name.clone()) {
            count += 1;
            name = format!("{plain}_{count}");
        }
        if name != plain {
            warnings.push(format!(
                "the name `{plain}` stands twice in the header; column {} is called `{name}`",
                number + 1
            ));
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Mark;

    /// What a text says when it is looked at in parts of so many bytes.
    fn said(text: &str, dialect: &Dialect, part_bytes: usize) -> (String, u64, u64, Vec<usize>, Vec<u64>) {
        let pieces = [Bytes::from_static(b"7,x,2024-01-01\n8,\"y\",\n")];
        let head = Bytes::from(text.to_owned());
        let found = gather(&head, 3, &pieces, dialect, 3, part_bytes);
        let decided = decide(&found.evidence, &mut dialect.clone(), &InputOverride::default());
        let decided = decided.iter().map(|column| format!("{} {:?} {:?}", column.kind, column.reason, column.examples));
        (decided.collect::<Vec<_>>().join("; "), found.rows, found.ragged, found.widths, found.lines)
    }

    #[test]
    fn a_sample_says_the_same_however_it_is_cut() {
        let quoted =
            "id,\"na\nme\",day\r\n1,\"a, \"\"b\"\"\n\nc\",2024-02-29\r\n\r\n2,,\r\n3,x\r\nn/a,é,1999-01-01\r\n";
        let rows = (0..40).map(|row| format!("{row},\"{}\n\",2024-01-{:02}\r\n", "z".repeat(row), row % 28 + 1));
        let long = quoted.to_owned() + &rows.collect::<String>();
        let unclosed = format!("{long}5,\"never closed,2024-01-01\r\n6,y,2024-01-01\r\n");
        let stray = format!("{long}5,st\"ray,2024-01-01\n6,\"y\"z,2024-01-01\n");
        let csv = Dialect { header: true, header_rows: 1, ..Dialect::default() };
        let escaped = Dialect { escape: Some(b'\\'), ..csv.clone() };
        let commented = Dialect { comment: Mark::new(b"#"), ..csv.clone() };
        let comments = format!("{long}# a, b\n5,\"y\n# z\",2024-01-01\n#\n");
        let slashes = format!("{long}5,\"y\\\"\n\\\n,\",2024-01-01\n6,\\\n,\n");
        for (text, dialect) in [
            (&long, &csv),
            (&unclosed, &csv),
            (&stray, &csv),
            (&comments, &commented),
            (&slashes, &escaped),
            (&String::new(), &csv),
        ] {
            let whole = said(text, dialect, usize::MAX);
            for part_bytes in (1..60).chain([97, 255, 1000]) {
                assert_eq!(said(text, dialect, part_bytes), whole, "{part_bytes} bytes of {text:?}");
            }
        }
    }
}
