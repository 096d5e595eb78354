//! The message of a batch whose columns are written straight into it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::BooleanBuffer;
use arrow::ipc::{Buffer, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder};
use arrow_flight::FlightData;
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;

/// Buffers of a message begin at multiples of this, as arrow's own writer has them.
const ALIGNMENT: usize = 64;
/// Bodies that wait to be used again, at most, of all streams.
const KEPT: usize = 8;
/// Larger ones are not kept, in bytes.
const KEPT_BYTES: usize = 4 << 20;

/// The memory of bodies that were sent, to be used again: it is in the processor's cache still, and needs no new pages.
#[derive(Default)]
pub struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, memory: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && memory.len() <= KEPT_BYTES {
            kept.push(memory);
        }
    }

    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A body that goes back to the pool when nobody holds it any more.
struct Lent {
    memory: Vec<u8>,
    used: usize,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.used]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.memory));
    }
}

/// Where a column's levels will be written.
#[must_use]
pub struct Levels(Range<usize>);

/// The body of a message, written buffer by buffer.
///
/// Its memory held other messages before, maybe of another tenant: all of it up to `used` is written, padding too.
pub struct Body {
    lent: Lent,
    nodes: Vec<FieldNode>,
    buffers: Vec<Buffer>,
}

impl Body {
    /// An empty one.
    pub fn new(pool: &Arc<Pool>) -> Self {
        let lent = Lent { memory: pool.take(), used: 0, pool: Arc::clone(pool) };
        Self { lent, nodes: Vec::new(), buffers: Vec::new() }
    }

    /// Room for a buffer, with what others left in it; the caller writes it and says then how much of it is used.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        let Lent { memory, used, .. } = &mut self.lent;
        let end = *used + length;
        let least = end + ALIGNMENT;
        if memory.len() < least {
            // One long text takes what it needs; many short ones do not grow it once each.
            let grown = if least > KEPT_BYTES { memory.len() / 8 * 9 } else { least.next_power_of_two() };
            let length = least.max(grown);
            memory.reserve_exact(length - memory.len());
            memory.resize(length, 0);
        }
        &mut memory[*used..end]
    }

    /// The buffer that there was room made for has so many bytes.
    pub fn end(&mut self, length: usize) {
        self.room(length);
        let Lent { memory, used, .. } = &mut self.lent;
        self.buffers.push(Buffer::new(signed(*used), signed(length)));
        let end = (*used + length).next_multiple_of(ALIGNMENT);
        memory[*used + length..end].fill(0);
        *used = end;
    }

    /// A buffer of bits.
    pub fn bits(&mut self, bits: &BooleanBuffer) {
        let length = bits.len().div_ceil(8);
        write_bits(bits, self.room(length));
        self.end(length);
    }

    /// Begins a column with the buffer that tells values from nulls: empty, or written by `column`.
    pub fn levels(&mut self, any: bool, rows: usize) -> Levels {
        let length = if any { rows.div_ceil(8) } else { 0 };
        let start = self.lent.used;
        self.end(length);
        Levels(start..start + length)
    }

    /// Ends a column, of which these rows have values.
    pub fn column(&mut self, rows: usize, nulls: usize, levels: Levels, valid: &BooleanBuffer) {
        let place = &mut self.lent.memory[levels.0];
        if !place.is_empty() {
            write_bits(valid, place);
        }
        self.nodes.push(FieldNode::new(signed(rows), signed(nulls)));
    }

    /// The message, of so many rows.
    pub fn finish(self, rows: usize) -> FlightData {
        let mut builder = FlatBufferBuilder::new();
        let nodes = builder.create_vector(&self.nodes);
        let buffers = builder.create_vector(&self.buffers);
        let mut batch = RecordBatchBuilder::new(&mut builder);
        batch.add_length(signed(rows));
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        let batch = batch.finish().as_union_value();
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(signed(self.lent.used));
        message.add_header(batch);
        let message = message.finish();
        builder.finish(message, None);
        FlightData {
            data_header: Bytes::copy_from_slice(builder.finished_data()),
            data_body: Bytes::from_owner(self.lent),
            ..FlightData::default()
        }
    }
}

/// Writes bits, and zeros up to a whole byte.
fn write_bits(bits: &BooleanBuffer, out: &mut [u8]) {
    let whole = bits.sliced();
    out.copy_from_slice(&whole.as_slice()[..out.len()]);
    if let (Some(last), 1..) = (out.last_mut(), bits.len() % 8) {
        *last &= (1 << (bits.len() % 8)) - 1;
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_hardly_larger_than_what_is_in_it() {
        let pool = Arc::default();
        let mut long = Body::new(&pool);
        long.room(10 << 20);
        assert!(long.lent.memory.len() <= (10 << 20) + ALIGNMENT);
        let mut many = Body::new(&pool);
        let (mut grown, mut before) = (0, 0);
        for _ in 0..10_000 {
            many.end(1000);
            grown += usize::from(many.lent.memory.len() > before);
            before = many.lent.memory.len();
        }
        assert!(before < many.lent.used / 8 * 9 + ALIGNMENT, "{before} for {}", many.lent.used);
        assert!(grown < 40, "it was copied {grown} times");
    }
}
