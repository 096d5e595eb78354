//! Results of many files: folders by the values of columns (`partitionBy`), and files of a bounded size
//! (`maxFileBytes`).
//!
//! Each partition has an encoder; all together they keep to a budget of memory, and no file is open between two
//! batches. Rows keep their order within a partition.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use karyaksham_spec::{Output, OutputCompression, OutputFormat};

use crate::error::{EngineError, ErrorCode, Result};
use crate::report::PartitionValue;
use crate::sink::{Encoder, Ready, Spool, Target, encoder, extension, hive};

/// Partitions of a result, at most. Compressed text needs a compressor of about a megabyte for each.
const MAX_PARTITIONS: usize = 1024;
const MAX_COMPRESSED: usize = 128;
/// Files of a result, at most.
const MAX_FILES: usize = 10_000;
/// Encoded bytes of a partition that go to disk at once.
const PIECE_BYTES: usize = 256 << 10;
/// Memory of all encoders, if the job has no limit; a quarter of the limit otherwise, at least the smaller.
const BUDGET_BYTES: usize = 256 << 20;
const LEAST_BUDGET_BYTES: usize = 16 << 20;

/// Divides rows into files.
pub(crate) struct Parts<'a> {
    output: &'a Output,
    /// The result's folder.
    folder: &'a Target,
    /// Where files lie until they are complete.
    scratch: PathBuf,
    budget: usize,
    /// The columns that name folders, and those that are written.
    by: Vec<usize>,
    kept: Vec<usize>,
    schema: SchemaRef,
    keys: RowConverter,
    /// The partition of each key, and of each folder: several keys may have one text.
    of_key: HashMap<Box<[u8]>, usize>,
    of_folder: HashMap<String, usize>,
    partitions: Vec<Partition>,
    memory: usize,
    done: Vec<Part>,
}

struct Partition {
    /// The names of its folders.
    folders: Vec<String>,
    values: Vec<PartitionValue>,
    /// Files that were begun.
    files: usize,
    open: Option<Open>,
}

/// A file being written.
struct Open {
    encoder: Box<dyn Encoder>,
    spool: Spool,
    name: String,
    pending: Vec<u8>,
    rows: u64,
    /// What it counts for in the budget.
    memory: usize,
}

/// A complete file.
pub(crate) struct Part<F = Spool> {
    pub(crate) file: F,
    /// Its name in the result's folder, e.g. `country=India/part-00000.parquet`.
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) values: Vec<PartitionValue>,
    pub(crate) target: Target,
}

impl Part {
    /// Sends what must be sent before publishing.
    pub(crate) async fn send(self) -> Result<Part<Ready>> {
        let Self { file, name, rows, values, target } = self;
        Ok(Part { file: file.send().await?, name, rows, values, target })
    }
}

/// Whether an output is one of many files.
pub(crate) fn is_parts(output: &Output) -> bool {
    !output.partition_by.is_empty() || output.max_file_bytes.is_some()
}

impl<'a> Parts<'a> {
    /// A result in `folder` of rows of `schema`.
    pub(crate) fn new(
        output: &'a Output,
        folder: &'a Target,
        schema: &SchemaRef,
        memory_limit: Option<u64>,
        spill_dir: Option<&Path>,
    ) -> Result<Self> {
        let by: Vec<usize> = output.partition_by.iter().map(|name| schema.index_of(name)).collect::<Result<_, _>>()?;
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|index| !by.contains(index)).collect();
        let fields = by.iter().map(|index| SortField::new(schema.field(*index).data_type().clone()));
        let scratch = match (&folder.location.file, spill_dir) {
            (Some(folder), _) => folder.clone(),
            (None, Some(folder)) => folder.to_owned(),
            (None, None) => std::env::temp_dir(),
        };
        let quarter = memory_limit.and_then(|limit| usize::try_from(limit / 4).ok());
        Ok(Self {
            output,
            folder,
            scratch,
            budget: quarter.map_or(BUDGET_BYTES, |quarter| quarter.clamp(LEAST_BUDGET_BYTES, BUDGET_BYTES)),
            schema: Arc::new(schema.project(&kept)?),
            keys: RowConverter::new(fields.collect())?,
            by,
            kept,
            of_key: HashMap::new(),
            of_folder: HashMap::new(),
            partitions: Vec::new(),
            memory: 0,
            done: Vec::new(),
        })
    }

    /// The files' schema.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Takes a batch; returns the bytes that were encoded.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<u64> {
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        let rows = self.divide(batch)?;
        let batch = batch.project(&self.kept)?;
        let mut written = 0;
        if let [(partition, _)] = rows.as_slice() {
            written += self.write_to(*partition, &batch)?;
        } else {
            for (partition, rows) in rows {
                written += self.write_to(partition, &take_record_batch(&batch, &UInt32Array::from(rows))?)?;
            }
        }
        self.keep_to_budget()?;
        Ok(written)
    }

    /// Ends all files. A result without rows is one file without rows, in the folder itself.
    pub(crate) fn finish(mut self) -> Result<(Vec<Part>, u64)> {
        let mut written = 0;
        if self.partitions.is_empty() {
            self.partition(Vec::new(), Vec::new())?;
            self.open(0)?;
        }
        for partition in 0..self.partitions.len() {
            written += self.close(partition)?;
        }
        Ok((self.done, written))
    }

    /// The rows of each partition in a batch.
    fn divide(&mut self, batch: &RecordBatch) -> Result<Vec<(usize, Vec<u32>)>> {
        let columns: Vec<ArrayRef> = self.by.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        if columns.is_empty() {
            if self.partitions.is_empty() {
                self.partition(Vec::new(), Vec::new())?;
            }
            return Ok(vec![(0, Vec::new())]);
        }
        let keys = self.keys.convert_columns(&columns)?;
        let mut found: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut place: HashMap<usize, usize> = HashMap::new();
        for (row, key) in (0_u32..).zip(keys.iter()) {
            let partition = match self.of_key.get(key.data()) {
                Some(partition) => *partition,
                None => {
                    let partition = self.partition_of(&columns, row as usize)?;
                    self.of_key.insert(key.data().into(), partition);
                    partition
                }
            };
            let place = *place.entry(partition).or_insert_with(|| {
                found.push((partition, Vec::new()));
                found.len() - 1
            });
            found[place].1.push(row);
        }
        Ok(found)
    }

    fn partition_of(&mut self, columns: &[ArrayRef], row: usize) -> Result<usize> {
        let mut folders = Vec::new();
        let mut values = Vec::new();
        for (column, array) in self.output.partition_by.iter().zip(columns) {
            let value = hive::value(array, row)?;
            folders.push(hive::folder(column, value.as_deref())?);
            values.push(PartitionValue { column: column.clone(), value });
        }
        match self.of_folder.get(&folders.join("/")) {
            Some(partition) => Ok(*partition),
            None => self.partition(folders, values),
        }
    }

    fn partition(&mut self, folders: Vec<String>, values: Vec<PartitionValue>) -> Result<usize> {
        let most = match (self.output.format, self.output.compression) {
            (OutputFormat::Parquet | OutputFormat::Arrow, _) | (_, None | Some(OutputCompression::None)) => {
                MAX_PARTITIONS
            }
            _ => MAX_COMPRESSED,
        };
        if self.partitions.len() == most {
            let message = format!("`partitionBy` makes more than {most} partitions; one more is {}", folders.join("/"));
            return Err(EngineError::new(ErrorCode::TooManyPartitions, message)
                .hint("partition by columns with fewer values, e.g. a month that `derive` computes of a day"));
        }
        let number = self.partitions.len();
        self.of_folder.insert(folders.join("/"), number);
        self.partitions.push(Partition { folders, values, files: 0, open: None });
        Ok(number)
    }

    fn open(&mut self, partition: usize) -> Result<()> {
        if self.done.len() + self.partitions.len() > MAX_FILES {
            let message = format!("the result would have more than {MAX_FILES} files");
            return Err(EngineError::new(ErrorCode::TooManyPartitions, message)
                .hint("raise `maxFileBytes`, or partition by columns with fewer values"));
        }
        let entry = &mut self.partitions[partition];
        let file = format!("part-{:05}.{}", entry.files, extension(self.output));
        entry.files += 1;
        let mut path = entry.folders.clone();
        path.push(file);
        let location = self.folder.location.descendant(&path)?;
        let target = Target { location, ..self.folder.clone() };
        entry.open = Some(Open {
            encoder: encoder(self.output, Arc::clone(&self.schema))?,
            spool: Spool::new(target, &self.scratch),
            name: path.join("/"),
            pending: Vec::new(),
            rows: 0,
            memory: 0,
        });
        Ok(())
    }

    fn write_to(&mut self, partition: usize, batch: &RecordBatch) -> Result<u64> {
        if self.partitions[partition].open.is_none() {
            self.open(partition)?;
        }
        let Some(open) = &mut self.partitions[partition].open else { return Ok(0) };
        let before = open.pending.len();
        open.encoder.write(batch, &mut open.pending)?;
        let written = (open.pending.len() - before) as u64;
        open.rows += batch.num_rows() as u64;
        if open.pending.len() >= PIECE_BYTES {
            open.spool.append(&mut open.pending)?;
        }
        open.count(&mut self.memory);
        let size = open.spool.bytes + (open.pending.len() + open.encoder.unwritten()) as u64;
        let full = self.output.max_file_bytes.is_some_and(|most| size >= most);
        Ok(written + if full { self.close(partition)? } else { 0 })
    }

    /// Ends the partition's file; returns the bytes that were encoded last.
    fn close(&mut self, partition: usize) -> Result<u64> {
        let entry = &mut self.partitions[partition];
        let Some(mut open) = entry.open.take() else { return Ok(0) };
        let before = open.pending.len();
        open.encoder.finish(&mut open.pending)?;
        let written = (open.pending.len() - before) as u64;
        open.spool.append(&mut open.pending)?;
        self.memory -= open.memory;
        let target = open.spool.target().clone();
        let values = entry.values.clone();
        self.done.push(Part { file: open.spool, name: open.name, rows: open.rows, values, target });
        Ok(written)
    }

    /// Writes the biggest first until all are within half of the budget.
    fn keep_to_budget(&mut self) -> Result<()> {
        if self.memory <= self.budget {
            return Ok(());
        }
        let mut open: Vec<&mut Open> = self.partitions.iter_mut().filter_map(|entry| entry.open.as_mut()).collect();
        open.sort_unstable_by_key(|open| std::cmp::Reverse(open.memory));
        for open in open {
            if self.memory <= self.budget / 2 {
                break;
            }
            open.encoder.flush(&mut open.pending)?;
            open.spool.append(&mut open.pending)?;
            open.pending = Vec::new();
            open.count(&mut self.memory);
        }
        Ok(())
    }
}

impl Open {
    /// Counts its memory anew.
    fn count(&mut self, total: &mut usize) {
        let now = self.pending.capacity() + self.encoder.memory();
        *total = *total - self.memory + now;
        self.memory = now;
    }
}
