//! The direct way: from raw bytes to raw bytes, without making arrays of what is only passed on.
//!
//! ```text
//! blocks of whole records (scan::BlockReader), one a thread
//!   → index → conditions on the bytes of their columns → bytes of the rows that are left
//!   → relay: ledger, counters and places in the output, in input order → written in parallel
//! ```
//! It serves CSV to CSV (and TSV to TSV) of one delimiter by `filter`, `select`, `drop`, `rename`, `dropNull` and
//! `distinct` with `on`, and plain lines to plain lines by `filter`; [`recognise`] says which. All else goes through
//! DataFusion.
//!
//! # Rules
//! - The table is the one that DataFusion's way gives, in the order of the input. Rejects and counts are the same too, with
//!   one exception: within a filter, conditions that can be told from raw bytes are checked before all others, and a row
//!   that one condition leaves out is not looked at by the next.
//! - Values are checked against their columns' types, but written as they stand: `1.50` stays `1.50`, `"a"` stays `"a"`.
//! - A field with stray quotes, with text after its closing quote, or with a carriage return outside of quotes is
//!   quoted anew by RFC 4180, so that every reader reads it as this one does. `\r\n` becomes `\n`.
//! - `distinct` keeps the first row of each key whose values fit.
//! - The keys of `distinct` are held in memory and counted against the job's limit; if they do not fit, the job is run
//!   again by DataFusion, which spills.

mod check;
mod csv;
mod keys;
mod lines;
mod plan;
mod raw;
mod relay;
mod rows;
mod run;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use karyaksham_spec::{OutputFormat, Pipeline, Step};

pub(crate) use csv::one_spelling;
pub(crate) use plan::{Direct, file_columns, recognise};
pub(crate) use raw::{Text, compile, plain_int};
pub(crate) use rows::{Bad, Condition, Layout, Rows, without};
pub(crate) use run::Totals;

use crate::cancel::CancellationToken;
use crate::error::Result;
use crate::report::StepReport;
use crate::scan::{BlockReader, Ledger};
use crate::sink::{Target, Upload};

/// Whether a pipeline may go the direct way, if its input is like its output.
pub(crate) fn may_be(pipeline: &Pipeline) -> bool {
    use Step::{Distinct, Drop, DropNull, Filter, Rename, Select};
    matches!(pipeline.output.format, OutputFormat::Csv | OutputFormat::Tsv | OutputFormat::Lines)
        && pipeline
            .steps
            .iter()
            .all(|step| matches!(step, Filter(_) | Select(_) | Drop(_) | Rename(_) | DropNull(_) | Distinct(_)))
}

impl Direct {
    /// Runs the pipeline on `threads` threads. Must be called on a tokio runtime. After an error nothing is left.
    pub(crate) async fn run(
        self,
        target: &Target,
        ledger: &Arc<Ledger>,
        threads: usize,
        cancel: &CancellationToken,
    ) -> Result<(Upload, Totals)> {
        let reader = BlockReader::open(&self.file, Arc::clone(ledger.progress()))?;
        run::run(self, reader, Arc::clone(ledger), target.create()?, threads, cancel).await
    }
}

impl Totals {
    /// Rows after each step.
    pub(crate) fn reports(&self, steps: &[Step], good: u64, rows_out: u64) -> Vec<StepReport> {
        let last = steps.len().saturating_sub(1);
        let after = |stages: usize| stages.checked_sub(1).and_then(|stage| self.after.get(stage)).copied();
        let reports = steps.iter().zip(&self.steps).enumerate().map(|(index, (step, stages))| StepReport {
            step: step.name(),
            expectation: None,
            rows_broken: None,
            seed: None,
            rows_out: Some(if index == last { rows_out } else { after(*stages).unwrap_or(good) }),
        });
        reports.collect()
    }
}
