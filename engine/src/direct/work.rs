//! What a block's work needs and gives.

use super::csv::Csv;
use super::keys::BlockKeys;
use super::lines::Lines;
use crate::error::Result;
use crate::scan::{Block, Index, Reject};

/// What happens to each block.
#[derive(Debug)]
pub(super) enum Work {
    Csv(Box<Csv>),
    Lines(Lines),
}

/// Memory of one thread, used again for each block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) index: Index,
    pub(super) keys: BlockKeys,
    pub(super) new: Vec<bool>,
    pub(super) lines: Vec<(u32, u32)>,
    pub(super) out: Vec<u8>,
}

/// What came of a block.
#[derive(Debug)]
pub(super) struct Done {
    /// What is written of it.
    pub(super) out: Vec<u8>,
    /// Rows that could be read, those left out included.
    pub(super) good: u64,
    pub(super) rows_out: u64,
    /// Rows that filters and `distinct` left out.
    pub(super) filtered: u64,
    /// Rows after each stage.
    pub(super) after: Vec<u64>,
    pub(super) rejects: Vec<Reject>,
}

impl Work {
    /// Takes a block; `None` if another thread ended the work.
    pub(super) fn take(&self, block: &Block, number: u64, scratch: &mut Scratch) -> Result<Option<Done>> {
        match self {
            Self::Csv(csv) => csv.take(block, number, scratch),
            Self::Lines(lines) => lines.take(block, scratch).map(Some),
        }
    }

    /// How many stages it has.
    pub(super) fn stages(&self) -> usize {
        match self {
            Self::Csv(csv) => csv.stages.len(),
            Self::Lines(lines) => lines.stages.len(),
        }
    }

    /// Ends all waiting of threads for one another.
    pub(super) fn break_off(&self) {
        if let Self::Csv(csv) = self {
            for stage in &csv.stages {
                if let super::csv::Stage::Distinct { keys, .. } = stage {
                    keys.break_off();
                }
            }
        }
    }
}
