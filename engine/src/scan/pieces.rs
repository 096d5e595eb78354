//! Where the pieces of a text come from: a file of this machine, read in parallel, or a stream of decoded bytes.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::block::{Pool, Room};
use super::blocks::{FRONT_BYTES, PIECE_BYTES};
use super::decode::{BOM, Pieces};
use crate::error::{EngineError, ErrorCode, Result};
use crate::local::read_at;
use crate::progress::Progress;

/// A part of the text, cut anywhere.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its place in the order, from 0.
    pub(super) number: u64,
    /// Its bytes, with room in front.
    pub(super) room: Room,
    /// Whether the text ends with it.
    pub(super) last: bool,
}

/// A source of pieces.
pub(super) enum Source {
    File(LocalFile),
    Stream(Mutex<Stream>),
}

/// Pieces that come one after the other.
pub(super) struct Stream {
    pieces: Box<dyn Pieces>,
    rest: Bytes,
    number: u64,
    ended: bool,
    piece_bytes: usize,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

impl Source {
    pub(super) fn stream(pieces: Box<dyn Pieces>, piece_bytes: usize) -> Self {
        Self::Stream(Mutex::new(Stream { pieces, rest: Bytes::new(), number: 0, ended: false, piece_bytes }))
    }

    /// Reads the next piece; `None` after the last one. An error comes with the number of the piece in whose place it is.
    pub(super) fn read(&self, pool: &Arc<Pool>) -> Result<Option<Piece>, (u64, EngineError)> {
        match self {
            Self::File(file) => file.read(pool),
            Self::Stream(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).read(pool),
        }
    }
}

impl Stream {
    fn read(&mut self, pool: &Arc<Pool>) -> Result<Option<Piece>, (u64, EngineError)> {
        if self.ended {
            return Ok(None);
        }
        let number = self.number;
        self.number += 1;
        let mut room = pool.take();
        room.start = FRONT_BYTES;
        room.end = FRONT_BYTES;
        let full = FRONT_BYTES + self.piece_bytes;
        while room.end < full {
            if self.rest.is_empty() {
                match self.pieces.next() {
                    Some(Ok(piece)) => self.rest = piece,
                    Some(Err(error)) => {
                        self.ended = true;
                        return Err((number, error));
                    }
                    None => {
                        self.ended = true;
                        break;
                    }
                }
            }
            let count = self.rest.len().min(full - room.end);
            room.bytes[room.end..room.end + count].copy_from_slice(&self.rest.split_to(count));
            room.end += count;
        }
        Ok(Some(Piece { number, room, last: self.ended }))
    }
}

/// A file of this machine, plain UTF-8: every thread reads its own pieces.
pub(super) struct LocalFile {
    file: File,
    path: std::path::PathBuf,
    /// Where the text starts: after a byte order mark.
    start: u64,
    size: u64,
    modified: Option<SystemTime>,
    next: AtomicU64,
    progress: Arc<Progress>,
}

impl LocalFile {
    pub(super) fn open(path: &Path, size: u64, progress: Arc<Progress>) -> Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() != size {
            return Err(changed(path));
        }
        let mut head = [0; BOM.len()];
        let start = match read_at(&file, &mut head, 0) {
            Ok(count) if head[..count] == *BOM => {
                progress.add_read(BOM.len() as u64);
                BOM.len() as u64
            }
            Ok(_) => 0,
            Err(error) => return Err(error.into()),
        };
        let modified = metadata.modified().ok();
        Ok(Self { file, path: path.to_owned(), start, size, modified, next: AtomicU64::new(0), progress })
    }

    fn read(&self, pool: &Arc<Pool>) -> Result<Option<Piece>, (u64, EngineError)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let length = self.size - self.start;
        let from = number.saturating_mul(PIECE_BYTES as u64);
        if from >= length {
            return Ok(None);
        }
        let count = usize::try_from(length - from).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let last = from + count as u64 == length;
        let mut room = pool.take();
        room.start = FRONT_BYTES;
        room.end = FRONT_BYTES + count;
        let read = read_at(&self.file, &mut room.bytes[FRONT_BYTES..FRONT_BYTES + count], self.start + from);
        let whole = read.map_err(|error| (number, error.into()))? == count;
        if !whole || (last && !self.same()) {
            return Err((number, changed(&self.path)));
        }
        self.progress.add_read(count as u64);
        Ok(Some(Piece { number, room, last }))
    }

    /// Whether the file is as it was when it was opened.
    fn same(&self) -> bool {
        self.file.metadata().is_ok_and(|now| now.len() == self.size && now.modified().ok() == self.modified)
    }
}

fn changed(path: &Path) -> EngineError {
    EngineError::new(ErrorCode::InputChanged, format!("{} changed while it was read", path.display()))
        .hint("run the job again when nothing writes to the file")
}
