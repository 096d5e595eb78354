//! What a pipeline makes of a sample of its inputs: the first rows, and what each step did.
//!
//! Small inputs (8 MiB of text, 8192 rows of Parquet) are read whole; of bigger ones some megabytes of the beginning, the
//! middle and the end, whatever their size. Everything in the report is about the rows that were read; `sampled` says
//! whether these are all. Types are those that the inspection found.

mod binary;
mod sample;
mod steps;

use std::sync::Arc;

use futures::future::try_join_all;
use karyaksham_spec::MAIN_INPUT;
use serde::Serialize;
use serde_json::Value;

use crate::error::{EngineError, ErrorCode, Result};
use crate::execute::Job;
use crate::inspect::rows_json;
use crate::plan::{Tables, plan};
use crate::progress::Progress;
use crate::request::RunRequest;
use crate::scan::{Ledger, Reject};
use crate::session::{self, Settings};
use crate::sink::{plain_batch, plain_schema};
use crate::store::Stores;
use crate::types::{ColumnSchema, to_columns};

use sample::{SampleRange, sample};
use steps::{PreviewStep, Rows, run};

/// Memory that a preview may use.
const MEMORY_BYTES: u64 = 512 << 20;

/// What a preview shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewReport {
    columns: Vec<String>,
    schema: Vec<ColumnSchema>,
    rows: Vec<Vec<Value>>,
    /// Rows of the samples, those that could not be read included.
    rows_in: u64,
    /// Rows that the last step gave.
    rows_out: u64,
    rows_rejected: u64,
    rejects: Vec<PreviewReject>,
    /// What each step did.
    steps: Vec<PreviewStep>,
    /// Whether only parts of the inputs were read.
    sampled: bool,
    /// The parts that were read.
    ranges: Vec<SampleRange>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PreviewReject {
    /// Absent for a row that a step rejected, and in parts of a file from further on.
    line: Option<u64>,
    /// Absent for a row that a step rejected.
    byte_offset: Option<u64>,
    column: Option<String>,
    reason: String,
    raw: String,
}

impl From<Reject> for PreviewReject {
    fn from(reject: Reject) -> Self {
        Self {
            line: (reject.line > 0).then_some(reject.line),
            byte_offset: (reject.line > 0 || reject.byte_offset > 0).then_some(reject.byte_offset),
            column: reject.column,
            reason: reject.reason,
            raw: reject.raw.chars().take(500).collect(),
        }
    }
}

/// Runs the pipeline on samples of its inputs; at most `count` rows of the result are shown.
pub async fn preview(request: RunRequest, count: usize) -> Result<PreviewReport> {
    let stores = Stores::new(request.storage.clone());
    let job = Job::open(&request, &stores).await?;
    let ledger = Arc::new(Ledger::new(job.bad_rows(), Arc::<Progress>::default(), None));
    let settings =
        Settings { partitions: 1, batch_rows: 1024, views: true, hash_join: true, direct: false, own_parts: true };
    let context = session::context(settings, request.memory_limit_bytes.or(Some(MEMORY_BYTES)), None, None)?;
    let samples = try_join_all(job.inputs().iter().map(sample)).await?;
    let partial = samples.iter().any(|sample| !sample.whole);
    let (mut tables, mut main, mut ranges) = (Tables::new(), None, Vec::new());
    for (input, sample) in job.inputs().iter().zip(samples) {
        let rows = Rows { schema: sample.schema, batches: sample.batches };
        ledger.book(rows.count(), sample.rejects).await?;
        tables.insert(input.name.clone(), rows.table(&context)?);
        ranges.extend(sample.ranges);
        if input.name == MAIN_INPUT {
            main = Some(rows);
        }
    }
    // All at once first: so that every problem shows, with its path.
    let all: Vec<_> = job.pipeline.steps.iter().map(Some).collect();
    plan(&all, &job.pipeline.output, &context, &tables, &ledger).map_err(EngineError::invalid_spec)?;
    let main = main.ok_or_else(|| {
        EngineError::new(ErrorCode::InvalidRequest, format!("the request has no input `{MAIN_INPUT}`"))
    })?;
    let (steps, result) = run(&job.pipeline.steps, &context, tables, main, &ledger, partial).await?;
    let schema = plain_schema(&result.schema);
    let mut rows = Vec::new();
    for batch in &result.batches {
        if rows.len() < count {
            rows.extend(rows_json(&plain_batch(batch, &schema)?, count - rows.len())?);
        }
    }
    let snapshot = ledger.progress().snapshot();
    Ok(PreviewReport {
        columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
        schema: to_columns(&schema),
        rows,
        rows_in: snapshot.rows_in,
        rows_out: result.count(),
        rows_rejected: snapshot.rows_rejected,
        rejects: ledger.collected().into_iter().take(100).map(PreviewReject::from).collect(),
        steps,
        sampled: partial,
        ranges,
    })
}
