//! Batches to bytes, several at one time, in order: for formats in which a batch's bytes depend on that batch only.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{Encoder, slice};
use crate::error::Result;
use crate::task::Task;

/// Batches that are encoded or wait for their turn at one time.
const BATCHES_AHEAD: usize = 4;
/// Rows that are encoded at one go; between them a job can be cancelled.
const SLICE_ROWS: usize = 32_768;

/// What a batch becomes.
pub(super) enum Encoded {
    /// The bytes of a text format.
    Text(Vec<u8>),
    /// Rows with plain types.
    Batch(RecordBatch),
}

/// The part of an encoder that knows one batch only, and runs for several at one time.
pub(super) trait Rows: Send + Sync {
    /// What the file begins with.
    fn head(&self) -> Vec<u8> {
        Vec::new()
    }

    /// A batch by itself.
    fn encode(&self, batch: &RecordBatch) -> Result<Encoded>;
}

/// The part of an encoder that sees all batches in order.
pub(super) trait Stream: Send {
    /// Appends what is next to `out`.
    fn append(&mut self, next: Encoded, out: &mut Vec<u8>) -> Result<()>;

    /// Appends what ends the file to `out`.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

pub(super) struct OrderedSink {
    rows: Arc<dyn Rows>,
    stream: Box<dyn Stream>,
    begun: bool,
    ahead: VecDeque<Task<Encoded>>,
}

impl OrderedSink {
    pub(super) fn new(rows: Box<dyn Rows>, stream: Box<dyn Stream>) -> Self {
        Self { rows: rows.into(), stream, begun: false, ahead: VecDeque::new() }
    }

    pub(super) async fn write(&mut self, batch: RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out)?;
        let mut start = 0;
        while start < batch.num_rows() {
            let (part, _) = slice(&batch, start, SLICE_ROWS);
            start += part.num_rows();
            self.collect(BATCHES_AHEAD - 1, out).await?;
            let rows = Arc::clone(&self.rows);
            self.ahead.push_back(Task::spawn(async move { rows.encode(&part) }));
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out)?;
        self.collect(0, out).await?;
        self.stream.finish(out)
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        match self.rows.head() {
            head if head.is_empty() => Ok(()),
            head => self.stream.append(Encoded::Text(head), out),
        }
    }

    /// Appends what is ready, and waits for what is older than the `open` last ones.
    async fn collect(&mut self, open: usize, out: &mut Vec<u8>) -> Result<()> {
        while self.ahead.len() > open || self.ahead.front().is_some_and(Task::is_finished) {
            let Some(task) = self.ahead.pop_front() else { return Ok(()) };
            self.stream.append(task.await?, out)?;
        }
        Ok(())
    }
}

/// Both halves in one thread.
pub(super) struct InTurn {
    rows: Box<dyn Rows>,
    stream: Box<dyn Stream>,
    begun: bool,
}

impl InTurn {
    pub(super) fn new(rows: Box<dyn Rows>, stream: Box<dyn Stream>) -> Self {
        Self { rows, stream, begun: false }
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        match self.rows.head() {
            head if head.is_empty() => Ok(()),
            head => self.stream.append(Encoded::Text(head), out),
        }
    }
}

impl Encoder for InTurn {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out)?;
        self.stream.append(self.rows.encode(batch)?, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.begin(out)?;
        self.stream.finish(out)
    }
}
