//! What parsers of blocks have in common.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};

use super::block::Block;
use super::index::Index;
use super::rejects::Reject;
use crate::error::Result;

/// Rows in a batch, at most.
pub const BATCH_ROWS: usize = 8192;

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type to convert to.
    pub kind: DataType,
    /// Its place among the file's fields.
    pub index: usize,
    /// Whether the user declared the type: then a leading zero may be lost.
    pub declared: bool,
}

/// What came of a block.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The good rows, in order.
    pub batches: Vec<RecordBatch>,
    /// Good rows that a condition left out.
    pub filtered: u64,
    /// The bad rows, with their lines in the file.
    pub rejects: Vec<Reject>,
}

impl Parsed {
    /// Good rows, those left out included.
    pub fn good(&self) -> u64 {
        self.filtered + self.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>()
    }
}

/// Turns blocks into batches; shared by the threads that work on a file.
pub trait BlockParser: Send + Sync + std::fmt::Debug {
    /// The schema of the batches.
    fn schema(&self) -> SchemaRef;

    /// Parses one block. `index` is memory that is used again and again.
    fn parse(&self, block: &Block, index: &mut Index) -> Result<Parsed>;
}
