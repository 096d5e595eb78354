//! The description in front of a batch in an Arrow IPC file, checked before the batch is decoded.

use std::io::Read;
use std::ops::Range;

use arrow::ipc::{CompressionType, MessageHeader, MetadataVersion, RecordBatch, root_as_message};
use lz4_flex::frame::FrameDecoder;

/// Buffers of fewer bytes unpack to a megabyte at most, whatever they claim.
const SMALL_BYTES: usize = 4 << 10;
/// In front of a message: a mark, and the length.
const MARK_BYTES: usize = 8;
/// Rows of a batch, at most: columns without values take no bytes, so nothing else bounds them.
const MAX_ROWS: i64 = 1 << 31;

/// The rows of a batch, by its description.
pub(super) fn rows_of_message(head: &[u8]) -> Result<u64, &'static str> {
    with_batch(head, |batch| Ok(batch.length()))
        .and_then(|rows| u64::try_from(rows).map_err(|_| "a batch has fewer rows than none"))
}

/// Checks a block whose description takes the first `head` bytes; returns how many bytes of memory it takes, about.
pub(super) fn check_block(data: &[u8], head: usize) -> Result<u64, &'static str> {
    let (head, body) = data.split_at_checked(head).ok_or("a batch's description is longer than it")?;
    with_batch(head, |batch| {
        if !(0..=MAX_ROWS).contains(&batch.length()) {
            return Err("a batch claims more than two milliards of rows, or fewer than none");
        }
        let mut bytes = data.len() as u64;
        let Some(compression) = batch.compression() else { return Ok(bytes) };
        for buffer in batch.buffers().iter().flatten() {
            let start = usize::try_from(buffer.offset()).map_err(|_| "a buffer has no place")?;
            let length = usize::try_from(buffer.length()).map_err(|_| "a buffer has no length")?;
            let end = start.checked_add(length).filter(|end| *end <= body.len());
            let packed = &body[start..end.ok_or("a buffer lies outside of its batch")?];
            let Some((claimed, packed)) = packed.split_first_chunk::<8>() else { continue };
            let Ok(claimed) = u64::try_from(i64::from_le_bytes(*claimed)) else { continue };
            bytes = bytes.saturating_add(claimed);
            // This format's decoder goes on to the end, whatever is claimed.
            if compression.codec() == CompressionType::LZ4_FRAME && packed.len() > SMALL_BYTES {
                let size = std::io::copy(&mut FrameDecoder::new(packed).take(claimed + 1), &mut std::io::sink());
                if size.is_ok_and(|size| size > claimed) {
                    return Err("a buffer unpacks to more than it claims");
                }
            }
        }
        Ok(bytes)
    })
}

/// Where in these first bytes of a block the message lies, if every reader of today takes it: it has version 5 of the
/// format and nothing in it is compressed.
pub(super) fn plain_message(head: &[u8]) -> Option<Range<usize>> {
    let [0xff, 0xff, 0xff, 0xff, length @ ..] = head else { return None };
    let (length, _) = length.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
    let range = MARK_BYTES..MARK_BYTES.checked_add(length)?;
    let message = root_as_message(head.get(range.clone())?).ok()?;
    let batch = message.header_as_record_batch()?;
    (message.version() == MetadataVersion::V5 && batch.compression().is_none()).then_some(range)
}

/// Looks at the batch that a message describes.
fn with_batch<T>(
    head: &[u8],
    look: impl FnOnce(RecordBatch<'_>) -> Result<T, &'static str>,
) -> Result<T, &'static str> {
    // Since version 0.15 of the format, a mark stands in front of the length.
    let ([0xff, 0xff, 0xff, 0xff, _, _, _, _, message @ ..] | [_, _, _, _, message @ ..]) = head else {
        return Err("a batch has no description");
    };
    let message = root_as_message(message).map_err(|_| "the description of a batch is damaged")?;
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => None,
    };
    look(batch.ok_or("a batch is missing")?)
}
