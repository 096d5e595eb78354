//! Runs a pipeline: opens inputs, plans, reads, computes, writes, proves the ledger, publishes.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::future::try_join_all;
use futures::{FutureExt, StreamExt};
use karyaksham_spec::{MAIN_INPUT, Pipeline, Step};
use tokio::sync::mpsc;

use crate::cancel::{CancellationToken, or_cancelled};
use crate::direct::{self, Direct};
use crate::error::{EngineError, ErrorClass, ErrorCode, Result};
use crate::exec::random_seed;
use crate::group::own_groups;
use crate::guard::{damaged_input, panic_text};
use crate::input::Input;
use crate::output::{Destination, Written, write, write_parts};
use crate::parts::{Parts, is_parts};
use crate::plan::{Tables, plan};
use crate::progress::{Progress, Stage};
use crate::report::{Report, StepReport, peak_memory_bytes, reset_peak_memory};
use crate::request::{OutputRequest, RunRequest};
use crate::rows;
use crate::scan::{BadRows, Ledger, OpenTypes, RejectsWriter};
use crate::session::{self, Settings};
use crate::sink::{ParallelEncoder, Resources, Target, plain_schema};
use crate::sort::own_sorts;
use crate::store::Stores;
use crate::types::to_columns;

/// A checked request with its inputs opened.
pub(crate) struct Job {
    pub(crate) pipeline: Pipeline,
    inputs: Vec<Input>,
    memory_limit: Option<u64>,
    spill_dir: Option<String>,
    spill_limit: Option<u64>,
    threads: usize,
    /// Types that may turn out to be others; never twice in a job.
    open_types: Option<Arc<OpenTypes>>,
}

/// Runs a job to its end. Must be called on a multi-threaded tokio runtime.
///
/// Until this returns a report, nothing shows at the output; after an error or a cancellation, nothing ever does.
pub async fn run(request: RunRequest, progress: Arc<Progress>, cancel: CancellationToken) -> Result<Report> {
    let started = Instant::now();
    reset_peak_memory();
    let output = request
        .output
        .clone()
        .ok_or_else(|| EngineError::new(ErrorCode::InvalidRequest, "the request has no `output`"))?;
    let stores = Stores::new(request.storage.clone());
    tokio::task::spawn_blocking(session::warm);
    let work = async {
        let mut job = or_cancelled(&cancel, Job::open(&request, &stores)).await?;
        let mut settings = VecDeque::from(job.settings());
        loop {
            let Some(attempt) = settings.pop_front() else {
                return Err(EngineError::internal("no attempt was made"));
            };
            progress.restart();
            let ended = job.attempt(attempt, &output, &stores, &progress, &cancel, started).await;
            match ended {
                Err(error) if job.open_types.as_ref().is_some_and(|open| open.met_conflict()) => {
                    log::info!("{error}; reading the whole input for its types, then trying again");
                    or_cancelled(&cancel, job.widen()).await?;
                    settings.push_front(attempt);
                }
                Err(error) if error.code() == ErrorCode::ResourcesExhausted && !settings.is_empty() => {
                    log::info!("{error}; trying again with less parallel work");
                }
                result => return result,
            }
        }
    };
    let result = work.await;
    progress.set_stage(Stage::Done);
    result
}

impl Job {
    /// Checks the specification and opens the inputs.
    pub(crate) async fn open(request: &RunRequest, stores: &Stores) -> Result<Self> {
        let text = request.spec.to_string();
        let (pipeline, problems) = karyaksham_spec::check(&text);
        let mut pipeline = pipeline.ok_or_else(|| EngineError::invalid_spec(problems))?;
        for step in &mut pipeline.steps {
            // Chosen here, so that a second attempt keeps the same rows, and the report can tell it.
            if let Step::Sample(sample) = step {
                sample.seed.get_or_insert_with(random_seed);
            }
        }
        let mut inputs = Vec::new();
        for (name, input) in &request.inputs {
            let overrides = pipeline.inputs.iter().find(|overrides| overrides.name == *name);
            inputs.push(Input::open(name, input, overrides, stores).await?);
        }
        let open: HashSet<String> = inputs.iter().flat_map(Input::open_columns).map(str::to_owned).collect();
        let more = may_have_more(&pipeline, &inputs);
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            open_types: (more || !open.is_empty()).then(|| Arc::new(OpenTypes::new(open, more))),
            pipeline,
            inputs,
            memory_limit: request.memory_limit_bytes,
            spill_dir: request.spill_dir.clone(),
            spill_limit: request.spill_limit_bytes,
            threads: request.threads.filter(|threads| *threads > 0).unwrap_or_else(cores),
        })
    }

    /// Decides types over the whole inputs, after a value did not fit what a sample said. Columns that steps compute with
    /// keep their types: text would be compared and sorted otherwise. Of those, rows that do not fit are rejected.
    pub(crate) async fn widen(&mut self) -> Result<()> {
        self.open_types = None;
        let computing = self
            .pipeline
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::Select(_) | Step::Drop(_) | Step::Limit(_) | Step::Sample(_)));
        let texts: Vec<String> =
            computing.filter_map(|step| serde_json::to_string(step).ok()).map(|text| text.to_lowercase()).collect();
        // A renamed column may be used by its new name.
        let renamed = self.pipeline.steps.iter().any(|step| matches!(step, Step::Rename(_)));
        let used = |name: &str| {
            // As it stands in JSON: with quotes escaped.
            let name = serde_json::Value::from(name.to_lowercase()).to_string();
            let name = name.trim_matches('"');
            (renamed && texts.len() > 1) || texts.iter().any(|text| text.contains(name))
        };
        let more = may_have_more(&self.pipeline, &self.inputs);
        for input in &mut self.inputs {
            input.widen(used, more).await?;
        }
        Ok(())
    }

    /// The attempts: if the memory does not suffice, again with less parallel work, smaller batches, plain texts instead
    /// of views, and joins that can spill.
    pub(crate) fn settings(&self) -> Vec<Settings> {
        // Partitions mix the order of rows: only where a step makes its own order do several of them work.
        let partitions = if keeps_order(&self.pipeline.steps) { 1 } else { self.threads };
        let sort = self.pipeline.steps.iter().position(|step| matches!(step, Step::Sort(_)));
        let own_parts = sort.is_some_and(|sort| self.pipeline.steps[..sort].iter().all(Step::preserves_rows));
        let usual = Settings { partitions, batch_rows: 8192, views: true, hash_join: true, direct: false, own_parts };
        let careful = Settings { partitions: 1, batch_rows: 2048, views: false, hash_join: false, ..usual };
        let mut attempts = vec![usual, careful];
        if direct::may_be(&self.pipeline) {
            attempts.insert(0, Settings { direct: true, ..usual });
        }
        attempts
    }

    /// The plan of all steps.
    pub(crate) async fn plan(&self, context: &SessionContext, ledger: &Arc<Ledger>, views: bool) -> Result<DataFrame> {
        let mut tables = Tables::new();
        for input in &self.inputs {
            tables.insert(input.name.clone(), input.table(context, ledger, views, self.threads).await?);
        }
        let steps: Vec<Option<&Step>> = self.pipeline.steps.iter().map(Some).collect();
        plan(&steps, &self.pipeline.output, context, &tables, ledger).map_err(EngineError::invalid_spec)
    }

    /// The opened inputs.
    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What happens to bad rows.
    pub(crate) fn bad_rows(&self) -> BadRows {
        BadRows { on_bad_row: self.pipeline.on_bad_row, max_rejects: self.pipeline.max_rejects }
    }

    /// What ran, if no input changed meanwhile: neither rows nor complaints of two versions are told as those of one.
    async fn of_same_inputs(&self, ran: Result<Ran>) -> Result<Ran> {
        let about_input = |error: &EngineError| error.code().class() == ErrorClass::Input;
        if ran.as_ref().is_err_and(|error| !about_input(error)) {
            return ran;
        }
        let looked = try_join_all(self.inputs.iter().map(Input::unchanged)).await;
        match (looked, ran) {
            (Ok(_), ran) => ran,
            (Err(changed), Ok(ran)) => {
                ran.written.abort().await;
                Err(changed)
            }
            (Err(changed), Err(_)) => Err(changed),
        }
    }

    async fn attempt(
        &self,
        settings: Settings,
        output: &OutputRequest,
        stores: &Stores,
        progress: &Arc<Progress>,
        cancel: &CancellationToken,
        started: Instant,
    ) -> Result<Report> {
        progress.set_stage(Stage::Planning);
        let destination = or_cancelled(cancel, Destination::open(output, &self.pipeline.output, stores)).await?;
        let rejects = RejectsWriter::new(destination.rejects.clone());
        let ledger = Ledger::new(self.bad_rows(), Arc::clone(progress), Some(rejects));
        let ledger = Arc::new(ledger.with_open_types(self.open_types.clone()));
        let spill = self.spill_dir.as_deref().map(Path::new);
        let context = session::context(settings, self.memory_limit, spill, self.spill_limit)?;
        let frame = or_cancelled(cancel, self.plan(&context, &ledger, settings.views)).await?;
        let target = &destination.main;
        let ran = match self.direct(settings, &context) {
            Some(direct) => {
                let schema = Arc::clone(frame.schema().inner());
                self.directly(direct, schema, target, &ledger, cancel).await
            }
            None => self.planned(frame, &context, target, progress, cancel).await,
        };
        let ran = self.of_same_inputs(ran).await;
        // Readers are gone when the writer is handed back: nothing is booked any more.
        let rejects = ledger.take_writer().await;
        progress.set_stage(Stage::Finishing);
        let (written, schema, (counts, steps)) = match ran {
            Ok(Ran { written, schema, counted: Ok(counted) }) => (written, schema, counted),
            failed => {
                if let Some(rejects) = rejects {
                    rejects.abort().await;
                }
                return Err(match failed {
                    Err(error) => error,
                    Ok(Ran { written, counted, .. }) => {
                        written.abort().await;
                        counted.err().unwrap_or_else(|| EngineError::internal("an error got lost"))
                    }
                });
            }
        };
        let (files, rejects) = destination.publish(written, rejects, counts.rows_out, &self.pipeline.output).await?;
        let snapshot = progress.snapshot();
        Ok(Report {
            rows_in: counts.rows_in,
            rows_out: counts.rows_out,
            rows_filtered: counts.rows_filtered,
            rows_rejected: counts.rows_rejected,
            bytes_read: snapshot.bytes_read,
            bytes_written: files.iter().map(|file| file.size_bytes).sum(),
            seconds: started.elapsed().as_secs_f64(),
            peak_memory_bytes: peak_memory_bytes(),
            schema: to_columns(&plain_schema(&schema)),
            steps,
            files,
            rejects,
            engine_version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// How the pipeline goes the direct way, if it does.
    fn direct(&self, settings: Settings, context: &SessionContext) -> Option<Direct> {
        let [input] = self.inputs.as_slice() else { return None };
        let file = input.text(settings.views).filter(|_| settings.direct && input.name == MAIN_INPUT)?;
        direct::recognise(&self.pipeline, &file, context)
    }

    /// Runs the pipeline the direct way.
    async fn directly(
        &self,
        direct: Direct,
        schema: SchemaRef,
        target: &Target,
        ledger: &Arc<Ledger>,
        cancel: &CancellationToken,
    ) -> Result<Ran> {
        let progress = ledger.progress();
        progress.set_stage(Stage::Running);
        let (upload, totals) = direct.run(target, ledger, self.threads, cancel).await?;
        let snapshot = progress.snapshot();
        let counts = Counts {
            rows_in: progress.booked(),
            rows_out: snapshot.rows_out,
            rows_filtered: snapshot.rows_filtered,
            rows_rejected: snapshot.rows_rejected,
        };
        let counted = counts.proved().map(|counts| {
            let good = counts.rows_in - counts.rows_rejected;
            let steps = totals.reports(&self.pipeline.steps, good, counts.rows_out);
            (counts, steps)
        });
        Ok(Ran { written: Written::One(Box::new(upload)), schema, counted })
    }

    /// Runs the pipeline as DataFusion plans it.
    async fn planned(
        &self,
        frame: DataFrame,
        context: &SessionContext,
        target: &Target,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Ran> {
        let physical = or_cancelled(cancel, self.physical(frame)).await?;
        let schema = physical.schema();
        progress.set_stage(Stage::Running);
        let batches = drive(&physical, context)?;
        let counted = || {
            progress.set_filtered(rows::filtered(physical.as_ref()));
            let (bytes, rows) = rows::scanned(physical.as_ref());
            progress.set_scanned(bytes, rows);
        };
        let form = &self.pipeline.output;
        let (schema, written) = if is_parts(form) {
            let spill = self.spill_dir.as_deref().map(Path::new);
            let parts = Parts::new(form, target, &schema, self.memory_limit, spill)?;
            let schema = parts.schema();
            (schema, Written::Parts(write_parts(parts, batches, progress, cancel, counted).await?))
        } else {
            let resources = Resources { memory_limit: self.memory_limit };
            let encoder = ParallelEncoder::new(form, &schema, resources)?;
            let written = write(target, encoder, batches, progress, cancel, counted).await?;
            (schema, Written::One(Box::new(written)))
        };
        let counts = self.balance(progress, physical.as_ref());
        let steps = |counts: Counts| {
            let good = Some(counts.rows_in - counts.rows_rejected);
            let steps = rows::steps(&self.pipeline.steps, physical.as_ref(), good, counts.rows_out);
            (counts, steps)
        };
        Ok(Ran { written, schema, counted: counts.map(steps) })
    }

    /// The plan as it is executed, with operators of our own.
    pub(crate) async fn physical(&self, frame: DataFrame) -> Result<Arc<dyn ExecutionPlan>> {
        let sorted = own_sorts(frame.create_physical_plan().await?)?;
        // Groups found by several threads come in another order each time; which rows a sample keeps depends on it.
        let samples = self.pipeline.steps.iter().any(|step| matches!(step, Step::Sample(_)));
        Ok(if samples { sorted } else { own_groups(sorted)? })
    }

    /// Proves that no row was lost: rows in = rows out + filtered + rejected, for pipelines that preserve rows.
    pub(crate) fn balance(&self, progress: &Progress, plan: &dyn ExecutionPlan) -> Result<Counts> {
        let snapshot = progress.snapshot();
        let files: u64 = self.inputs.iter().filter(|input| !input.is_text()).filter_map(|input| input.rows).sum();
        let rows_in = progress.booked() + files;
        let preserving = self.pipeline.steps.iter().all(Step::preserves_rows) && self.inputs.len() == 1;
        let limited = self.pipeline.steps.iter().any(|step| matches!(step, Step::Limit(_)));
        let gated = rows::filtered(plan);
        let good = rows_in.saturating_sub(snapshot.rows_rejected);
        // With a limit, reading stops early, and rows on their way count as left out. In Parquet, whole row groups and
        // pages that a filter rules out are never read. In both cases the rest is what was filtered.
        let derived = limited || self.inputs.iter().any(|input| !input.is_text());
        if let [input] = self.inputs.as_slice()
            && !input.is_text()
            && self.pipeline.steps.iter().all(keeps_each_row)
            && snapshot.rows_out != rows_in
        {
            let what = format!("it says that it has {rows_in} rows, but {} came", snapshot.rows_out);
            return Err(damaged_input(&input.location.file_name(), &what));
        }
        let rows_filtered = if preserving && derived { good.saturating_sub(snapshot.rows_out) } else { gated };
        let counts = Counts {
            rows_in: if preserving && derived { rows_in.max(snapshot.rows_out) } else { rows_in },
            rows_out: snapshot.rows_out,
            rows_filtered,
            rows_rejected: snapshot.rows_rejected,
        };
        let counts = if preserving { counts.proved()? } else { counts };
        progress.set_filtered(counts.rows_filtered);
        let (bytes, _) = rows::scanned(plan);
        progress.set_scanned(bytes, counts.rows_in.saturating_sub(progress.booked()));
        Ok(counts)
    }
}

/// Whether inputs may turn out to have columns that their samples did not have. A union takes the same columns of all.
fn may_have_more(pipeline: &Pipeline, inputs: &[Input]) -> bool {
    let union = pipeline.steps.iter().any(|step| matches!(step, Step::Union(_)));
    !union && inputs.iter().any(Input::may_have_more)
}

#[expect(clippy::struct_field_names, reason = "the report's names")]
pub(crate) struct Counts {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) rows_filtered: u64,
    pub(crate) rows_rejected: u64,
}

impl Counts {
    /// Proves that no row was lost.
    fn proved(self) -> Result<Self> {
        if self.rows_in == self.rows_out + self.rows_filtered + self.rows_rejected {
            return Ok(self);
        }
        let message = format!(
            "{} rows in, but {} out + {} filtered + {} rejected",
            self.rows_in, self.rows_out, self.rows_filtered, self.rows_rejected
        );
        Err(EngineError::new(ErrorCode::LedgerMismatch, message)
            .hint("nothing was published; please report this with the specification"))
    }
}

/// What came of an attempt.
struct Ran {
    written: Written,
    schema: SchemaRef,
    /// The counts and the steps' reports, unless the counts do not add up.
    counted: Result<(Counts, Vec<StepReport>)>,
}

/// Whether a step gives one row for each that it takes, whatever is in it.
fn keeps_each_row(step: &Step) -> bool {
    matches!(
        step,
        Step::Select(_)
            | Step::Drop(_)
            | Step::Rename(_)
            | Step::Cast(_)
            | Step::Derive(_)
            | Step::Sort(_)
            | Step::FillNull(_)
    )
}

/// Whether several partitions would mix an order of rows that is promised: that of the input, or that of a sort which
/// other steps follow.
fn keeps_order(steps: &[Step]) -> bool {
    // DataFusion keeps an order that stands at the very end of its plan, and a limit's right after a sort.
    let (mut ordered, mut at_sort) = (true, false);
    for step in steps {
        match step {
            Step::Aggregate(_) | Step::Join(_) | Step::Union(_) | Step::Sql(_) => ordered = false,
            // Which rows it keeps depends on their order, in any case.
            Step::Sample(_) => return true,
            Step::Sort(_) => (ordered, at_sort) = (true, true),
            Step::Limit(_) if at_sort => {}
            // Which rows it keeps depends on the order.
            Step::Limit(_) | Step::Distinct(_) if ordered => return true,
            _ => at_sort = false,
        }
    }
    ordered && !at_sort
}

/// Runs the plan on the runtime's threads, so that computing and writing overlap; ends when the receiver is dropped.
pub(crate) fn drive(
    plan: &Arc<dyn ExecutionPlan>,
    context: &SessionContext,
) -> Result<mpsc::Receiver<Result<RecordBatch>>> {
    let mut stream = execute_stream(Arc::clone(plan), context.task_ctx())?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                // Cancelled: dropping the stream stops everything behind it.
                () = sender.closed() => return,
                next = AssertUnwindSafe(stream.next()).catch_unwind() => next,
            };
            let batch = match next {
                Ok(None) => return,
                Ok(Some(batch)) => batch.map_err(EngineError::from),
                // Without a word this would look like the end of the rows.
                Err(panic) => Err(EngineError::internal(format!("a panic: {}", panic_text(panic.as_ref())))),
            };
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    Ok(receiver)
}
