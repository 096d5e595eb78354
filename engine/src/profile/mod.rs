//! What a file holds: for each column counts, distinct values, extremes, quantiles, a histogram, frequent values.
//!
//! One pass over the file with all cores, in memory that does not depend on the file's size. What is not exact says so, and
//! stays within bounds: `distinct` within 3 % (`HyperLogLog`, standard error 0.8 %), a quantile is a value whose rank is off
//! by at most 1.5 % of the rows (a random sample of 32768 rows; with more than some hundred columns a smaller one), counts
//! of `topValues` are too low by at most `topValuesError`. Counts, nulls, extremes, means, lengths and histograms are exact;
//! distinct and frequent values too while a column has few, quantiles of files of few rows.

mod column;
mod distinct;
mod source;
mod spread;

use std::sync::Arc;
use std::time::Instant;

use karyaksham_spec::{Format, OnBadRow};
use serde::{Deserialize, Serialize};

use crate::cancel::{CancellationToken, or_cancelled};
use crate::error::{EngineError, ErrorCode, Result};
use crate::input::Input;
use crate::progress::{Progress, Stage};
use crate::request::InputRequest;
use crate::scan::{BadRows, Ledger};
use crate::store::{StorageOptions, Stores};

pub use column::ColumnProfile;
use column::{Column, Sizes};
use source::Source;

/// Memory for what is gathered, of all columns in all threads.
const GATHERED_BYTES: usize = 192 << 20;
/// Bytes of a value in the sample (twice as many are kept for a while), and of a counted one (likewise).
const SAMPLE_BYTES: usize = 2 * 16;
const COUNTED_BYTES: usize = 2 * 112;

/// What to profile.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileRequest {
    /// The file.
    pub input: InputRequest,
    /// Keys of the storage.
    #[serde(default)]
    pub storage: Option<StorageOptions>,
    /// Only these columns.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Threads for computing; all cores if absent.
    #[serde(default)]
    pub threads: Option<usize>,
}

/// What a file holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileReport {
    format: Format,
    size_bytes: u64,
    /// Rows that were profiled; those that cannot be read are left out.
    rows: u64,
    rows_rejected: u64,
    seconds: f64,
    columns: Arc<Vec<ColumnProfile>>,
}

/// Profiles a file. Must be called on a multi-threaded tokio runtime.
pub async fn profile(
    request: ProfileRequest,
    progress: Arc<Progress>,
    cancel: CancellationToken,
) -> Result<ProfileReport> {
    let started = Instant::now();
    let result = or_cancelled(&cancel, gather(request, Arc::clone(&progress), started)).await;
    progress.set_stage(Stage::Done);
    result
}

async fn gather(request: ProfileRequest, progress: Arc<Progress>, started: Instant) -> Result<ProfileReport> {
    let stores = Stores::new(request.storage);
    let input = Input::open("input", &request.input, None, &stores).await?;
    progress.set_stage(Stage::Running);
    let policy = BadRows { on_bad_row: OnBadRow::Reject, max_rejects: None };
    let ledger = Arc::new(Ledger::new(policy, Arc::clone(&progress), None));
    progress.add_total(input.size);
    let source = Arc::new(Source::open(&input, request.columns.as_deref(), ledger).await?);
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = request.threads.filter(|threads| *threads > 0).unwrap_or_else(cores);
    let sizes = sizes(source.schema().fields().len(), threads);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..threads {
        workers.spawn(work(Arc::clone(&source), sizes));
    }
    let mut all: Option<(u64, Vec<Column>)> = None;
    while let Some(done) = workers.join_next().await {
        let (rows, columns) = done.map_err(|error| EngineError::internal(error.to_string()))??;
        all = Some(match all {
            None => (rows, columns),
            Some((before, mut merged)) => {
                for (mine, theirs) in merged.iter_mut().zip(columns) {
                    mine.merge(theirs)?;
                }
                (before + rows, merged)
            }
        });
    }
    let (rows, columns) = all.ok_or_else(|| EngineError::internal("nobody worked"))?;
    Ok(ProfileReport {
        format: input.format,
        size_bytes: input.size,
        rows,
        rows_rejected: progress.snapshot().rows_rejected,
        seconds: started.elapsed().as_secs_f64(),
        columns: Arc::new(columns.into_iter().map(Column::finish).collect::<Result<_>>()?),
    })
}

/// Takes batches until there are no more.
async fn work(source: Arc<Source>, sizes: Sizes) -> Result<(u64, Vec<Column>)> {
    let fields = source.schema();
    let mut columns = fields.fields().iter().map(|field| Column::new(field, sizes)).collect::<Result<Vec<_>>>()?;
    let mut rows = 0;
    let mut batches = source.reader();
    while let Some((row, batch)) = batches.next().await? {
        rows += batch.num_rows() as u64;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.add(array, row)?;
        }
        // Gathering does not wait: let the others have their turn, and a cancellation its effect.
        tokio::task::yield_now().await;
    }
    Ok((rows, columns))
}

fn sizes(columns: usize, threads: usize) -> Sizes {
    let share = GATHERED_BYTES / (columns * threads).max(1) / 2;
    Sizes { sample: (share / SAMPLE_BYTES).clamp(1024, 32 << 10), counted: (share / COUNTED_BYTES).clamp(128, 4 << 10) }
}

/// The columns of these names, in this order.
fn places(schema: &arrow::datatypes::Schema, names: Option<&[String]>) -> Result<Vec<usize>> {
    let Some(names) = names else { return Ok((0..schema.fields().len()).collect()) };
    let place = |name: &String| {
        schema.fields().iter().position(|field| field.name() == name).ok_or_else(|| {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            let hint = karyaksham_spec::did_you_mean(name, known).unwrap_or_default();
            EngineError::new(ErrorCode::InvalidRequest, format!("there is no column `{name}`")).column(name).hint(hint)
        })
    };
    names.iter().map(place).collect()
}
