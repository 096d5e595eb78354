//! Sorted runs on disk, and the merge of many runs to one sequence.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::row::{RowConverter, Rows};
use datafusion::execution::{SpillFile, SpillWriter, TaskContext};
use datafusion::physical_expr::LexOrdering;

use super::gather::Gather;
use super::order::{Place, converter};
use super::{Out, key_columns};
use crate::error::{EngineError, Result};
use crate::task::Task;

/// Runs that are merged at one time. More are merged in several rounds, which bounds memory.
pub(super) const FAN_IN: usize = 64;
/// Batches that are put together ahead of whoever takes them.
const AHEAD: usize = 3;
/// Bytes read from or written to a file at one go.
const IO_BYTES: usize = 256 << 10;

/// Rows on disk, sorted. The file goes with it.
pub(super) struct Run {
    file: Arc<dyn SpillFile>,
    writer: Option<StreamWriter<BufWriter<Box<dyn SpillWriter>>>>,
}

impl Run {
    pub(super) fn create(schema: &SchemaRef, context: &TaskContext) -> Result<Self> {
        let file = context.runtime_env().disk_manager.create_tmp_file("sorting")?;
        let writer = BufWriter::with_capacity(IO_BYTES, file.open_writer()?);
        let writer = Some(StreamWriter::try_new(writer, schema)?);
        Ok(Self { file, writer })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.writer {
            Some(writer) => Ok(writer.write(batch)?),
            None => Err(EngineError::internal("a run was ended twice")),
        }
    }

    pub(super) fn finish(mut self) -> Result<Self> {
        if let Some(mut writer) = self.writer.take() {
            writer.finish()?;
            let inner = writer.into_inner()?;
            inner.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
        }
        Ok(self)
    }

    fn open(&self) -> Result<StreamReader<BufReader<File>>> {
        let path = self.file.path().ok_or_else(|| EngineError::internal("a run is not on this machine"))?;
        Ok(StreamReader::try_new(BufReader::with_capacity(IO_BYTES, File::open(path)?), None)?)
    }
}

/// Merges runs; of rows with equal keys those of the first run come first.
pub(super) struct Merge<'a> {
    schema: SchemaRef,
    order: LexOrdering,
    batch_rows: usize,
    context: &'a TaskContext,
}

impl<'a> Merge<'a> {
    pub(super) fn new(schema: SchemaRef, order: LexOrdering, batch_rows: usize, context: &'a TaskContext) -> Self {
        Self { schema, order, batch_rows, context }
    }

    /// All rows of the runs to `out`.
    pub(super) async fn all(&self, mut runs: Vec<Run>, out: &Out) -> Result<()> {
        while runs.len() > FAN_IN {
            let mut longer = Vec::new();
            let mut rest = runs.into_iter().peekable();
            while rest.peek().is_some() {
                // Neighbours only: so equal keys keep their order.
                let some: Vec<Run> = rest.by_ref().take(FAN_IN).collect();
                let mut merged = Merged::new(self, some).await?;
                let mut run = Run::create(&self.schema, self.context)?;
                while let Some(batch) = merged.next().await? {
                    run.write(&batch)?;
                }
                longer.push(run.finish()?);
            }
            runs = longer;
        }
        let mut merged = Merged::new(self, runs).await?;
        while let Some(batch) = merged.next().await? {
            out.send(batch).await?;
        }
        Ok(())
    }
}

/// A batch of a run with the keys of its rows.
struct Loaded {
    batch: RecordBatch,
    keys: Rows,
}

/// One of the merged runs: its batch, its row in it, and its next batch on the way.
struct Cursor {
    loaded: Option<Loaded>,
    row: usize,
    next: Option<Task<(Source, Option<Loaded>)>>,
    /// The batch's number among those that the rows being gathered come from.
    held: Option<u32>,
    _run: Run,
}

/// Reads a run.
struct Source {
    reader: StreamReader<BufReader<File>>,
    converter: Arc<RowConverter>,
    order: LexOrdering,
}

impl Source {
    fn load(mut self) -> Task<(Self, Option<Loaded>)> {
        Task::spawn(async move {
            let loaded = match self.reader.next().transpose()? {
                Some(batch) => {
                    let keys = self.converter.convert_columns(&key_columns(&self.order, &batch)?)?;
                    Some(Loaded { batch, keys })
                }
                None => None,
            };
            Ok((self, loaded))
        })
    }
}

impl Cursor {
    /// Takes the batch that is on the way, and sends for the one after it.
    async fn load(&mut self) -> Result<()> {
        (self.loaded, self.row, self.held) = (None, 0, None);
        if let Some(next) = self.next.take() {
            let (source, loaded) = next.await?;
            self.next = loaded.is_some().then(|| source.load());
            self.loaded = loaded;
        }
        Ok(())
    }
}

/// The merged rows of some runs.
struct Merged {
    schema: SchemaRef,
    batch_rows: usize,
    cursors: Vec<Cursor>,
    /// Numbers of the cursors that have rows, as a heap whose first has the least row.
    heap: Vec<usize>,
    batches: VecDeque<Task<RecordBatch>>,
}

impl Merged {
    async fn new(merge: &Merge<'_>, runs: Vec<Run>) -> Result<Self> {
        let converter = Arc::new(converter(&merge.order, &RecordBatch::new_empty(Arc::clone(&merge.schema)))?);
        let mut cursors = Vec::new();
        for run in runs {
            let (reader, order) = (run.open()?, merge.order.clone());
            let source = Source { reader, converter: Arc::clone(&converter), order };
            cursors.push(Cursor { loaded: None, row: 0, next: Some(source.load()), held: None, _run: run });
        }
        for cursor in &mut cursors {
            cursor.load().await?;
        }
        let heap = (0..cursors.len()).filter(|index| cursors[*index].loaded.is_some()).collect();
        let (schema, batch_rows) = (Arc::clone(&merge.schema), merge.batch_rows);
        let mut merged = Self { schema, batch_rows, cursors, heap, batches: VecDeque::new() };
        for at in (0..merged.heap.len() / 2).rev() {
            merged.sink(at);
        }
        Ok(merged)
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.batches.len() < AHEAD {
            let Some((batches, places)) = self.places().await? else { break };
            let schema = Arc::clone(&self.schema);
            self.batches.push_back(Task::spawn(async move { Gather::new(schema, &batches).rows(&places) }));
        }
        match self.batches.pop_front() {
            Some(batch) => Ok(Some(batch.await?)),
            None => Ok(None),
        }
    }

    /// Where the next rows are, and the batches that they are in.
    async fn places(&mut self) -> Result<Option<(Vec<RecordBatch>, Vec<Place>)>> {
        let (mut batches, mut places) = (Vec::new(), Vec::with_capacity(self.batch_rows));
        for cursor in &mut self.cursors {
            cursor.held = None;
        }
        while places.len() < self.batch_rows {
            let Some(first) = self.heap.first() else { break };
            let cursor = &mut self.cursors[*first];
            let Some(loaded) = &cursor.loaded else { break };
            let count = |number: usize| u32::try_from(number).map_err(|_| EngineError::internal("too many rows"));
            let batch = match cursor.held {
                Some(batch) => batch,
                None => {
                    batches.push(loaded.batch.clone());
                    *cursor.held.insert(count(batches.len() - 1)?)
                }
            };
            places.push(Place { batch, row: count(cursor.row)? });
            cursor.row += 1;
            if cursor.row == loaded.batch.num_rows() {
                cursor.load().await?;
                if cursor.loaded.is_none() {
                    self.heap.swap_remove(0);
                }
            }
            self.sink(0);
        }
        Ok((!places.is_empty()).then_some((batches, places)))
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let key = |index: usize| {
            let cursor = &self.cursors[index];
            cursor.loaded.as_ref().map(|loaded| loaded.keys.row(cursor.row))
        };
        key(a).cmp(&key(b)).then(a.cmp(&b))
    }

    /// Moves the heap's entry at a place down to where it belongs.
    fn sink(&mut self, mut at: usize) {
        loop {
            let least = [2 * at + 1, 2 * at + 2]
                .into_iter()
                .filter(|child| *child < self.heap.len())
                .min_by(|a, b| self.compare(self.heap[*a], self.heap[*b]));
            match least {
                Some(child) if self.compare(self.heap[child], self.heap[at]).is_lt() => self.heap.swap(child, at),
                _ => return,
            }
            at = least.unwrap_or(at);
        }
    }
}
