//! What a preview reads of an input: all of a small file; of a bigger one its beginning, middle and end, never more than
//! some megabytes, whatever its size.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::future::try_join_all;
use karyaksham_spec::{Compression, Encoding, Format};
use serde::Serialize;

use super::binary;
use crate::error::Result;
use crate::input::Input;
use crate::scan::{Block, BlockParser, Content, Dialect, Index, Parsed, Reject, TextFile, decode_start};

/// Files up to this size are read whole.
const WHOLE_BYTES: u64 = 8 << 20;
/// How much of the beginning of a bigger file is read.
const HEAD_BYTES: u64 = 2 << 20;
/// How much of its middle and of its end.
const PIECE_BYTES: u64 = 1 << 20;
/// How much of a compressed file's text is read.
const DECODED_BYTES: usize = 8 << 20;
/// How many line ends of a piece are tried as the start of its first whole record.
const TRIES: usize = 24;
/// How much is parsed to find out whether a record starts at one.
const PROBE_BYTES: usize = 16 << 10;

/// A part of a file that was read.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SampleRange {
    /// The input's name.
    pub(crate) input: String,
    /// Stored bytes: offset of the first one, and of the one behind the last.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Good rows in it.
    pub(crate) rows: u64,
}

/// Rows of an input.
#[derive(Debug)]
pub(crate) struct Sampled {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    /// Rows that cannot be read. In ranges that do not start at the beginning of the file lines are not known: 0.
    pub(crate) rejects: Vec<Reject>,
    pub(crate) ranges: Vec<SampleRange>,
    /// Whether these are all rows.
    pub(crate) whole: bool,
}

/// Reads the sample of an input.
pub(crate) async fn sample(input: &Input) -> Result<Sampled> {
    match input.format {
        Format::Parquet => binary::parquet(input).await,
        Format::Arrow => binary::arrow(input).await,
        _ => text(input).await,
    }
}

/// Bytes of a text file, decoded.
struct Piece {
    stored: Range<u64>,
    text: Bytes,
    /// Whether it starts at the beginning of the file, and whether it reaches its end.
    first: bool,
    last: bool,
}

async fn text(input: &Input) -> Result<Sampled> {
    let file = input.text_file(true);
    let parser = file.parser(None, None)?;
    let mut sampled =
        Sampled { schema: parser.schema(), batches: Vec::new(), rejects: Vec::new(), ranges: Vec::new(), whole: false };
    let pieces = pieces(input, file.dialect()).await?;
    sampled.whole = matches!(&pieces[..], [only] if only.first && only.last);
    for piece in pieces {
        let (stored, first) = (piece.stored.clone(), piece.first);
        let parsed = parse(&file, parser.as_ref(), piece)?;
        let rows = parsed.batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let range = SampleRange { input: input.name.clone(), start: stored.start, end: stored.end, rows };
        sampled.ranges.push(range);
        sampled.batches.extend(parsed.batches);
        sampled.rejects.extend(parsed.rejects.into_iter().map(|mut reject| {
            reject.line = if first { reject.line } else { 0 };
            reject
        }));
    }
    Ok(sampled)
}

/// Head, middle and end; of a compressed file the head only, as nothing else can be found in it.
async fn pieces(input: &Input, (compression, encoding): (Compression, Encoding)) -> Result<Vec<Piece>> {
    let size = input.size;
    if compression != Compression::None || size <= WHOLE_BYTES {
        let stored = 0..size.min(WHOLE_BYTES);
        let bytes = input.location.read(stored.clone()).await?;
        let (text, ended) = decode_start(&bytes, compression, encoding, stored.end == size, DECODED_BYTES)?;
        return Ok(vec![Piece { stored, text, first: true, last: ended }]);
    }
    // Two bytes a character in some encodings.
    let middle = (size / 2 - PIECE_BYTES / 2) & !1;
    let ranges = [0..HEAD_BYTES, middle..middle + PIECE_BYTES, (size - PIECE_BYTES) & !1..size];
    let bytes = try_join_all(ranges.iter().map(|range| input.location.read(range.clone()))).await?;
    ranges
        .into_iter()
        .zip(bytes)
        .map(|(stored, bytes)| {
            let last = stored.end == size;
            let (text, _) = decode_start(&bytes, compression, encoding, false, usize::MAX)?;
            Ok(Piece { first: stored.start == 0, last, stored, text })
        })
        .collect()
}

/// Parses the whole records of a piece.
fn parse(file: &TextFile, parser: &dyn BlockParser, piece: Piece) -> Result<Parsed> {
    let mut text = piece.text;
    // A cut at the end leaves part of a record behind the last line end.
    if !piece.last {
        text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1));
    }
    let (start, skipped) = match &file.content {
        Content::Csv(dialect, _) if piece.first => dialect.preamble(&text),
        _ if piece.first => (0, 0),
        _ => (first_record(file, parser, &text), 0),
    };
    let quote = file.quote();
    let text = text.slice(start..);
    let offset = piece.stored.start + start as u64;
    let block = Block { offset, first: piece.first, line: 1 + skipped, ..Block::whole(text.clone(), b'\n') };
    let mut parsed = parser.parse(&block, &mut Index::default())?;
    if !piece.last && ends_cut(&text, offset, quote, &parsed) {
        parsed.rejects.pop();
    }
    Ok(parsed)
}

/// Whether the last reject is no bad record, but one that was cut off at a line end inside quotes.
fn ends_cut(text: &[u8], offset: u64, quote: Option<u8>, parsed: &Parsed) -> bool {
    let (Some(quote), Some(reject)) = (quote, parsed.rejects.last()) else { return false };
    let Ok(at) = usize::try_from(reject.byte_offset - offset) else { return false };
    // Only a record that nothing follows can be cut off; a long one's text is not kept whole.
    let last = at + reject.raw.len() + b"\r\n".len() >= text.len() || reject.raw.ends_with('…');
    last && memchr::memchr_iter(quote, &text[at..]).count() % 2 == 1
}

/// Where the first whole record of a piece from the middle starts: behind the line end from which on fewest records are
/// bad. A line end inside quotes turns the records behind it inside out, which shows at once.
fn first_record(file: &TextFile, parser: &dyn BlockParser, text: &Bytes) -> usize {
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', text).map(|end| end + 1).take(TRIES).collect();
    let Some(first) = ends.first().copied() else { return text.len() };
    if file.quote().is_none() {
        return first;
    }
    let mut best = (usize::MAX, first);
    for start in ends {
        let probe = text.slice(start..(start + PROBE_BYTES).min(text.len()));
        let probe = probe.slice(..memchr::memrchr(b'\n', &probe).map_or(0, |end| end + 1));
        if probe.is_empty() {
            break;
        }
        let block = Block { first: false, ..Block::whole(probe.clone(), b'\n') };
        let Ok(parsed) = parser.parse(&block, &mut Index::default()) else { continue };
        let bad = parsed.rejects.len() - usize::from(ends_cut(&probe, 0, file.quote(), &parsed));
        let good: usize = parsed.batches.iter().map(RecordBatch::num_rows).sum();
        if good > 0 && bad < best.0 {
            best = (bad, start);
        }
        if bad == 0 && good > 0 {
            break;
        }
    }
    best.1
}

impl TextFile {
    fn dialect(&self) -> (Compression, Encoding) {
        match &self.content {
            Content::Csv(Dialect { compression, encoding, .. }, _)
            | Content::Ndjson(compression, encoding)
            | Content::Lines(compression, encoding) => (*compression, *encoding),
        }
    }

    /// The quote around fields, if line ends may stand inside of records.
    fn quote(&self) -> Option<u8> {
        match &self.content {
            Content::Csv(dialect, _) => dialect.quote,
            Content::Ndjson(..) | Content::Lines(..) => None,
        }
    }
}
