//! A job in the background: what the bindings hold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::cancel::CancellationToken;
use crate::error::{EngineError, Result};
use crate::execute::run;
use crate::guard::panic_text;
use crate::inspect::{self, InspectRequest};
use crate::preview::{PreviewReport, preview};
use crate::profile::{ProfileReport, ProfileRequest, profile};
use crate::progress::{Progress, Snapshot, Stage};
use crate::report::Report;
use crate::request::{RunRequest, parse};

/// A running or ended job, which ends with a report `T`.
#[derive(Debug, Clone)]
pub struct JobHandle<T = Report> {
    progress: Arc<Progress>,
    cancel: CancellationToken,
    outcome: Arc<Outcome<T>>,
}

#[derive(Debug)]
struct Outcome<T> {
    result: Mutex<Option<Result<T>>>,
    ended: Condvar,
}

/// Starts a job on a thread and a CPU pool of its own.
pub fn submit(request: &str) -> Result<JobHandle> {
    let request: RunRequest = parse(request)?;
    start(request.threads, |progress, cancel| run(request, progress, cancel))
}

/// Starts to profile a file, in the same way.
pub fn submit_profile(request: &str) -> Result<JobHandle<ProfileReport>> {
    let request: ProfileRequest = parse(request)?;
    start(request.threads, |progress, cancel| profile(request, progress, cancel))
}

fn start<T: Clone + Send + 'static, F: Future<Output = Result<T>>>(
    threads: Option<usize>,
    work: impl FnOnce(Arc<Progress>, CancellationToken) -> F + Send + 'static,
) -> Result<JobHandle<T>> {
    let outcome = Arc::new(Outcome { result: Mutex::new(None), ended: Condvar::new() });
    let handle = JobHandle { progress: Arc::default(), cancel: CancellationToken::new(), outcome };
    let inner = handle.clone();
    std::thread::Builder::new().name("karyaksham-job".to_owned()).spawn(move || {
        let result = on_runtime(threads, work(Arc::clone(&inner.progress), inner.cancel.clone()));
        inner.progress.set_stage(Stage::Done);
        *inner.outcome.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        inner.outcome.ended.notify_all();
    })?;
    Ok(handle)
}

impl<T: Clone> JobHandle<T> {
    /// The counters now.
    pub fn progress(&self) -> Snapshot {
        self.progress.snapshot()
    }

    /// Asks the job to stop; it ends with [`ErrorCode::Cancelled`] unless it ended before.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether it ended.
    pub fn is_done(&self) -> bool {
        self.outcome.result.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits for the end; `None` if the time passes first.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Result<T>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut result = self.outcome.result.lock().unwrap_or_else(PoisonError::into_inner);
        while result.is_none() {
            result = match deadline {
                None => self.outcome.ended.wait(result).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    self.outcome.ended.wait_timeout(result, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        result.clone()
    }
}

/// Inspects a file.
pub fn inspect_blocking(request: &str) -> Result<inspect::Report> {
    let request: InspectRequest = parse(request)?;
    on_runtime(None, inspect::inspect(request))
}

/// Compares a file with a fixed schema.
pub fn schema_diff_blocking(request: &str) -> Result<inspect::SchemaDiff> {
    let request: inspect::DiffRequest = parse(request)?;
    on_runtime(None, inspect::schema_diff(request))
}

/// Previews a pipeline.
pub fn preview_blocking(request: &str, rows: usize) -> Result<PreviewReport> {
    let request: RunRequest = parse(request)?;
    on_runtime(request.threads, preview(request, rows))
}

/// Runs work on a new CPU pool and takes it down afterwards. A panic becomes [`ErrorCode::Internal`].
fn on_runtime<T>(threads: Option<usize>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads.filter(|threads| *threads > 0) {
        builder.worker_threads(threads);
    }
    // Deep plans recurse; idle threads of the blocking pool go soon. Tasks take milliseconds, not microseconds: after each
    // of them a thread looks for what comes from outside, which a cancelled job's end is.
    builder
        .event_interval(1)
        .global_queue_interval(1)
        .thread_name("karyaksham-cpu")
        .thread_stack_size(4 << 20)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all();
    let runtime: Runtime = builder.build()?;
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    // Readers of a cancelled job end when they notice that nobody listens.
    runtime.shutdown_background();
    result.unwrap_or_else(|panic| Err(EngineError::internal(format!("a panic: {}", panic_text(panic.as_ref())))))
}
