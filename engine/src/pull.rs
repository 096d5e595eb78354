//! A pipeline whose rows go to the caller as they come, and nowhere else: what Flight's pull mode runs.
//!
//! There is no place for rejects, so that a bad row ends the rows, unless the specification itself says
//! `"onBadRow": "reject"`: then [`Rows::finish`] tells how many were left out. The ledger is proved as in a job.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use futures::future::try_join_all;
use karyaksham_spec::OnBadRow;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::{EngineError, ErrorCode, Result};
use crate::execute::{Job, drive};
use crate::input::Input;
use crate::progress::Progress;
use crate::request::RunRequest;
use crate::scan::Ledger;
use crate::session::{self, Settings};
use crate::sink::plain_schema;
use crate::store::Stores;

/// A pipeline that can be run. All of it must be called on a multi-threaded tokio runtime.
pub struct Pull {
    job: Job,
    memory_limit: Option<u64>,
    spill_dir: Option<String>,
    spill_limit: Option<u64>,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Rows read.
    pub rows_in: u64,
    /// Rows handed out.
    pub rows_out: u64,
    /// Rows left out by filters and limits.
    pub rows_filtered: u64,
    /// Rows rejected.
    pub rows_rejected: u64,
}

impl Pull {
    /// Checks the specification and opens the inputs. The request's output is not looked at.
    pub async fn open(request: RunRequest, stores: Stores) -> Result<Self> {
        let runtime = Handle::current();
        // On a thread of its own, because this future cannot move between threads.
        let opened = tokio::task::spawn_blocking(move || runtime.block_on(Self::opened(&request, &stores)));
        opened.await.map_err(|error| EngineError::internal(format!("opening a pipeline: {error}")))?
    }

    async fn opened(request: &RunRequest, stores: &Stores) -> Result<Self> {
        let mut job = Job::open(request, stores).await?;
        if request.spec.get("onBadRow").is_none() {
            job.pipeline.on_bad_row = OnBadRow::Fail;
        }
        // Rows that are out cannot be taken back: what a sample said of types is settled before the first one.
        job.widen().await?;
        Ok(Self {
            job,
            memory_limit: request.memory_limit_bytes,
            spill_dir: request.spill_dir.clone(),
            spill_limit: request.spill_limit_bytes,
        })
    }

    /// The columns that will come, text as `Utf8`.
    pub async fn schema(&self) -> Result<SchemaRef> {
        let settings = self.attempts().next().ok_or_else(|| EngineError::internal("no attempt can be made"))?;
        Ok(plain_schema(&self.plan(settings).await?.plan.schema()))
    }

    /// Starts it. Reading goes on while rows are taken, as far as operators hold a few batches; it stops with the `Rows`.
    pub async fn start(self) -> Result<Rows> {
        let mut attempts = self.attempts();
        loop {
            let settings = attempts.next().ok_or_else(|| EngineError::internal("no attempt was made"))?;
            let planned = self.plan(settings).await?;
            let mut batches = drive(&planned.plan, &planned.context)?;
            match batches.recv().await.transpose() {
                Err(error) if error.code() == ErrorCode::ResourcesExhausted && attempts.len() > 0 => {
                    log::info!("{error}; trying again with less parallel work");
                }
                Err(error) => return Err(self.of_changed_inputs(error).await),
                Ok(first) => return Ok(Rows { pull: self, planned, first, batches }),
            }
        }
    }

    fn attempts(&self) -> std::vec::IntoIter<Settings> {
        let planned: Vec<_> = self.job.settings().into_iter().filter(|settings| !settings.direct).collect();
        planned.into_iter()
    }

    async fn plan(&self, settings: Settings) -> Result<Planned> {
        let progress = Arc::<Progress>::default();
        let ledger = Arc::new(Ledger::new(self.job.bad_rows(), Arc::clone(&progress), None));
        let spill = self.spill_dir.as_deref().map(Path::new);
        let context = session::context(settings, self.memory_limit, spill, self.spill_limit)?;
        let frame = self.job.plan(&context, &ledger, settings.views).await?;
        Ok(Planned { plan: self.job.physical(frame).await?, context, progress })
    }

    /// What is wrong with rows of an input that changed meanwhile is not worth telling.
    async fn of_changed_inputs(&self, error: EngineError) -> EngineError {
        match self.unchanged().await {
            Err(changed) if changed.code() == ErrorCode::InputChanged => changed,
            _ => error,
        }
    }

    async fn unchanged(&self) -> Result<()> {
        try_join_all(self.job.inputs().iter().map(Input::unchanged)).await.map(drop)
    }
}

struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: SessionContext,
    progress: Arc<Progress>,
}

/// The rows of a pipeline that runs. Dropping them ends it.
pub struct Rows {
    pull: Pull,
    planned: Planned,
    first: Option<RecordBatch>,
    batches: mpsc::Receiver<Result<RecordBatch>>,
}

impl Rows {
    /// The columns that come, text as `Utf8`; batches themselves may hold views.
    pub fn schema(&self) -> SchemaRef {
        plain_schema(&self.planned.plan.schema())
    }

    /// The next rows; `None` behind the last, after which [`Self::finish`] says whether they were all.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => match self.batches.recv().await.transpose() {
                Ok(next) => next,
                Err(error) => return Err(self.pull.of_changed_inputs(error).await),
            },
        };
        if let Some(batch) = &next {
            self.planned.progress.add_out(batch.num_rows() as u64);
        }
        Ok(next)
    }

    /// Proves that no row was lost, and that no input changed while it was read.
    pub async fn finish(self) -> Result<RowCounts> {
        self.pull.unchanged().await?;
        let counts = self.pull.job.balance(&self.planned.progress, self.planned.plan.as_ref())?;
        Ok(RowCounts {
            rows_in: counts.rows_in,
            rows_out: counts.rows_out,
            rows_filtered: counts.rows_filtered,
            rows_rejected: counts.rows_rejected,
        })
    }
}
