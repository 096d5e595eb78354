//! Sorts rows that are in memory: keys, then places in sorted order bucket by bucket, then the rows themselves.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::physical_expr::LexOrdering;

use super::gather::Gather;
use super::key_columns;
use super::keys::{Packer, Scanned, scan};
use crate::error::{EngineError, Result};
use crate::task::{Task, in_order};

/// Rows of a bucket, about: sorted by one task in some milliseconds.
const BUCKET_ROWS: usize = 1 << 16;
/// Rows whose keys one task makes, about.
const CHUNK_ROWS: usize = 1 << 17;
/// Keys that are looked at for each bucket, to find its bounds.
const SAMPLES: usize = 32;
/// Buckets that are sorted, and batches that are put together, ahead of whoever takes them.
const AHEAD: usize = 4;

/// A row's key, and where it is. Rows with equal keys are told apart by their places, which keeps their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    high: u64,
    low: u64,
    place: Place,
}

/// The place of a row: its batch and its number in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) batch: u32,
    pub(super) row: u32,
}

/// Rows whose packed keys are not all there is to compare.
type Wholes = Option<Arc<Vec<Rows>>>;

/// Rows of batches in sorted order.
pub(super) struct Sorted {
    gather: Arc<Gather>,
    wholes: Wholes,
    /// Buckets to be sorted, each in the parts that the chunks gave.
    buckets: VecDeque<Vec<Vec<Entry>>>,
    sorting: VecDeque<Task<Vec<Entry>>>,
    /// Sorted rows, from the first on.
    rows: VecDeque<Entry>,
    batches: VecDeque<Task<RecordBatch>>,
}

impl Sorted {
    /// Sorts the rows of `batches`; those of the first come first where keys are equal.
    pub(super) async fn new(schema: SchemaRef, order: &LexOrdering, batches: Vec<RecordBatch>) -> Result<Self> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let batches = Arc::new(batches);
        let (keys, wholes) = keys(order, &batches).await?;
        let entries = in_order(chunks(&batches).map(|(start, end)| {
            let keys = Arc::clone(&keys);
            move || Ok(entries(&keys, start, end))
        }))
        .await?;
        drop(keys);
        let bounds = Arc::new(bounds(&entries, rows, &wholes));
        let parts = in_order(entries.into_iter().map(|entries| {
            let (bounds, wholes) = (Arc::clone(&bounds), wholes.clone());
            move || Ok(scatter(&entries, &bounds, &wholes))
        }))
        .await?;
        let mut buckets: VecDeque<Vec<Vec<Entry>>> = (0..=bounds.len()).map(|_| Vec::new()).collect();
        for chunk in parts {
            for (bucket, part) in buckets.iter_mut().zip(chunk) {
                bucket.push(part);
            }
        }
        Ok(Self {
            gather: Arc::new(Gather::new(schema, &batches)),
            wholes,
            buckets,
            sorting: VecDeque::new(),
            rows: VecDeque::new(),
            batches: VecDeque::new(),
        })
    }

    /// The next rows, as many as asked for unless they are the last.
    pub(super) async fn next(&mut self, rows: usize) -> Result<Option<RecordBatch>> {
        while self.batches.len() < AHEAD {
            let Some(places) = self.places(rows).await? else { break };
            let gather = Arc::clone(&self.gather);
            self.batches.push_back(Task::spawn(async move { gather.rows(&places) }));
        }
        match self.batches.pop_front() {
            Some(batch) => Ok(Some(batch.await?)),
            None => Ok(None),
        }
    }

    async fn places(&mut self, rows: usize) -> Result<Option<Vec<Place>>> {
        while self.rows.len() < rows {
            while self.sorting.len() < AHEAD
                && let Some(parts) = self.buckets.pop_front()
            {
                let wholes = self.wholes.clone();
                self.sorting.push_back(Task::spawn(async move { Ok(sorted(parts, &wholes)) }));
            }
            let Some(bucket) = self.sorting.pop_front() else { break };
            self.rows.extend(bucket.await?);
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let taken = self.rows.drain(..rows.min(self.rows.len()));
        Ok(Some(taken.map(|entry| entry.place).collect()))
    }
}

/// The packed keys of each batch; if they are not all there is, the whole keys too.
async fn keys(order: &LexOrdering, batches: &Arc<Vec<RecordBatch>>) -> Result<(Arc<Vec<Vec<u128>>>, Wholes)> {
    let each = |index: usize| {
        let (order, batches) = (order.clone(), Arc::clone(batches));
        move || {
            let batch = batches.get(index).ok_or_else(|| EngineError::internal("a batch got lost"))?;
            Ok::<_, EngineError>((key_columns(&order, batch)?, batch.num_rows()))
        }
    };
    let scanned = in_order((0..batches.len()).map(|index| {
        let columns = each(index);
        move || {
            let (columns, rows) = columns()?;
            Ok(columns.iter().map(scan).collect::<Option<Vec<Scanned>>>().map(|columns| (columns, rows)))
        }
    }))
    .await?;
    if let Some(scanned) = scanned.into_iter().collect::<Option<Vec<_>>>() {
        let (columns, rows): (Vec<_>, Vec<_>) = scanned.into_iter().unzip();
        let options: Vec<SortOptions> = order.iter().map(|key| key.options).collect();
        if let Some(packer) = Packer::new(&columns, &options) {
            let packer = Arc::new(packer);
            let keys = in_order(columns.into_iter().zip(rows).map(|(columns, rows)| {
                let packer = Arc::clone(&packer);
                move || Ok(packer.pack(&columns, rows))
            }))
            .await?;
            return Ok((Arc::new(keys), None));
        }
    }
    let Some(first) = batches.first() else { return Ok((Arc::default(), None)) };
    let converter = Arc::new(converter(order, first)?);
    let both = in_order((0..batches.len()).map(|index| {
        let (columns, converter) = (each(index), Arc::clone(&converter));
        move || {
            let rows = converter.convert_columns(&columns()?.0)?;
            Ok((rows.iter().map(|row| prefix(row.as_ref())).collect::<Vec<_>>(), rows))
        }
    }))
    .await?;
    let (keys, wholes): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    Ok((Arc::new(keys), Some(Arc::new(wholes))))
}

/// Turns key columns to bytes whose order is that of the rows.
pub(super) fn converter(order: &LexOrdering, batch: &RecordBatch) -> Result<RowConverter> {
    let fields: Result<Vec<SortField>> = order
        .iter()
        .map(|key| Ok(SortField::new_with_options(key.expr.data_type(&batch.schema())?, key.options)))
        .collect();
    Ok(RowConverter::new(fields?)?)
}

fn prefix(row: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = row.len().min(16);
    bytes[..length].copy_from_slice(&row[..length]);
    u128::from_be_bytes(bytes)
}

/// Neighbouring batches of about as many rows as one task takes: from, and to.
fn chunks(batches: &[RecordBatch]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (mut chunks, mut start, mut rows) = (Vec::new(), 0, 0);
    for (index, batch) in batches.iter().enumerate() {
        rows += batch.num_rows();
        if rows >= CHUNK_ROWS {
            chunks.push((start, index + 1));
            (start, rows) = (index + 1, 0);
        }
    }
    if start < batches.len() {
        chunks.push((start, batches.len()));
    }
    chunks.into_iter()
}

#[expect(clippy::cast_possible_truncation, reason = "halves of the key; batches and their rows are counted in 32 bits")]
fn entries(keys: &[Vec<u128>], start: usize, end: usize) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(keys[start..end].iter().map(Vec::len).sum());
    for (batch, keys) in keys.iter().enumerate().take(end).skip(start) {
        entries.extend(keys.iter().enumerate().map(|(row, key)| Entry {
            high: (key >> 64) as u64,
            low: *key as u64,
            place: Place { batch: batch as u32, row: row as u32 },
        }));
    }
    entries
}

fn compare(a: &Entry, b: &Entry, wholes: &Wholes) -> std::cmp::Ordering {
    let Some(wholes) = wholes else { return a.cmp(b) };
    let row = |place: Place| wholes[place.batch as usize].row(place.row as usize);
    (a.high, a.low)
        .cmp(&(b.high, b.low))
        .then_with(|| row(a.place).cmp(&row(b.place)))
        .then_with(|| a.place.cmp(&b.place))
}

/// The first entries of all buckets but the first.
fn bounds(chunks: &[Vec<Entry>], rows: usize, wholes: &Wholes) -> Vec<Entry> {
    let buckets = rows / BUCKET_ROWS;
    if buckets < 2 {
        return Vec::new();
    }
    let step = (rows / (buckets * SAMPLES)).max(1);
    let mut sample: Vec<Entry> = chunks.iter().flat_map(|chunk| chunk.iter().step_by(step)).copied().collect();
    sample.sort_unstable_by(|a, b| compare(a, b, wholes));
    (1..buckets).filter_map(|bucket| sample.get(bucket * sample.len() / buckets).copied()).collect()
}

fn scatter(entries: &[Entry], bounds: &[Entry], wholes: &Wholes) -> Vec<Vec<Entry>> {
    let room = entries.len() / (bounds.len() + 1) * 5 / 4;
    let mut parts: Vec<Vec<Entry>> = (0..=bounds.len()).map(|_| Vec::with_capacity(room)).collect();
    for entry in entries {
        let bucket = bounds.partition_point(|bound| compare(bound, entry, wholes).is_le());
        parts[bucket].push(*entry);
    }
    parts
}

fn sorted(parts: Vec<Vec<Entry>>, wholes: &Wholes) -> Vec<Entry> {
    let mut bucket = parts.concat();
    drop(parts);
    bucket.sort_unstable_by(|a, b| compare(a, b, wholes));
    bucket
}
