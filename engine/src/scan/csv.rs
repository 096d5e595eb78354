//! Parses blocks of delimited text: separators, then the conditions' columns, then the other columns of the rows that pass.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::compute::filter;
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};

use super::block::Block;
use super::convert::Values;
use super::dialect::Dialect;
use super::index::{Index, Separators, to_u32};
use super::parse::{BATCH_ROWS, BlockParser, Column, Parsed};
use super::predicate::Predicate;
use super::records::{Sorted, reject};
use crate::error::Result;

/// Parses blocks of delimited text to batches of some of its columns.
#[derive(Debug)]
pub struct CsvParser {
    dialect: Dialect,
    separators: Separators,
    /// Fields in a record.
    width: usize,
    /// The result's columns.
    columns: Vec<Column>,
    /// The columns that conditions need, by place in the file.
    checked: BTreeMap<usize, Column>,
    predicate: Option<Predicate>,
    schema: SchemaRef,
}

/// A value that does not fit: the row in the batch, the column's name, and why.
type Bad = (usize, String, String);

impl CsvParser {
    /// A parser for a file of `width` columns of which `columns` are wanted.
    pub fn new(dialect: Dialect, width: usize, columns: Vec<Column>) -> Self {
        let fields: Vec<ArrowField> =
            columns.iter().map(|column| ArrowField::new(&column.name, column.kind.clone(), true)).collect();
        Self {
            separators: Separators::of(&dialect),
            dialect,
            width,
            columns,
            checked: BTreeMap::new(),
            predicate: None,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The same for rows that fulfil conditions, whose columns are `checked`.
    #[must_use]
    pub fn with_predicate(mut self, predicate: Predicate, checked: Vec<Column>) -> Self {
        self.checked = checked.into_iter().map(|column| (column.index, column)).collect();
        self.predicate = Some(predicate);
        self
    }

    /// One batch of records, given by their places: those of their first fields' ends in the index.
    fn batch(&self, source: &Source<'_>, mut rows: Vec<u32>, parsed: &mut Parsed) -> Result<()> {
        let mut known: BTreeMap<usize, ArrayRef> = BTreeMap::new();
        let all = rows.len();
        for stage in self.predicate.iter().flat_map(Predicate::stages) {
            let mut bad: Vec<Bad> = Vec::new();
            for column in &stage.columns {
                if let Some(column) = self.checked.get(column).filter(|column| !known.contains_key(&column.index)) {
                    known.insert(column.index, source.convert(self, column, &rows, all, &mut bad)?);
                }
            }
            let arrays = stage.columns.iter().filter_map(|column| known.get(column)).map(Arc::clone).collect();
            let mut keep = stage.check(arrays, rows.len())?;
            let rejected = source.reject(self, &rows, bad, parsed);
            if let Some(rejected) = &rejected {
                keep = arrow::compute::and_not(&keep, rejected)?;
            }
            let left = keep.true_count();
            let gone = rejected.map_or(0, |rejected| rejected.true_count());
            parsed.filtered += (rows.len() - left - gone) as u64;
            if left < rows.len() {
                keep_rows(&mut rows, &mut known, &keep)?;
            }
            if left == 0 {
                return Ok(());
            }
        }
        let mut bad: Vec<Bad> = Vec::new();
        for column in &self.columns {
            if let Entry::Vacant(place) = known.entry(column.index) {
                place.insert(source.convert(self, column, &rows, all, &mut bad)?);
            }
        }
        if let Some(rejected) = source.reject(self, &rows, bad, parsed) {
            keep_rows(&mut rows, &mut known, &arrow::compute::not(&rejected)?)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let arrays = self.columns.iter().filter_map(|column| known.get(&column.index)).map(Arc::clone).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        parsed.batches.push(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?);
        Ok(())
    }
}

fn keep_rows(rows: &mut Vec<u32>, known: &mut BTreeMap<usize, ArrayRef>, keep: &BooleanArray) -> Result<()> {
    for array in known.values_mut() {
        *array = filter(array, keep)?;
    }
    *rows = keep.values().set_indices().map(|row| rows[row]).collect();
    Ok(())
}

/// A block that is being parsed.
struct Source<'a> {
    block: &'a Block,
    buffer: &'a Buffer,
    index: &'a Index,
    /// Whether the whole block is UTF-8.
    utf8: bool,
}

impl Source<'_> {
    /// Converts a column of some rows; `all` is how many rows there were before conditions were checked.
    fn convert(
        &self,
        parser: &CsvParser,
        column: &Column,
        rows: &[u32],
        all: usize,
        bad: &mut Vec<Bad>,
    ) -> Result<ArrayRef> {
        let values = Values {
            data: &self.block.data,
            buffer: self.buffer,
            seps: &self.index.seps,
            places: rows,
            column: column.index,
            last: column.index + 1 == parser.width,
            separators: parser.separators,
            dialect: &parser.dialect,
            utf8: self.utf8,
            // A few rows should not keep their whole block in memory.
            copy: rows.len() * 4 < all,
        };
        let (array, misfits) = values.convert(column)?;
        bad.extend(misfits.into_iter().map(|(row, reason)| (row, column.name.clone(), reason)));
        Ok(array)
    }

    /// Books rejects, one for each record, for its first column at fault; the mask of the rejected rows.
    fn reject(&self, parser: &CsvParser, rows: &[u32], mut bad: Vec<Bad>, parsed: &mut Parsed) -> Option<BooleanArray> {
        if bad.is_empty() {
            return None;
        }
        let place = |name: &str| parser.columns.iter().position(|column| column.name == name);
        bad.sort_by_key(|(row, name, _)| (*row, place(name)));
        bad.dedup_by_key(|(row, _, _)| *row);
        let mut mask = vec![false; rows.len()];
        for (row, column, reason) in bad {
            mask[row] = true;
            let (first, last) = (rows[row], rows[row] + to_u32(parser.width) - 1);
            let rejected = reject(self.block, self.index, parser.separators, first, last, Some(column), reason);
            parsed.rejects.push(rejected);
        }
        Some(BooleanArray::from(mask))
    }
}

impl BlockParser for CsvParser {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn parse(&self, block: &Block, index: &mut Index) -> Result<Parsed> {
        index.of(block, self.separators);
        let index: &Index = index;
        let Sorted { places, rejects } = Sorted::of(block, index, &self.dialect, self.width);
        let mut parsed = Parsed { rejects, ..Parsed::default() };
        let utf8 = index.ascii || std::str::from_utf8(&block.data).is_ok();
        let buffer = Buffer::from(block.data.clone());
        let source = Source { block, buffer: &buffer, index, utf8 };
        for places in places.chunks(BATCH_ROWS) {
            self.batch(&source, places.to_vec(), &mut parsed)?;
        }
        parsed.rejects.sort_by_key(|reject| reject.byte_offset);
        Ok(parsed)
    }
}
