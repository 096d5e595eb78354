//! Arrow IPC files, read block by block. What a block claims is checked before memory is made for it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, MetadataVersion, root_as_footer};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use super::arrow_block::{check_block, plain_message, rows_of_message};
use crate::error::{EngineError, Result};
use crate::guard::{caught, damaged_input};
use crate::store::Location;

/// The magic bytes at both ends.
const MAGIC: &[u8] = b"ARROW1";
/// The length of the footer and the magic bytes.
const TRAILER_BYTES: u64 = 10;
/// A footer or block larger than this is taken for damage.
const MAX_PART_BYTES: u64 = 1 << 30;
/// Memory for one batch, if nothing else is said.
const MAX_BATCH_BYTES: u64 = 1 << 30;
/// Descriptions of batches that are read at one time.
const HEADS_AT_ONCE: usize = 16;

/// An opened Arrow IPC file.
#[derive(Debug)]
pub struct ArrowFile {
    location: Location,
    decoder: FileDecoder,
    schema: SchemaRef,
    blocks: Vec<Block>,
    most_bytes: u64,
}

impl ArrowFile {
    /// Reads the footer and the dictionaries.
    pub async fn open(location: &Location, size: Option<u64>) -> Result<Self> {
        let size = match size {
            Some(size) => size,
            None => location.head().await?.size,
        };
        let damaged = |what: &str| damaged_input(&location.file_name(), what);
        if size < 2 * TRAILER_BYTES {
            return Err(damaged("it is too short for an Arrow file"));
        }
        let trailer = location.read(size - TRAILER_BYTES..size).await?;
        if !trailer.ends_with(MAGIC) {
            return Err(damaged("it is cut off, or an Arrow stream rather than a file")
                .hint("write it as Arrow IPC *file* (Feather version 2)"));
        }
        let trailer: [u8; 10] = trailer[..].try_into().map_err(|_| damaged("its end is missing"))?;
        let length = read_footer_length(trailer).map_err(|error| damaged(&error.to_string()))? as u64;
        let end = size - TRAILER_BYTES;
        let start = end.checked_sub(length).ok_or_else(|| damaged("its footer is longer than itself"))?;
        if length > MAX_PART_BYTES {
            return Err(damaged("its footer has more than a gigabyte"));
        }
        let footer = location.read(start..end).await?;
        let Footer { schema, dictionaries, blocks } =
            caught(|| Footer::read(&footer)).unwrap_or_else(Err).map_err(|what| damaged(&what))?;
        for block in dictionaries.iter().chain(&blocks) {
            range(block, size).ok_or_else(|| damaged("a batch lies outside of the file"))?;
        }
        // Each message says its version, which is what counts: pyarrow writes another one into the footer of older files,
        // which the decoder would take for damage. This one stands for "not said".
        let decoder = FileDecoder::new(Arc::clone(&schema), MetadataVersion::V1);
        let mut file = Self { location: location.clone(), decoder, schema, blocks, most_bytes: MAX_BATCH_BYTES };
        let mut held: u64 = 0;
        for block in &dictionaries {
            let data = file.read_block(block).await?;
            held = held.saturating_add(file.check(block, &data)?);
            if held > file.most_bytes {
                return Err(file.damaged("its dictionaries take more than a gigabyte"));
            }
            let decoder = &mut file.decoder;
            let read = caught(|| decoder.read_dictionary(block, &Buffer::from(data)).map_err(|e| e.to_string()));
            read.unwrap_or_else(Err).map_err(|what| file.damaged(&what))?;
        }
        Ok(file)
    }

    /// The same with a bound for the bytes of memory that one batch takes.
    #[must_use]
    pub fn with_most_bytes(self, bytes: u64) -> Self {
        Self { most_bytes: bytes.min(MAX_BATCH_BYTES), ..self }
    }

    /// The same with these columns only.
    #[must_use]
    pub(super) fn project(self, columns: &[usize]) -> Self {
        Self { decoder: self.decoder.with_projection(columns.to_vec()), ..self }
    }

    /// The schema of the file.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The number of batches.
    pub fn batches(&self) -> usize {
        self.blocks.len()
    }

    /// Where a batch lies in the file.
    pub fn range(&self, number: usize) -> Result<Range<u64>> {
        range(self.block(number)?, u64::MAX).ok_or_else(|| self.damaged("a batch is missing"))
    }

    /// The number of rows, from the batches' descriptions.
    pub async fn rows(&self) -> Result<u64> {
        let heads = self.blocks.iter().map(|block| async {
            let whole = range(block, u64::MAX).ok_or_else(|| self.damaged("a batch is missing"))?;
            let head = u64::try_from(block.metaDataLength()).unwrap_or_default();
            let head = self.location.read(whole.start..whole.start + head).await?;
            rows_of_message(&head).map_err(|what| self.damaged(what))
        });
        let rows = futures::stream::iter(heads).buffered(HEADS_AT_ONCE);
        rows.try_fold(0_u64, |rows, more| async move { Ok(rows.saturating_add(more)) }).await
    }

    /// Reads one batch.
    pub async fn read(&self, number: usize) -> Result<RecordBatch> {
        let block = self.block(number)?;
        self.decode(block, self.read_block(block).await?)
    }

    /// Decodes one batch from the bytes at its `range`, without a copy of values that are not compressed.
    pub fn decode_at(&self, number: usize, data: Bytes) -> Result<RecordBatch> {
        self.decode(self.block(number)?, data)
    }

    /// The same bytes as an IPC message, and the body that belongs to it, for a batch that `decode_at` takes; none if
    /// it is compressed, or in an older version of the format.
    pub fn message_at(&self, number: usize, data: &Bytes) -> Result<Option<(Bytes, Bytes)>> {
        let head = usize::try_from(self.block(number)?.metaDataLength()).unwrap_or(usize::MAX);
        let message = data.get(..head).and_then(plain_message);
        Ok(message.map(|message| (data.slice(message), data.slice(head..))))
    }

    fn block(&self, number: usize) -> Result<&Block> {
        self.blocks.get(number).ok_or_else(|| self.damaged("a batch is missing"))
    }

    /// Reads all batches one by one.
    pub fn into_stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        let numbers = 0..self.batches();
        Arc::new(self).read_some(numbers)
    }

    /// Reads some batches one by one, the next while one is decoded.
    pub(super) fn read_some(self: Arc<Self>, numbers: Range<usize>) -> BoxStream<'static, Result<RecordBatch>> {
        let file = Arc::clone(&self);
        futures::stream::iter(numbers)
            .map(move |number| {
                let file = Arc::clone(&self);
                async move {
                    let block = *file.block(number)?;
                    Ok::<_, EngineError>((block, file.read_block(&block).await?))
                }
            })
            .buffered(2)
            .map(move |read| {
                let (block, data) = read?;
                file.decode(&block, data)
            })
            .boxed()
    }

    /// Decodes a batch. Arrow's decoder panics on some files that lie about lengths: that is damage too.
    fn decode(&self, block: &Block, data: Bytes) -> Result<RecordBatch> {
        self.check(block, &data)?;
        let data = Buffer::from(data);
        let made = caught(|| self.decoder.read_record_batch(block, &data).map_err(|error| error.to_string()));
        let made = made.unwrap_or_else(Err).map_err(|what| self.damaged(&what))?;
        made.ok_or_else(|| self.damaged("a batch is missing"))
    }

    /// Checks a block; returns the memory that it takes, about.
    fn check(&self, block: &Block, data: &[u8]) -> Result<u64> {
        let head = usize::try_from(block.metaDataLength()).unwrap_or(usize::MAX);
        let bytes = check_block(data, head).map_err(|what| self.damaged(what))?;
        if bytes > self.most_bytes {
            let (name, mib) = (self.location.file_name(), self.most_bytes >> 20);
            let message = format!("a batch of the Arrow file {name} takes more than {mib} MiB of memory");
            return Err(EngineError::new(crate::ErrorCode::ResourcesExhausted, message)
                .hint("raise the memory limit, or write the file with smaller batches"));
        }
        Ok(bytes)
    }

    async fn read_block(&self, block: &Block) -> Result<Bytes> {
        let range = range(block, u64::MAX).ok_or_else(|| self.damaged("a batch lies outside of the file"))?;
        self.location.read(range).await
    }

    fn damaged(&self, what: &str) -> EngineError {
        damaged_input(&self.location.file_name(), what)
    }
}

/// What a footer says.
struct Footer {
    schema: SchemaRef,
    dictionaries: Vec<Block>,
    blocks: Vec<Block>,
}

impl Footer {
    fn read(data: &[u8]) -> std::result::Result<Self, String> {
        let footer = root_as_footer(data).map_err(|error| error.to_string())?;
        let schema = footer.schema().ok_or("it has no schema")?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err("its numbers have the byte order of another kind of machine".into());
        }
        Ok(Self {
            schema: Arc::new(fb_to_schema(schema)),
            dictionaries: footer.dictionaries().iter().flatten().copied().collect(),
            blocks: footer.recordBatches().iter().flatten().copied().collect(),
        })
    }
}

fn range(block: &Block, size: u64) -> Option<Range<u64>> {
    let start = u64::try_from(block.offset()).ok()?;
    let length = u64::try_from(block.bodyLength()).ok()?.checked_add(u64::try_from(block.metaDataLength()).ok()?)?;
    let end = start.checked_add(length)?;
    (length <= MAX_PART_BYTES && end <= size).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer without batches, byte by byte, of a schema without columns and with this byte order (`FlatBuffers`:
    /// <https://flatbuffers.dev/internals/>).
    fn footer(byte_order: u8) -> Vec<u8> {
        #[rustfmt::skip]
        let bytes = [
            12, 0, 0, 0, // the root is at 12
            8, 0, 8, 0, 0, 0, 4, 0, // its fields: no version, the schema at 4
            8, 0, 0, 0, 12, 0, 0, 0, // the schema is 12 further
            8, 0, 12, 0, 8, 0, 4, 0, // its fields: the byte order at 8, the columns at 4
            8, 0, 0, 0, 8, 0, 0, 0, byte_order, 0, 0, 0, // the columns are 8 further
            0, 0, 0, 0, // and none
        ];
        bytes.to_vec()
    }

    #[test]
    fn a_file_of_the_other_byte_order_is_refused_not_misread() {
        assert!(Footer::read(&footer(0)).unwrap().schema.fields().is_empty());
        assert!(Footer::read(&footer(1)).err().unwrap().contains("byte order"));
    }
}
