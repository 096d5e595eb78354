//! The other side of a join, when it is small: rows that are looked up by their keys.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::compute::{concat, concat_batches, max, min, take};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result as DfResult;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::ExecutionPlanProperties;
use futures::StreamExt;

use super::keys::{Key, Table};
use super::plan::Join;
use crate::error::Result;
use crate::scan::to_u32;

/// Bytes of rows that are held, at most, whatever the limit; tests have smaller files.
const MAX_BYTES: usize = if cfg!(test) { 1 << 20 } else { 128 << 20 };

/// Rows whose keys are whole numbers: the row of each number from the first on, or [`NO_ROW`].
#[derive(Debug)]
struct Dense {
    first: i64,
    rows: Vec<u32>,
}

/// What stands for no row.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Rows by their keys.
#[derive(Debug)]
pub(super) struct Dimension {
    keys: Table,
    /// Where each key's rows start in `rows`, and at last where they end.
    starts: Vec<u32>,
    rows: Vec<u32>,
    /// The rows of whole numbers that lie close together.
    dense: Option<Dense>,
    /// For each row, the number of its values in `groups`, as bytes; at last that of no row, whose values are null.
    numbers: Vec<[u8; 4]>,
    /// The different values of the columns that rows are grouped by.
    groups: Vec<ArrayRef>,
    /// The columns that aggregates need; the last row has nulls.
    values: Vec<ArrayRef>,
    /// Held until nobody looks up any more.
    memory: MemoryReservation,
}

impl Dimension {
    /// Reads the rows; `None` if there are too many of them to be held.
    pub(super) async fn read(join: &Join, context: &Arc<TaskContext>) -> DfResult<Option<Self>> {
        let memory = MemoryConsumer::new("join").register(context.memory_pool());
        let partitions = 0..join.build.output_partitioning().partition_count();
        let streams = partitions.map(|partition| join.build.execute(partition, Arc::clone(context)));
        let mut stream = futures::stream::select_all(streams.collect::<DfResult<Vec<_>>>()?);
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = compact(&batch?)?;
            // Twice: they are put together later.
            if memory.try_grow(2 * batch.get_array_memory_size()).is_err() || memory.size() > MAX_BYTES {
                return Ok(None);
            }
            batches.push(batch);
        }
        let rows = concat_batches(&join.build.schema(), &batches)?;
        let dimension = Self::of(join, &rows, memory)?;
        let size = rows.get_array_memory_size() + dimension.size();
        Ok(dimension.memory.try_resize(size).is_ok().then_some(dimension))
    }

    fn size(&self) -> usize {
        let dense = self.dense.as_ref().map_or(0, |dense| dense.rows.len());
        self.keys.size() + (dense + self.starts.len() + self.rows.len() + self.numbers.len()) * size_of::<u32>()
    }

    fn of(join: &Join, batch: &RecordBatch, memory: MemoryReservation) -> Result<Self> {
        let mut keys = Table::new(join.build_on.len());
        // A key that holds a null is equal to none.
        let mut places = Vec::with_capacity(batch.num_rows());
        let options = FormatOptions::default();
        let columns: Vec<&ArrayRef> = join.build_on.iter().map(|column| batch.column(*column)).collect();
        let shown = columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let shown: Vec<ArrayFormatter<'_>> = shown.collect::<std::result::Result<_, _>>()?;
        let mut texts: Vec<String> = vec![String::new(); columns.len()];
        for row in 0..batch.num_rows() {
            if columns.iter().any(|column| column.is_null(row)) {
                places.push(None);
                continue;
            }
            for (text, shown) in texts.iter_mut().zip(&shown) {
                text.clear();
                shown.value(row).write(text)?;
            }
            let mut key = keys.key();
            for text in &texts {
                key.push(Some(text.as_bytes()));
            }
            places.push(Some(keys.add(&key)));
        }
        let (starts, mut rows) = by_key(&places, keys.len());
        let (numbers, groups) = groups(join, batch)?;
        if join.values.is_empty() {
            // Rows of one group are alike: one of them for all keeps what is looked up in the processor's cache.
            let mut first: HashMap<[u8; 4], u32> = HashMap::new();
            for row in &mut rows {
                *row = *first.entry(numbers[*row as usize]).or_insert(*row);
            }
        }
        let dense = match columns[..] {
            [column] if rows.len() == keys.len() => dense(column, &places, &starts, &rows),
            _ => None,
        };
        let with_null = |column: &usize| {
            let column = batch.column(*column);
            concat(&[column.as_ref(), new_null_array(column.data_type(), 1).as_ref()])
        };
        let values = join.values.iter().map(with_null).collect::<std::result::Result<_, _>>()?;
        Ok(Self { keys, starts, rows, dense, numbers, groups, values, memory })
    }

    /// Whether keys are looked up by [`Self::find_number`].
    #[inline]
    pub(super) fn is_dense(&self) -> bool {
        self.dense.is_some()
    }

    /// The row whose key is this number.
    #[inline]
    pub(super) fn find_number(&self, number: i64) -> Option<&[u32]> {
        self.place_of(number).map(std::slice::from_ref).filter(|row| row[0] != NO_ROW)
    }

    /// The row whose key is this number, or [`NO_ROW`].
    #[inline]
    pub(super) fn row_of(&self, number: i64) -> u32 {
        self.place_of(number).copied().unwrap_or(NO_ROW)
    }

    #[inline]
    fn place_of(&self, number: i64) -> Option<&u32> {
        let Dense { first, rows } = self.dense.as_ref()?;
        rows.get(usize::try_from(number.checked_sub(*first)?).ok()?)
    }

    /// A key without fields, to be looked up.
    pub(super) fn key<'a>(&self) -> Key<'a> {
        self.keys.key()
    }

    /// The rows of a key.
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>) -> Option<&[u32]> {
        let key = self.keys.find(key)? as usize;
        Some(&self.rows[self.starts[key] as usize..self.starts[key + 1] as usize])
    }

    /// The row of nulls that stands for no row.
    pub(super) fn no_row(&self) -> u32 {
        to_u32(self.numbers.len() - 1)
    }

    /// The group of a row, as a field of a key.
    #[inline]
    pub(super) fn group(&self, row: u32) -> &[u8] {
        &self.numbers[row as usize]
    }

    /// The columns that rows are grouped by, of groups as they stand in keys.
    pub(super) fn groups(&self, fields: impl Iterator<Item = Option<u32>>) -> Result<Vec<ArrayRef>> {
        let numbers: arrow::array::UInt32Array = fields.collect();
        Ok(self.groups.iter().map(|column| take(column, &numbers, None)).collect::<std::result::Result<_, _>>()?)
    }

    /// The columns that aggregates need.
    pub(super) fn values(&self) -> &[ArrayRef] {
        &self.values
    }
}

/// Texts without the blocks of the file that they stand in.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        _ => Arc::clone(column),
    });
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns.collect(),
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )?)
}

/// The rows of each key, one key after the other, and where each one's start.
fn by_key(places: &[Option<u32>], keys: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0_u32; keys + 1];
    for key in places.iter().flatten() {
        starts[*key as usize + 1] += 1;
    }
    for key in 0..keys {
        starts[key + 1] += starts[key];
    }
    let mut next = starts.clone();
    let mut rows = vec![0; starts[keys] as usize];
    for (row, key) in (0..).zip(places) {
        if let Some(key) = key {
            let place = &mut next[*key as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
    }
    (starts, rows)
}

/// The rows by number, if the keys are whole numbers that lie close together.
fn dense(column: &ArrayRef, places: &[Option<u32>], starts: &[u32], rows: &[u32]) -> Option<Dense> {
    let keys = column.as_primitive_opt::<Int64Type>()?;
    let (first, last) = (min(keys)?, max(keys)?);
    let width = usize::try_from(last.checked_sub(first)?).ok()?;
    if width > 4 * places.len() {
        return None;
    }
    let mut dense = vec![NO_ROW; width + 1];
    for (row, key) in places.iter().enumerate() {
        if let Some(key) = key {
            let place = usize::try_from(keys.value(row).checked_sub(first)?).ok()?;
            dense[place] = rows[starts[*key as usize] as usize];
        }
    }
    Some(Dense { first, rows: dense })
}

/// The different values of the columns that rows are grouped by, and for each row which ones are its own.
fn groups(join: &Join, batch: &RecordBatch) -> Result<(Vec<[u8; 4]>, Vec<ArrayRef>)> {
    let columns: Vec<&ArrayRef> = join.groups.iter().map(|column| batch.column(*column)).collect();
    let mut numbers = Vec::with_capacity(batch.num_rows() + 1);
    let mut firsts: Vec<u32> = Vec::new();
    if columns.is_empty() {
        numbers.resize(batch.num_rows(), [0; 4]);
    } else {
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&columns.into_iter().cloned().collect::<Vec<_>>())?;
        let mut known = Table::new(1);
        for (row, values) in (0..).zip(rows.iter()) {
            let mut key = known.key();
            key.push(Some(values.data()));
            let number = known.add(&key);
            if number as usize == firsts.len() {
                firsts.push(row);
            }
            numbers.push(number.to_le_bytes());
        }
    }
    numbers.push(to_u32(firsts.len()).to_le_bytes());
    let firsts: arrow::array::UInt32Array = firsts.into_iter().map(Some).chain([None]).collect();
    let groups = join.groups.iter().map(|column| take(batch.column(*column), &firsts, None));
    Ok((numbers, groups.collect::<std::result::Result<_, _>>()?))
}
