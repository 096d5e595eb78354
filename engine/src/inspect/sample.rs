//! The parts of a file that types are decided on.

use std::ops::Range;

use bytes::Bytes;
use karyaksham_spec::{Compression, Encoding, Format, InputOverride};

use crate::error::Result;
use crate::scan::decode_shared;
use crate::store::Location;

/// The first bytes that are read; a file up to this size is read whole.
const HEAD_BYTES: u64 = 8 << 20;
/// The size of the pieces from further on.
const PIECE_BYTES: u64 = 1 << 20;
/// Where the pieces lie, in quarters of the file; the last one is its end.
const QUARTERS: [u64; 4] = [1, 2, 3, 4];
/// What tells a binary file from text.
const MAGIC_BYTES: u64 = 4096;

/// Stored bytes.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The file's size.
    pub size: u64,
    /// Its beginning.
    pub head: Bytes,
    /// Pieces from further on, of files that are not compressed; each begins and ends anywhere.
    pub pieces: Vec<Bytes>,
    /// How the file is compressed.
    pub compression: Compression,
}

/// Decoded bytes.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    /// The file's beginning, ending with a whole line unless there is only one.
    pub(super) head: Bytes,
    /// Whole lines from further on.
    pub(super) pieces: Vec<Bytes>,
    /// Whether `head` is all there is.
    pub(super) whole: bool,
    /// The file's size.
    pub(super) size: u64,
    /// Stored bytes behind one decoded byte, if known.
    compressed: bool,
    bytes_per_stored: f64,
}

impl Sample {
    /// Reads the sample.
    pub(super) async fn read(location: &Location, size: u64, declared: &InputOverride) -> Result<Self> {
        let mut head_bytes = size.min(HEAD_BYTES);
        let mut ahead = Vec::new();
        // A first look, that nothing is read in vain; then all of the sample at once.
        if size > HEAD_BYTES {
            let magic = location.read(0..MAGIC_BYTES).await?;
            let binary = declared.format.is_none_or(|format| matches!(format, Format::Parquet | Format::Arrow));
            if binary && is_binary(&magic) {
                head_bytes = MAGIC_BYTES;
            } else if compression_of(&magic) == Compression::None {
                ahead = pieces_of(size);
            }
        }
        let mut read = location.read_at_once(std::iter::once(0..head_bytes).chain(ahead).collect()).await?;
        let mut pieces = read.split_off(1);
        let head = read.swap_remove(0);
        let compression = declared.compression.unwrap_or_else(|| compression_of(&head));
        if compression != Compression::None {
            pieces.clear();
        } else if size > HEAD_BYTES && pieces.is_empty() && !is_binary(&head) {
            pieces = location.read_at_once(pieces_of(size)).await?;
        }
        Ok(Self { size, head, pieces, compression })
    }

    /// The head without compression, whatever its encoding.
    pub(super) fn uncompressed_head(&self) -> Result<Bytes> {
        // Any single-byte view of the bytes will do: decoding as UTF-8 leaves them as they are.
        match self.compression {
            Compression::None => Ok(self.head.clone()),
            other => decode_shared(&self.head, other, Encoding::Utf8),
        }
    }

    /// The sample as UTF-8.
    pub(super) fn decode(&self, encoding: Encoding) -> Result<Decoded> {
        let head = decode_shared(&self.head, self.compression, encoding)?;
        let whole =
            self.head.len() as u64 == self.size && (self.compression == Compression::None || head.len() < 16 << 20);
        let head = if whole { head } else { until_line_end(head) };
        let mut pieces = Vec::new();
        if encoding != Encoding::Utf16Le && encoding != Encoding::Utf16Be {
            for piece in &self.pieces {
                let text = decode_shared(piece, Compression::None, encoding)?;
                // The first line is cut, and so is the last.
                let start = memchr::memchr(b'\n', &text).map_or(text.len(), |found| found + 1);
                pieces.push(until_line_end(text.slice(start..)));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let bytes_per_stored =
            if encoding == Encoding::Utf8 { 1.0 } else { head.len() as f64 / self.head.len().max(1) as f64 };
        let compressed = self.compression != Compression::None;
        Ok(Decoded { head, pieces, whole, size: self.size, compressed, bytes_per_stored })
    }
}

impl Decoded {
    /// The number of rows of the file when its head holds `rows`, and whether it is exact.
    pub(super) fn estimate(&self, rows: u64) -> Option<(u64, bool)> {
        if self.whole {
            return Some((rows, true));
        }
        if self.compressed || self.head.is_empty() {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let estimate = (rows as f64 * self.size as f64 * self.bytes_per_stored / self.head.len() as f64) as u64;
        Some((estimate, false))
    }
}

/// The places of the pieces of a file that is longer than the head.
fn pieces_of(size: u64) -> Vec<Range<u64>> {
    let piece = |quarter: u64| {
        let end = (size / 4 * quarter).max(HEAD_BYTES).min(size);
        end.saturating_sub(PIECE_BYTES).max(HEAD_BYTES)..end
    };
    QUARTERS.map(piece).into()
}

/// How a file that begins like this is compressed.
fn compression_of(head: &[u8]) -> Compression {
    match head {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Compression::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Compression::Bzip2,
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        _ => Compression::None,
    }
}

fn until_line_end(text: Bytes) -> Bytes {
    match memchr::memrchr(b'\n', &text) {
        Some(end) => text.slice(..=end),
        None => text,
    }
}

/// Whether the file begins like a Parquet or Arrow file.
fn is_binary(head: &[u8]) -> bool {
    head.starts_with(b"PAR1") || head.starts_with(b"ARROW1")
}
