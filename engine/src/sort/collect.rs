//! Takes all rows in; what does not fit into memory becomes sorted runs on disk.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::order::Sorted;
use super::runs::{FAN_IN, Merge, Run};
use super::{Out, texts};
use crate::error::Result;
use crate::task::Task;

/// What sorting takes for each row beside the row itself: its key and place, twice for a moment.
const KEY_BYTES: usize = 56;
/// A batch whose texts hold on to more than this many times their own bytes gets copies of them.
const SPARSE: (usize, usize) = (3, 2);
/// Rows of one batch, at most: places count them in 32 bits, and tasks stay short.
const BATCH_ROWS: usize = 1 << 16;
/// A run on disk has at least this many bytes, if memory runs out early: tiny ones could not be merged.
const RUN_BYTES: usize = 4 << 20;

/// Sorts all rows of the inputs, the first input's before the second's where keys are equal.
pub(super) async fn sort(
    inputs: Vec<SendableRecordBatchStream>,
    schema: SchemaRef,
    order: LexOrdering,
    context: &TaskContext,
    out: &Out,
) -> Result<()> {
    let pool = context.memory_pool();
    let reservation = MemoryConsumer::new("SortRows").with_can_spill(true).register(pool);
    let batch_rows = context.session_config().batch_size();
    let count = inputs.len();
    let mut held = Held::new(count, reservation);
    // Of each input by itself: rows of the first come first in all of them, whenever they were written.
    let mut runs: Vec<Vec<Run>> = (0..count).map(|_| Vec::new()).collect();
    let mut batches = start(inputs);
    while let Some(next) = batches.recv().await {
        let (partition, batch) = next?;
        for batch in pieces(&batch) {
            let batch = held.compact(batch)?;
            if !held.fits(&batch) {
                spill(held.take(), &mut runs, &schema, &order, batch_rows, context).await?;
                held.reserve(&batch);
            }
            held.push(partition, batch);
        }
    }
    if runs.iter().all(Vec::is_empty) {
        let mut sorted = Sorted::new(schema, &order, held.batches()).await?;
        while let Some(batch) = sorted.next(batch_rows).await? {
            out.send(batch).await?;
        }
        return Ok(());
    }
    if held.rows > 0 {
        spill(held.take(), &mut runs, &schema, &order, batch_rows, context).await?;
    }
    drop(held);
    Merge::new(schema, order, batch_rows, context).all(runs.into_iter().flatten().collect(), out).await
}

/// Writes what is held to runs, one for each input.
async fn spill(
    held: Held,
    runs: &mut [Vec<Run>],
    schema: &SchemaRef,
    order: &LexOrdering,
    batch_rows: usize,
    context: &TaskContext,
) -> Result<()> {
    let rows = held.spill_rows(batch_rows);
    for (batches, runs) in held.partitions.into_iter().zip(runs) {
        if batches.is_empty() {
            continue;
        }
        let mut sorted = Sorted::new(Arc::clone(schema), order, batches).await?;
        let mut run = Run::create(schema, context)?;
        while let Some(batch) = sorted.next(rows).await? {
            run.write(&batch)?;
        }
        runs.push(run.finish()?);
    }
    Ok(())
}

/// Reads all inputs at once; their batches come with the input's number.
fn start(inputs: Vec<SendableRecordBatchStream>) -> Batches {
    let (sender, receiver) = mpsc::channel(1);
    let tasks = inputs
        .into_iter()
        .enumerate()
        .map(|(partition, mut input)| {
            let sender = sender.clone();
            Task::spawn(async move {
                while let Some(batch) = input.next().await {
                    let batch = batch.map(|batch| (partition, batch)).map_err(Into::into);
                    let failed = batch.is_err();
                    if sender.send(batch).await.is_err() || failed {
                        break;
                    }
                }
                Ok(())
            })
        })
        .collect();
    Batches { receiver, _tasks: tasks }
}

struct Batches {
    receiver: mpsc::Receiver<Result<(usize, RecordBatch)>>,
    _tasks: Vec<Task<()>>,
}

impl Batches {
    async fn recv(&mut self) -> Option<Result<(usize, RecordBatch)>> {
        self.receiver.recv().await
    }
}

fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    (0..batch.num_rows()).step_by(BATCH_ROWS).map(|start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))
}

/// Rows in memory.
struct Held {
    /// The batches of each input, in their order.
    partitions: Vec<Vec<RecordBatch>>,
    reservation: MemoryReservation,
    /// Addresses of buffers that are counted already: view arrays share them.
    counted: HashSet<usize>,
    bytes: usize,
    rows: usize,
}

impl Held {
    fn new(partitions: usize, reservation: MemoryReservation) -> Self {
        Self { partitions: vec![Vec::new(); partitions], reservation, counted: HashSet::new(), bytes: 0, rows: 0 }
    }

    fn push(&mut self, partition: usize, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.partitions[partition].push(batch);
    }

    /// All rows so far, to be sorted; an empty one goes on with the same memory.
    fn take(&mut self) -> Self {
        let next = Self::new(self.partitions.len(), self.reservation.new_empty());
        std::mem::replace(self, next)
    }

    fn batches(&self) -> Vec<RecordBatch> {
        self.partitions.iter().flatten().cloned().collect()
    }

    /// The batch without what its rows do not use of the texts behind it: a file's numbers, say, which were read.
    fn compact(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let held: usize = self.new_buffers(&batch).map(Buffer::capacity).sum();
        if held == 0 {
            return Ok(batch);
        }
        let used = texts::outside(&batch);
        if held * SPARSE.1 <= used * SPARSE.0 || used > texts::MAX_BUFFER_BYTES {
            return Ok(batch);
        }
        texts::together(&batch, used)
    }

    /// Buffers behind views that are not held yet, each once.
    fn new_buffers<'a>(&'a self, batch: &'a RecordBatch) -> impl Iterator<Item = &'a Buffer> {
        texts::buffers(batch).filter(|buffer| !self.counted.contains(&address(buffer)))
    }

    /// What a batch adds to the memory that is held.
    fn new_bytes(&self, batch: &RecordBatch) -> usize {
        let own = |array: &ArrayRef| match texts::views(array.as_ref()) {
            Some((views, _)) => size_of_val(&views[..]),
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
        };
        batch.columns().iter().map(own).sum::<usize>() + self.new_buffers(batch).map(Buffer::capacity).sum::<usize>()
    }

    /// Whether there is memory for the batch; then it is taken.
    fn fits(&mut self, batch: &RecordBatch) -> bool {
        let bytes = self.needed(batch);
        if self.reservation.try_grow(bytes).is_err() {
            if self.bytes >= RUN_BYTES {
                return false;
            }
            // Too little for a run that is worth it: what others hold goes sooner or later.
            self.reservation.grow(bytes);
        }
        self.count(batch, bytes);
        true
    }

    /// Takes memory for a batch, which there must be.
    fn reserve(&mut self, batch: &RecordBatch) {
        let bytes = self.needed(batch);
        self.reservation.grow(bytes);
        self.count(batch, bytes);
    }

    fn needed(&self, batch: &RecordBatch) -> usize {
        self.new_bytes(batch) + KEY_BYTES * batch.num_rows()
    }

    fn count(&mut self, batch: &RecordBatch, bytes: usize) {
        self.bytes += bytes;
        self.counted.extend(texts::buffers(batch).map(address));
    }

    /// Rows of a batch on disk: so few that a batch of each of many runs fits into the memory that there was for these.
    fn spill_rows(&self, most: usize) -> usize {
        let row_bytes = (self.bytes / self.rows.max(1)).max(1);
        (self.bytes / (4 * FAN_IN) / row_bytes).clamp(64, most.max(64))
    }
}

fn address(buffer: &Buffer) -> usize {
    buffer.as_ptr() as usize
}
