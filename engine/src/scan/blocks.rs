//! Hands out a text file as blocks of whole records to any number of threads: in order, each once, exactly cut.
//!
//! A thread takes the next piece of the file and surveys it for both states that it may start in (see
//! [`Survey`]); that is the part that costs, and it runs in parallel. Then it waits for its turn in the chain,
//! which passes on what only the pieces before can tell: the exact state of quoting, the record that was cut off, offset
//! and line. So no piece is ever read by a guess, and no record is lost or read twice wherever the borders fall.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use karyaksham_spec::{Compression, Encoding};

use super::block::{Block, Pool, Room};
use super::decode::{Later, Pieces};
use super::dialect::{Dialect, LineSkipper};
use super::exact::State;
use super::fields::Outcome;
use super::index::{Index, Separators};
use super::odd;
use super::pieces::{LocalFile, Piece, Source};
use super::survey::Survey;
use super::{Chunks, TextFile};
use crate::error::{EngineError, ErrorCode, Result};
use crate::progress::Progress;

/// The longest record that is read; memory for one record is bounded by it.
pub const MAX_RECORD_BYTES: usize = 64 << 20;

/// The size of the pieces that a file is read in.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Room in front of a piece for the record that the piece before cut off.
pub(super) const FRONT_BYTES: usize = 64 << 10;

/// A text file as blocks of whole records. See the module's documentation.
#[derive(Debug)]
pub struct BlockReader {
    separators: Separators,
    source: Source,
    pool: Arc<Pool>,
    chain: Mutex<Chain>,
    moved: Condvar,
}

/// What each piece hands to the next.
#[derive(Debug)]
struct Chain {
    /// The piece whose turn it is.
    turn: u64,
    state: State,
    /// The beginning of a record whose end was not met yet.
    tail: Vec<u8>,
    /// Offset of the tail's first byte.
    offset: u64,
    /// Line of the tail's first byte.
    line: u64,
    /// Whether no block was handed out yet.
    first: bool,
    /// Lines in front that are skipped.
    skipper: LineSkipper,
    /// How many records the header has; the first block holds all of them.
    header: u32,
    /// Nothing more is handed out: the end was reached, an error occurred, or nobody listens any more.
    stopped: bool,
}

impl BlockReader {
    /// Opens a file. Must be called on a tokio runtime.
    pub fn open(file: &TextFile, progress: Arc<Progress>) -> Result<Self> {
        let (compression, encoding) = file.stored_as();
        let source = match &file.location.file {
            Some(path) if compression == Compression::None && encoding == Encoding::Utf8 => {
                Source::File(LocalFile::open(path, file.size, progress)?)
            }
            _ => {
                let chunks = Chunks::open(&file.location, file.size, progress)?;
                Source::stream(Box::new(Later::new(Box::new(chunks), compression, encoding)), PIECE_BYTES)
            }
        };
        Ok(Self::new(source, file.separators(), PIECE_BYTES).starting(file.csv_dialect()))
    }

    /// The same for a text of this dialect: without the lines in front that it skips.
    #[must_use]
    pub fn of_text_in(text: bytes::Bytes, dialect: &Dialect, piece_bytes: usize) -> Self {
        Self::of_text(text, Separators::of(dialect), piece_bytes).starting(Some(dialect))
    }

    fn starting(mut self, dialect: Option<&Dialect>) -> Self {
        if let Some(dialect) = dialect {
            let chain = self.chain.get_mut().unwrap_or_else(PoisonError::into_inner);
            (chain.skipper, chain.header) = (LineSkipper::new(dialect), dialect.header_records());
        }
        self
    }

    /// Reads a text in memory by pieces of any size (tests cut at every byte).
    pub fn of_text(text: bytes::Bytes, separators: Separators, piece_bytes: usize) -> Self {
        struct Once(Option<bytes::Bytes>);
        impl Pieces for Once {
            fn next(&mut self) -> Option<Result<bytes::Bytes>> {
                self.0.take().filter(|text| !text.is_empty()).map(Ok)
            }
        }
        let piece_bytes = piece_bytes.max(1);
        Self::new(Source::stream(Box::new(Once(Some(text))), piece_bytes), separators, piece_bytes)
    }

    fn new(source: Source, separators: Separators, piece_bytes: usize) -> Self {
        let chain = Chain {
            turn: 0,
            state: State::FieldStart,
            tail: Vec::new(),
            offset: 0,
            line: 1,
            first: true,
            skipper: LineSkipper::default(),
            header: 0,
            stopped: false,
        };
        Self {
            separators,
            source,
            pool: Pool::new(FRONT_BYTES + piece_bytes),
            chain: Mutex::new(chain),
            moved: Condvar::new(),
        }
    }

    /// The bytes that matter.
    pub fn separators(&self) -> Separators {
        self.separators
    }

    /// The next block; `None` at the end, and for all after an error was handed out or [`Self::stop`] was called.
    ///
    /// Waits for storage and for other threads in here, so it is for blocking threads. `announce` is called in the order
    /// of blocks, before any later block is handed out; an error of it stops the reader.
    ///
    /// `index` is memory that is used again and again; [`Index::of`] makes it the block's index, at little cost: most of the
    /// work was done here.
    pub fn next(&self, index: &mut Index, mut announce: impl FnMut() -> Result<()>) -> Result<Option<Block>> {
        loop {
            let piece = match self.source.read(&self.pool) {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(None),
                Err((number, error)) => {
                    // In its turn, so that whatever stands before in the file is reported first.
                    if self.wait(number).is_none() {
                        return Ok(None);
                    }
                    self.stop();
                    return Err(error);
                }
            };
            let survey = survey(piece.room.data(), self.separators, index);
            let Some(mut chain) = self.wait(piece.number) else { return Ok(None) };
            let taken = chain.take(piece, &survey, self.separators, index);
            let result = match taken {
                Ok(Some(_)) => announce().and(taken),
                other => other,
            };
            chain.stopped |= result.is_err();
            drop(chain);
            self.moved.notify_all();
            if let Some(Taken { room, front, block, indexed }) = result? {
                index.ready = (indexed && index.settle(&front, room.data(), self.separators)).then_some(block.offset);
                let data = room.prepend(&front).into_bytes();
                return Ok(Some(Block { data, ..block }));
            }
        }
    }

    /// Hands out nothing more.
    pub fn stop(&self) {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.moved.notify_all();
    }

    /// Waits for a piece's turn; `None` if the reader stops before.
    fn wait(&self, number: u64) -> Option<MutexGuard<'_, Chain>> {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        while chain.turn != number && !chain.stopped {
            chain = self.moved.wait(chain).unwrap_or_else(PoisonError::into_inner);
        }
        (!chain.stopped).then_some(chain)
    }
}

/// A piece cut to whole records.
struct Taken {
    room: Room,
    /// What goes in front of it.
    front: Vec<u8>,
    /// The block, without its bytes.
    block: Block,
    /// Whether the piece's index is right.
    indexed: bool,
}

/// Surveys a piece. Of delimited text, which is to be indexed, the index is made by the way.
fn survey(data: &[u8], separators: Separators, index: &mut Index) -> Survey {
    let Separators { delimiter, terminator, escape, odd, .. } = separators;
    if delimiter == terminator || escape.is_some() || odd.is_some() {
        return Survey::of(data, separators);
    }
    index.survey(data, separators)
}

impl Chain {
    /// Takes a piece in its turn. `None` if no record ends in it.
    fn take(
        &mut self,
        piece: Piece,
        surveyed: &Survey,
        separators: Separators,
        index: &mut Index,
    ) -> Result<Option<Taken>> {
        let Piece { mut room, last, .. } = piece;
        self.turn += 1;
        let mut surveyed = *surveyed;
        if !self.skipper.is_done() {
            let left = self.skipper.left;
            let skipped = self.skipper.skip(room.data());
            room.start += skipped;
            self.offset += skipped as u64;
            self.line += left - self.skipper.left;
            surveyed = survey(room.data(), separators, index);
        }
        if separators.odd.is_some() {
            return self.take_odd(room, last, separators);
        }
        let indexed = separators.delimiter != separators.terminator
            && surveyed.is_indexed(room.data(), separators, self.state, last);
        let (end, state) = surveyed.resolve(room.data(), separators, self.state);
        self.state = state;
        let end = if last { Some(room.data().len()) } else { end };
        let end = end.filter(|end| last || self.holds_header(&room.data()[..*end], separators));
        let Some(end) = end else {
            self.tail.extend_from_slice(room.data());
            if self.tail.len() > MAX_RECORD_BYTES {
                return Err(too_long(self.offset, self.line));
            }
            return Ok(None);
        };
        let rest = room.data()[end..].to_vec();
        room.end = room.start + end;
        let front = std::mem::replace(&mut self.tail, rest);
        let lines = |text: &[u8]| memchr::memchr_iter(separators.terminator, text).count() as u64;
        let bytes = (front.len() + end) as u64;
        if bytes == 0 {
            return Ok(None);
        }
        let block = Block {
            data: bytes::Bytes::new(),
            offset: self.offset,
            line: self.line,
            lines: lines(&front) + surveyed.lines - lines(&self.tail),
            first: self.first,
            ascii: surveyed.ascii && front.is_ascii(),
        };
        self.line += block.lines;
        self.offset += bytes;
        // The header may still be to come.
        self.first = self.first && only_empty_lines(&front, room.data(), separators.terminator);
        Ok(Some(Taken { room, front, block, indexed }))
    }

    /// Takes a piece of a dialect that is read record by record: always from the start of a record.
    fn take_odd(&mut self, mut room: Room, last: bool, separators: Separators) -> Result<Option<Taken>> {
        let Some(odd) = separators.odd else { return Ok(None) };
        if !self.tail.is_empty() {
            self.tail.extend_from_slice(room.data());
            room = Room::own(std::mem::take(&mut self.tail));
        }
        let data = room.data();
        let end = if last { Some(data.len()) } else { odd::whole(data, separators, odd) };
        let Some(end) = end.filter(|end| last || self.holds_header(&data[..*end], separators)) else {
            self.tail = data.to_vec();
            if self.tail.len() > MAX_RECORD_BYTES {
                return Err(too_long(self.offset, self.line));
            }
            return Ok(None);
        };
        if end == 0 {
            return Ok(None);
        }
        self.tail = data[end..].to_vec();
        room.end = room.start + end;
        let data = room.data();
        let block = Block {
            data: bytes::Bytes::new(),
            offset: self.offset,
            line: self.line,
            lines: separators.count_lines(data),
            first: self.first,
            ascii: data.is_ascii(),
        };
        self.line += block.lines;
        self.offset += end as u64;
        self.first = false;
        Ok(Some(Taken { room, front: Vec::new(), block, indexed: false }))
    }

    /// Whether the text up to the end of `data` may be the first block: it holds all records of the header. One of a
    /// single record is waited for by other means.
    fn holds_header(&self, data: &[u8], separators: Separators) -> bool {
        let odd = separators.odd.is_some();
        if !self.first || self.header == 0 || (self.header == 1 && !odd) {
            return true;
        }
        let text = if odd { data.to_vec() } else { [&self.tail[..], data].concat() };
        let mut index = Index::default();
        index.build(&text, separators);
        let records =
            (0..index.records()).filter(|record| index.outcome(&text, separators, *record, None) != Outcome::Empty);
        records.take(self.header as usize).count() == self.header as usize
    }
}

/// Whether the lines of two pieces of text, one after the other, are all empty.
fn only_empty_lines(front: &[u8], rest: &[u8], terminator: u8) -> bool {
    let mut empty = true;
    front.iter().chain(rest).all(|byte| {
        let fits = *byte == terminator || (empty && terminator == b'\n' && *byte == b'\r');
        empty = *byte == terminator;
        fits
    })
}

fn too_long(offset: u64, line: u64) -> EngineError {
    let mib = MAX_RECORD_BYTES >> 20;
    EngineError::new(
        ErrorCode::RecordTooLong,
        format!("the record that starts at byte {offset} (line {line}) is longer than {mib} MiB"),
    )
    .at(line, offset)
    .hint("most often a quote that is never closed; if the file does not quote fields, set `quote` to \"\"")
}
