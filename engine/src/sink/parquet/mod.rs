//! Parquet, its columns encoded in parallel while the next batches are computed.
//!
//! Memory: batches on their way to the columns, the row group being filled, and one that comes to its end; each bounded.

mod group;
mod own;
mod properties;
mod single;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use karyaksham_spec::Output;
use parquet::file::writer::SerializedFileWriter;
use tokio::sync::Semaphore;

use super::{Resources, slice};
use crate::error::{EngineError, Result};
use group::{Chunk, Group};
use properties::{Known, Layout, RowGroupLayout, new_file, plain_columns};

pub(super) use single::ParquetEncoder;

/// Rows in a row group, at most: a size that lets readers work in parallel and skip, at no loss in size.
const ROW_GROUP_ROWS: usize = 1 << 18;
/// Bytes that a row group's writers hold, at most, if memory is not limited.
const ROW_GROUP_BYTES: usize = 64 << 20;
/// Bytes of batches on their way to the columns, at most, if memory is not limited.
const WINDOW_BYTES: usize = 32 << 20;
/// A column's dictionary is given up at this size.
const DICTIONARY_BYTES: usize = 1 << 20;
/// After so many row groups, statistics of all columns are written again: values may lie side by side by then.
const LEARN_AGAIN: usize = 16;
/// Rows that a column encodes at one go; between them a job can be cancelled.
const SLICE_ROWS: usize = 16_384;
/// What one permit of the window stands for.
const PERMIT_BYTES: usize = 1 << 10;

pub(super) struct ParquetSink {
    schema: SchemaRef,
    layout: Layout,
    file: Option<SerializedFileWriter<Vec<u8>>>,
    /// What the next row group is written by; unknown before the first batch.
    known: Option<Known>,
    filling: Option<Group>,
    closing: VecDeque<Group>,
    groups: usize,
    group_bytes: usize,
    window: Arc<Semaphore>,
    window_permits: usize,
}

impl ParquetSink {
    pub(super) fn new(output: &Output, schema: SchemaRef, resources: Resources) -> Result<Self> {
        let group_bytes = resources.share(8).map_or(ROW_GROUP_BYTES, |share| share.min(ROW_GROUP_BYTES));
        let window = resources.share(24).map_or(WINDOW_BYTES, |share| share.min(WINDOW_BYTES));
        let dictionary = (group_bytes / 64).clamp(64 << 10, DICTIONARY_BYTES);
        let layout = Layout::new(output, &schema, dictionary)?;
        let file = new_file(&schema, &layout, &Known::default())?;
        let window_permits = (window / PERMIT_BYTES).max(1);
        Ok(Self {
            schema,
            layout,
            file: Some(file),
            known: None,
            filling: None,
            closing: VecDeque::new(),
            groups: 0,
            group_bytes,
            window: Arc::new(Semaphore::new(window_permits)),
            window_permits,
        })
    }

    /// Takes a batch; appends row groups that are complete to `out`.
    pub(super) async fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let room = ROW_GROUP_ROWS - self.filling.as_ref().map_or(0, |group| group.rows);
            let (part, bytes) = slice(batch, start, SLICE_ROWS.min(room));
            start += part.num_rows();
            self.push(part, bytes, out).await?;
        }
        self.collect(1, out).await
    }

    async fn push(&mut self, part: RecordBatch, bytes: usize, out: &mut Vec<u8>) -> Result<()> {
        let permits = (bytes / PERMIT_BYTES).clamp(1, self.window_permits);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.window).acquire_many_owned(permits).await;
        let share = share.map_err(|_| EngineError::internal("the window was closed"))?;
        let group = match &mut self.filling {
            Some(group) => group,
            None => {
                let plain = || Known { plain: plain_columns(&part), ..Known::default() };
                let known = self.known.get_or_insert_with(plain);
                if self.groups.is_multiple_of(LEARN_AGAIN) {
                    known.scattered.clear();
                }
                let layout = RowGroupLayout::new(&self.schema, &self.layout, known)?;
                let group = Group::new(&layout, &self.schema, self.groups)?;
                self.groups += 1;
                self.filling.insert(group)
            }
        };
        if let Err(error) = group.push(&part, share) {
            // The column's own error says more.
            return Err(match self.filling.take() {
                Some(group) => group.finish().await.err().unwrap_or(error),
                None => error,
            });
        }
        if group.rows >= ROW_GROUP_ROWS || group.bytes() >= self.group_bytes {
            self.close_group();
            self.collect(1, out).await?;
        }
        Ok(())
    }

    fn close_group(&mut self) {
        if let Some(mut group) = self.filling.take() {
            group.close();
            self.closing.push_back(group);
        }
    }

    /// Appends the row groups that are complete, and waits for those beyond the `open` last ones.
    async fn collect(&mut self, open: usize, out: &mut Vec<u8>) -> Result<()> {
        while self.closing.len() > open || self.closing.front().is_some_and(Group::is_finished) {
            let Some(group) = self.closing.pop_front() else { return Ok(()) };
            let chunks = group.finish().await?;
            self.learn(&chunks);
            self.append(chunks, out)?;
        }
        Ok(())
    }

    /// Later row groups are written by what these columns tell.
    fn learn(&mut self, chunks: &[Chunk]) {
        let known = self.known.get_or_insert_default();
        for chunk in chunks {
            known.learn(chunk.close());
        }
    }

    fn append(&mut self, chunks: Vec<Chunk>, out: &mut Vec<u8>) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(finished)?;
        let mut group = file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to(&mut group)?;
        }
        group.close()?;
        if out.is_empty() {
            std::mem::swap(out, file.inner_mut());
        } else {
            out.append(file.inner_mut());
        }
        Ok(())
    }

    /// Appends all that is left.
    pub(super) async fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.close_group();
        self.collect(0, out).await?;
        let mut rest = self.file.take().ok_or_else(finished)?.into_inner()?;
        out.append(&mut rest);
        Ok(())
    }
}

fn finished() -> EngineError {
    EngineError::internal("the Parquet writer was finished twice")
}
