//! One row group whose columns are encoded side by side.
//!
//! Each column is a task with a queue. The job's threads run whichever columns have work; a task that runs takes all that
//! waits for it, so that a column's dictionary stays in the processor's cache for many batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::writer::SerializedRowGroupWriter;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::error::{EngineError, Result};
use crate::task::Task;

use super::own::{EncodedColumn, OwnColumn};
use super::properties::RowGroupLayout;

/// Arrays that a column takes from its queue at one go.
const TAKEN_AT_ONCE: usize = 32;

/// A row group that is being filled, or whose columns come to their ends.
pub(super) struct Group {
    columns: Vec<Column>,
    pub(super) rows: usize,
}

struct Column {
    queue: Option<mpsc::UnboundedSender<Part>>,
    task: Task<Vec<Chunk>>,
    /// Bytes that the writer holds, about.
    bytes: Arc<AtomicUsize>,
}

/// A column's part of a batch, and its share of the memory that batches on their way may take.
struct Part {
    array: ArrayRef,
    _share: Arc<OwnedSemaphorePermit>,
}

/// An encoded column of the file.
pub(super) enum Chunk {
    /// By the `parquet` crate.
    Foreign(ArrowColumnChunk),
    Own(EncodedColumn),
}

impl Chunk {
    /// What is known of the column.
    pub(super) fn close(&self) -> &ColumnCloseResult {
        match self {
            Self::Foreign(chunk) => chunk.close(),
            Self::Own(column) => &column.close,
        }
    }

    /// Puts the column into the file.
    pub(super) fn append_to(self, group: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<()> {
        match self {
            Self::Foreign(chunk) => chunk.append_to_row_group(group)?,
            Self::Own(column) => group.append_column(&column.bytes, column.close)?,
        }
        Ok(())
    }
}

/// What encodes a column.
struct Encoder {
    field: FieldRef,
    /// If it is encoded by us; numbers are until their dictionary is too large.
    own: Option<OwnColumn>,
    /// One for each column of the file that the column becomes; without rows as long as it is encoded by us.
    writers: Vec<ArrowColumnWriter>,
}

impl Group {
    /// Begins a row group.
    pub(super) fn new(layout: &RowGroupLayout, schema: &SchemaRef, index: usize) -> Result<Self> {
        let mut writers = layout.factory(schema).create_column_writers(index)?.into_iter();
        let mut leaf = 0;
        let mut columns = Vec::new();
        for field in schema.fields() {
            let own = layout.own(field, leaf);
            let leaves = leaf_count(field);
            leaf += leaves;
            let writers = writers.by_ref().take(leaves).collect();
            columns.push(Column::start(Encoder { field: Arc::clone(field), own, writers }));
        }
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
    pub(super) async fn finish(mut self) -> Result<Vec<Chunk>> {
        self.close();
        let mut chunks = Vec::new();
        for column in &mut self.columns {
            chunks.append(&mut (&mut column.task).await?);
        }
        Ok(chunks)
    }
}

impl Column {
    fn start(mut encoder: Encoder) -> Self {
        let (queue, mut parts) = mpsc::unbounded_channel::<Part>();
        let bytes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&bytes);
        let task = Task::spawn(async move {
            let mut taken = Vec::new();
            while parts.recv_many(&mut taken, TAKEN_AT_ONCE).await > 0 {
                for part in taken.drain(..) {
                    encoder.push(&part.array)?;
                    drop(part);
                    counter.store(encoder.size(), Relaxed);
                    // Here the task can be cancelled, and here others get their turn.
                    tokio::task::coop::consume_budget().await;
                }
            }
            encoder.finish()
        });
        Self { queue: Some(queue), task, bytes }
    }
}

impl Encoder {
    fn push(&mut self, array: &ArrayRef) -> Result<()> {
        if let Some(OwnColumn::Dictionary(column)) = &mut self.own {
            if column.push(array)? {
                return Ok(());
            }
            let successor = column.successor();
            if let Some(OwnColumn::Dictionary(column)) = std::mem::replace(&mut self.own, successor) {
                column.give_back(|rows| self.push_plain(rows))?;
            }
        }
        self.push_plain(array)
    }

    /// Takes rows for a column without a dictionary.
    fn push_plain(&mut self, array: &ArrayRef) -> Result<()> {
        match &mut self.own {
            Some(OwnColumn::Texts(column)) => column.push(array),
            _ => self.write(array),
        }
    }

    fn write(&mut self, array: &ArrayRef) -> Result<()> {
        let leaves = compute_leaves(&self.field, array)?;
        if leaves.len() != self.writers.len() {
            let name = self.field.name();
            return Err(EngineError::internal(format!("the column `{name}` has other leaves than planned")));
        }
        for (leaf, writer) in leaves.iter().zip(&mut self.writers) {
            writer.write(leaf)?;
        }
        Ok(())
    }

    /// Bytes of memory, about.
    fn size(&self) -> usize {
        match &self.own {
            Some(own) => own.size(),
            None => self.writers.iter().map(ArrowColumnWriter::memory_size).sum(),
        }
    }

    fn finish(self) -> Result<Vec<Chunk>> {
        match self.own {
            Some(own) => Ok(vec![Chunk::Own(own.finish()?)]),
            None => self.writers.into_iter().map(|writer| Ok(Chunk::Foreign(writer.close()?))).collect(),
        }
    }
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
