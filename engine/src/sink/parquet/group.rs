//! One row group whose columns are encoded side by side.
//!
//! Each column is a task with a queue. The job's threads run whichever columns have work; a task that runs takes all that
//! waits for it, so that a column's dictionary stays in the processor's cache for many batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::error::{EngineError, Result};
use crate::task::Task;

/// Arrays that a column takes from its queue at one go.
const TAKEN_AT_ONCE: usize = 32;

/// A row group that is being filled, or whose columns come to their ends.
pub(super) struct Group {
    columns: Vec<Column>,
    pub(super) rows: usize,
}

struct Column {
    queue: Option<mpsc::UnboundedSender<Part>>,
    task: Task<Vec<ArrowColumnChunk>>,
    /// Bytes that the writer holds, about.
    bytes: Arc<AtomicUsize>,
}

/// A column's part of a batch, and its share of the memory that batches on their way may take.
struct Part {
    array: ArrayRef,
    _share: Arc<OwnedSemaphorePermit>,
}

impl Group {
    /// Begins a row group.
    pub(super) fn new(factory: &ArrowRowGroupWriterFactory, schema: &SchemaRef, index: usize) -> Result<Self> {
        let mut writers = factory.create_column_writers(index)?.into_iter();
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let leaves = leaf_count(field);
                Column::start(Arc::clone(field), writers.by_ref().take(leaves).collect())
            })
            .collect();
        Ok(Self { columns, rows: 0 })
    }

    /// Hands a batch to the columns' tasks. Their errors show in [`Group::finish`].
    pub(super) fn push(&mut self, batch: &RecordBatch, share: OwnedSemaphorePermit) -> Result<()> {
        let share = Arc::new(share);
        for (column, array) in self.columns.iter().zip(batch.columns()) {
            let part = Part { array: Arc::clone(array), _share: Arc::clone(&share) };
            let sent = column.queue.as_ref().map(|queue| queue.send(part));
            if !matches!(sent, Some(Ok(()))) {
                return Err(EngineError::internal("a column's encoder ended early"));
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Bytes that the columns' writers hold, about.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes.load(Relaxed)).sum()
    }

    /// No more batches come.
    pub(super) fn close(&mut self) {
        for column in &mut self.columns {
            column.queue = None;
        }
    }

    /// Whether all columns came to their ends, well or not.
    pub(super) fn is_finished(&self) -> bool {
        self.columns.iter().all(|column| column.task.is_finished())
    }

    /// The encoded columns in order, or the first error.
    pub(super) async fn finish(mut self) -> Result<Vec<ArrowColumnChunk>> {
        self.close();
        let mut chunks = Vec::new();
        for column in &mut self.columns {
            chunks.append(&mut (&mut column.task).await?);
        }
        Ok(chunks)
    }
}

impl Column {
    fn start(field: FieldRef, mut writers: Vec<ArrowColumnWriter>) -> Self {
        let (queue, mut parts) = mpsc::unbounded_channel::<Part>();
        let bytes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&bytes);
        let task = Task::spawn(async move {
            let mut taken = Vec::new();
            while parts.recv_many(&mut taken, TAKEN_AT_ONCE).await > 0 {
                for part in taken.drain(..) {
                    write(&field, &part.array, &mut writers)?;
                    drop(part);
                    counter.store(writers.iter().map(ArrowColumnWriter::memory_size).sum(), Relaxed);
                    // Here the task can be cancelled, and here others get their turn.
                    tokio::task::coop::consume_budget().await;
                }
            }
            writers.into_iter().map(|writer| Ok(writer.close()?)).collect()
        });
        Self { queue: Some(queue), task, bytes }
    }
}

fn write(field: &FieldRef, array: &ArrayRef, writers: &mut [ArrowColumnWriter]) -> Result<()> {
    let leaves = compute_leaves(field, array)?;
    if leaves.len() != writers.len() {
        return Err(EngineError::internal(format!("the column `{}` has other leaves than planned", field.name())));
    }
    for (leaf, writer) in leaves.iter().zip(writers) {
        writer.write(leaf)?;
    }
    Ok(())
}

/// Columns in the file that a column of ours becomes.
fn leaf_count(field: &FieldRef) -> usize {
    use arrow::datatypes::DataType;
    match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => leaf_count(item),
        DataType::Struct(fields) => fields.iter().map(leaf_count).sum(),
        _ => 1,
    }
}
