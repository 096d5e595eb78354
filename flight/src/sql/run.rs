//! Runs planned statements: on threads of their own, so that heavy work never delays the network, each within its limits.
//!
//! A client that does not read stops the work (the channel is full); one that has left ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow_flight::FlightData;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::errors;
use super::settings::SqlLimits;
use super::statement::Planned;
use crate::error::{Error, Result};
use crate::stream::{Encoder, Messages};

/// Messages that wait for the client.
const MESSAGES_AHEAD: usize = 2;
/// Plans are deep: what a thread of DataFusion's may put on its stack.
const STACK_BYTES: usize = 8 << 20;
/// Rows of a batch, and bytes that a sort keeps for merging what it spilled, where there is little memory.
const LITTLE_ROWS: usize = 512;
const MOST_RESERVED: usize = 1 << 20;
/// How long a statement waits for others to end before it is refused.
const QUEUE: Duration = Duration::from_secs(30);

/// The threads of statements. Cloning shares them.
#[derive(Clone)]
pub struct Runner {
    runtime: Arc<Threads>,
    slots: Arc<Semaphore>,
    limits: SqlLimits,
    batch_bytes: usize,
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Runner {
    /// Start the threads.
    pub fn start(limits: SqlLimits, batch_bytes: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("flight-sql")
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Error::Config(format!("The threads of Flight SQL cannot be started: {error}.")))?;
        let slots = Arc::new(Semaphore::new(limits.max_statements));
        Ok(Self { runtime: Arc::new(Threads(Some(runtime))), slots, limits, batch_bytes })
    }

    /// Do some planning on these threads, within the time of a statement.
    pub async fn plan<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut left = self.limits.time_limit();
        let limits = self.limits.clone();
        self.spawn(async move { within(&mut left, &limits, work).await? }).await
    }

    /// Wait for a turn; refused when all are taken for long.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        let turn = tokio::time::timeout(QUEUE, Arc::clone(&self.slots).acquire_owned()).await;
        turn.ok().and_then(std::result::Result::ok).ok_or_else(|| {
            Error::Busy(format!(
                "{} statements run already (FLIGHT_SQL_MAX_STATEMENTS). Read or close the results of others, and try \
                 again in a moment.",
                self.limits.max_statements
            ))
        })
    }

    /// Run a statement; its rows come as the client takes them.
    pub fn run(&self, planned: Planned, turn: OwnedSemaphorePermit) -> Messages {
        let (limits, batch_bytes) = (self.limits.clone(), self.batch_bytes);
        self.stream(turn, move |sender| Box::pin(async move { pump(planned, &sender, &limits, batch_bytes).await }))
    }

    /// Do some work that sends messages, for as long as the client is there.
    pub fn stream(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(mpsc::Sender<Result<FlightData>>) -> BoxFuture<'static, Result<()>>,
    ) -> Messages {
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
        let (last_word, client) = (sender.clone(), sender.clone());
        let work = work(sender);
        let runner = self.clone();
        tokio::spawn(async move {
            let work = async move {
                let _turn = turn;
                tokio::select! {
                    () = client.closed() => Err(Error::Gone),
                    done = work => done,
                }
            };
            match runner.spawn(work).await {
                Ok(()) | Err(Error::Gone) => {}
                // Nobody listening any more is fine.
                Err(error) => drop(last_word.send(Err(error)).await),
            }
        });
        receiver
    }

    /// Run a future on these threads; a panic is this statement's alone.
    async fn spawn<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let gone = || Error::Unavailable("The server is stopping. Try again.".into());
        let task = self.runtime.0.as_ref().ok_or_else(gone)?.spawn(work);
        // A call that is given up takes its work along.
        let mut guard = Abort(Some(task));
        let Some(task) = guard.0.as_mut() else { return Err(gone()) };
        let done = task.await;
        guard.0 = None;
        match done {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(gone()),
            Err(panic) => {
                log::error!("a Flight SQL statement panicked: {panic}");
                Err(Error::Internal("The statement met a fault of the server; its log says more.".into()))
            }
        }
    }
}

/// Ends a task that nobody waits for any more.
struct Abort<T>(Option<tokio::task::JoinHandle<T>>);

impl<T> Drop for Abort<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn pump(
    planned: Planned,
    sender: &mpsc::Sender<Result<FlightData>>,
    limits: &SqlLimits,
    batch_bytes: usize,
) -> Result<()> {
    let mut left = limits.time_limit();
    let mut encoder = Encoder::new(Arc::clone(&planned.schema), batch_bytes);
    send(sender, encoder.schema_message()).await?;
    let mut queue = Vec::new();
    for plan in &planned.plans {
        let mut batches = first_of(&planned, plan, limits, &mut left).await.map_err(errors::statement)?;
        while let Some(batch) = within(&mut left, limits, batches.next()).await? {
            encoder.encode(&batch.map_err(errors::statement)?, &mut queue)?;
            for message in queue.drain(..) {
                send(sender, message).await?;
            }
        }
    }
    Ok(())
}

/// How a statement uses its memory.
#[derive(Clone, Copy)]
enum Care {
    /// In parallel, with hash tables, which cannot spill.
    Usual,
    /// Joins sort instead of hashing.
    NoHashJoin,
    /// One thing at a time, in small batches, so that sorts can spill and merge in very little.
    Little,
}

impl Care {
    fn apply(self, planned: &Planned, limits: &SqlLimits) -> SessionState {
        let mut state = planned.context.state();
        state.config_mut().options_mut().optimizer.prefer_hash_join = matches!(self, Self::Usual);
        if matches!(self, Self::Little) {
            *state.config_mut() = state.config().clone().with_batch_size(LITTLE_ROWS).with_target_partitions(1);
            let options = state.config_mut().options_mut();
            let memory = usize::try_from(limits.memory_limit_bytes).unwrap_or(usize::MAX);
            options.execution.sort_spill_reservation_bytes = (memory / 64).min(MOST_RESERVED);
        }
        state
    }
}

/// A plan's batches, of which the first is there. Where memory does not suffice for it, the plan is made with more care.
async fn first_of(
    planned: &Planned,
    plan: &LogicalPlan,
    limits: &SqlLimits,
    left: &mut Duration,
) -> DfResult<BoxStream<'static, DfResult<RecordBatch>>> {
    let mut started = start(planned, plan, Care::Usual, limits, left).await;
    for care in [Care::NoHashJoin, Care::Little] {
        match started {
            Err(error) if is_exhausted(&error) => {
                log::info!("{error}; trying again with more care");
                started = start(planned, plan, care, limits, left).await;
            }
            done => return done,
        }
    }
    started
}

async fn start(
    planned: &Planned,
    plan: &LogicalPlan,
    care: Care,
    limits: &SqlLimits,
    left: &mut Duration,
) -> DfResult<BoxStream<'static, DfResult<RecordBatch>>> {
    let state = care.apply(planned, limits);
    let outside = |error: Error| DataFusionError::External(Box::new(error));
    let physical = within(left, limits, state.create_physical_plan(plan)).await.map_err(outside)??;
    let mut batches = execute_stream(physical, Arc::new(TaskContext::from(&state)))?;
    let first = within(left, limits, batches.next()).await.map_err(outside)?.transpose()?;
    Ok(stream::iter(first.map(Ok)).chain(batches).boxed())
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// Give a message to the client; `Gone` when it has left.
pub async fn send(sender: &mpsc::Sender<Result<FlightData>>, message: FlightData) -> Result<()> {
    sender.send(Ok(message)).await.map_err(|_| Error::Gone)
}

/// Wait for some work, and take the time off what is left; an error when it is used up.
pub async fn within<T>(left: &mut Duration, limits: &SqlLimits, work: impl Future<Output = T>) -> Result<T> {
    let started = Instant::now();
    let done = tokio::time::timeout(*left, work).await;
    *left = left.saturating_sub(started.elapsed());
    done.map_err(|_| {
        Error::Busy(format!(
            "The statement took longer than {} seconds (FLIGHT_SQL_TIME_LIMIT_SECONDS). Select fewer rows or columns, or \
             run it as a job.",
            limits.time_limit_seconds
        ))
    })
}

/// The messages of a small answer that is in memory.
pub fn answer(batch: &RecordBatch, batch_bytes: usize) -> Result<Messages> {
    let mut encoder = Encoder::new(batch.schema(), batch_bytes);
    let mut queue = vec![encoder.schema_message()];
    encoder.encode(batch, &mut queue)?;
    let (sender, receiver) = mpsc::channel(queue.len());
    for message in queue {
        // There is room for all of them.
        let _ = sender.try_send(Ok(message));
    }
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_is_used_up_by_work_alone() {
        let limits = SqlLimits { time_limit_seconds: 7, ..SqlLimits::default() };
        let mut left = Duration::from_hours(1);
        assert_eq!(within(&mut left, &limits, async { 5 }).await.unwrap(), 5);
        assert!(left > Duration::from_mins(1));
        let mut none = Duration::ZERO;
        let error = within(&mut none, &limits, std::future::pending::<()>()).await.unwrap_err();
        assert!(error.to_string().contains("longer than 7 seconds"), "{error}");
    }

    #[test]
    fn a_panic_ends_one_statement_alone() {
        let limits = SqlLimits { max_statements: 1, ..SqlLimits::default() };
        let runner = Runner::start(limits, 1 << 20).unwrap();
        let runtime = Runtime::new().unwrap();
        let done = runtime.block_on(runner.plan::<(), _>(async { panic!("on purpose") }));
        assert!(matches!(done, Err(Error::Internal(_))), "{done:?}");
        assert_eq!(runtime.block_on(runner.plan(async { Ok(1) })).unwrap(), 1);
        drop(runtime.block_on(runner.turn()).unwrap());
        assert!(runtime.block_on(runner.turn()).is_ok());
    }
}
