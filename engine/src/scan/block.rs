//! Blocks of whole records, and the memory that they are read into.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use super::dialect::Dialect;

/// Whole records, and where they stand.
#[derive(Debug, Clone)]
pub struct Block {
    /// The bytes.
    pub data: Bytes,
    /// Offset of the first byte in the decoded text.
    pub offset: u64,
    /// The first line's number, from 1.
    pub line: u64,
    /// How many lines end in it.
    pub lines: u64,
    /// Whether it is the file's first block.
    pub first: bool,
    /// Whether all bytes are known to be ASCII.
    pub ascii: bool,
}

impl Block {
    /// A block that is all there is of a text whose lines end with `terminator`.
    pub fn whole(data: Bytes, terminator: u8) -> Self {
        let lines = memchr::memchr_iter(terminator, &data).count() as u64;
        Self { ascii: data.is_ascii(), data, offset: 0, line: 1, lines, first: true }
    }

    /// A block that is the beginning of a text, without the lines in front that are skipped.
    pub fn beginning(text: &Bytes, dialect: &Dialect) -> Self {
        let (start, skipped) = dialect.preamble(text);
        let block = Self::whole(text.slice(start..), dialect.terminator());
        Self { offset: start as u64, line: 1 + skipped, ..block }
    }
}

/// Memory of blocks that are done with, kept for the next ones: fresh pages cost more than reading into them.
#[derive(Debug)]
pub(super) struct Pool {
    /// Room for one block and what it may get in front.
    bytes: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

/// How many pieces of memory are kept at most.
const KEPT: usize = 16;

impl Pool {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes, free: Mutex::default() })
    }

    /// Memory of the pool's size, with anything in it.
    pub(super) fn take(self: &Arc<Self>) -> Room {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = free.unwrap_or_else(|| vec![0; self.bytes]);
        Room { bytes, start: 0, end: 0, pool: Arc::downgrade(self) }
    }
}

/// Memory for one block, of which a part is in use; goes back to its pool when the last one who looks at it is done.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bytes: Vec<u8>,
    pub(super) start: usize,
    pub(super) end: usize,
    pool: Weak<Pool>,
}

impl Room {
    /// Memory that belongs to no pool.
    pub(super) fn own(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self { bytes, start: 0, end, pool: Weak::new() }
    }

    /// The part in use.
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Puts bytes in front of the part in use.
    pub(super) fn prepend(self, front: &[u8]) -> Self {
        if front.is_empty() {
            return self;
        }
        if front.len() <= self.start {
            let mut room = self;
            let start = room.start - front.len();
            room.bytes[start..room.start].copy_from_slice(front);
            room.start = start;
            return room;
        }
        let mut bytes = Vec::with_capacity(front.len() + self.data().len());
        bytes.extend_from_slice(front);
        bytes.extend_from_slice(self.data());
        Self::own(bytes)
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        self.data()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
