//! Groups of rows of a text file, made while it is read.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::TryStreamExt;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinHandle;

use super::dimension::Dimension;
use super::plan::Plan;
use super::worker::Worker;
use crate::error::{EngineError, Result};
use crate::scan::{BlockReader, Ledger, ROWS_FILTERED, TextScan};

/// Memory that one thread's groups may take, whatever the limit: what is more goes on as states, to be merged.
const MAX_BYTES: usize = 64 << 20;
/// Groups of which most rows are new ones are handed on while they fit into the processor's cache.
const NEW_GROUPS: usize = 1 << 14;

/// A partial aggregate that reads its file itself. Gives states of groups, maybe several of one group.
#[derive(Debug)]
pub(crate) struct GroupScan {
    plan: Arc<Plan>,
    scan: Arc<dyn ExecutionPlan>,
    /// What this stands for.
    general: Arc<dyn ExecutionPlan>,
    /// The other input of a join, once it was read; `None` inside if it is too large.
    dimension: Arc<OnceCell<Option<Arc<Dimension>>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GroupScan {
    pub(super) fn new(plan: Plan, scan: Arc<dyn ExecutionPlan>, general: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(general.schema()),
            Partitioning::UnknownPartitioning(scan.output_partitioning().partition_count()),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        // The stream waits on a tokio channel, which takes part in cooperative scheduling.
        .with_scheduling_type(SchedulingType::Cooperative);
        let metrics = ExecutionPlanMetricsSet::new();
        let dimension = Arc::default();
        Self { plan: Arc::new(plan), scan, general, dimension, properties: Arc::new(properties), metrics }
    }

    /// Rows that conditions left out so far.
    pub(crate) fn filtered(&self) -> u64 {
        let filtered = self.metrics.clone_inner().sum_by_name(ROWS_FILTERED);
        filtered.map_or(0, |rows| rows.as_usize() as u64)
    }
}

impl DisplayAs for GroupScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupScan: keys={:?}", self.plan.keys)
    }
}

impl ExecutionPlan for GroupScan {
    fn name(&self) -> &'static str {
        "GroupScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.general]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let filtered = MetricBuilder::new(&self.metrics).counter(ROWS_FILTERED, partition);
        let run = Run {
            plan: Arc::clone(&self.plan),
            scan: Arc::clone(&self.scan),
            general: Arc::clone(&self.general),
            dimension: Arc::clone(&self.dimension),
            partition,
            context,
            metrics,
            filtered,
        };
        let stream = futures::stream::once(run.stream()).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// One execution of a partition.
struct Run {
    plan: Arc<Plan>,
    scan: Arc<dyn ExecutionPlan>,
    general: Arc<dyn ExecutionPlan>,
    dimension: Arc<OnceCell<Option<Arc<Dimension>>>>,
    partition: usize,
    context: Arc<TaskContext>,
    metrics: BaselineMetrics,
    filtered: Count,
}

impl Run {
    /// Reads the other input, if there is a join, and then the file.
    async fn stream(self) -> DfResult<SendableRecordBatchStream> {
        let Some(join) = &self.plan.join else { return self.groups(None) };
        let read = || async { Ok::<_, DataFusionError>(Dimension::read(join, &self.context).await?.map(Arc::new)) };
        match self.dimension.get_or_try_init(read).await?.clone() {
            Some(dimension) => self.groups(Some(&dimension)),
            None => {
                log::info!("the other input of a join is too large to be held here; going on in the general way");
                self.general.execute(self.partition, self.context)
            }
        }
    }

    fn groups(self, dimension: Option<&Arc<Dimension>>) -> DfResult<SendableRecordBatchStream> {
        let scan = self.scan.downcast_ref::<TextScan>();
        let scan = scan.ok_or_else(|| DataFusionError::Internal("a scan of another kind".to_owned()))?;
        let (reader, ledger, threads) = scan.reader(self.partition)?;
        let (sender, receiver) = mpsc::channel(1);
        let consumer = MemoryConsumer::new("groups").with_can_spill(true);
        let threads = (0..threads).map(|_| {
            let thread = Thread {
                reader: Arc::clone(&reader),
                ledger: Arc::clone(&ledger),
                worker: Worker::new(Arc::clone(&self.plan), dimension.cloned())?,
                memory: consumer.clone_with_new_id().register(self.context.memory_pool()),
                filtered: self.filtered.clone(),
                sender: sender.clone(),
                runtime: Handle::current(),
                fresh: 0,
            };
            Ok(tokio::task::spawn_blocking(move || thread.run()))
        });
        let threads: Vec<JoinHandle<Result<()>>> = threads.collect::<Result<_>>()?;
        let rows = self.context.session_config().batch_size().max(1);
        let schema = self.general.schema();
        let state = (receiver, threads, None::<RecordBatch>, self.metrics);
        let stream = futures::stream::try_unfold(state, move |(mut receiver, mut threads, rest, metrics)| async move {
            let batch = match rest {
                Some(rest) => Some(rest),
                None => receiver.recv().await,
            };
            if let Some(batch) = batch {
                let count = batch.num_rows().min(rows);
                let left = batch.num_rows() - count;
                let rest = (left > 0).then(|| batch.slice(count, left));
                metrics.record_output(count);
                return Ok(Some((batch.slice(0, count), (receiver, threads, rest, metrics))));
            }
            // All threads are done, well or not.
            while let Some(thread) = threads.pop() {
                let ended = thread.await;
                ended.map_err(|error| DataFusionError::from(EngineError::internal(error.to_string())))??;
            }
            Ok::<_, DataFusionError>(None)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// A thread that reads and groups.
struct Thread {
    reader: Arc<BlockReader>,
    ledger: Arc<Ledger>,
    worker: Worker,
    memory: MemoryReservation,
    filtered: Count,
    sender: mpsc::Sender<RecordBatch>,
    runtime: Handle,
    /// Rows since groups were handed on.
    fresh: u64,
}

/// Ends all threads of a reader if one ends without a word, as by a panic.
struct Watch<'a>(Option<&'a BlockReader>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.0 {
            reader.stop();
        }
    }
}

impl Thread {
    fn run(mut self) -> Result<()> {
        let reader = Arc::clone(&self.reader);
        let mut watch = Watch(Some(&reader));
        let result = self.blocks();
        if result.is_ok() {
            watch.0 = None;
        }
        result
    }

    fn blocks(&mut self) -> Result<()> {
        // Who listens no more needs none of the rows; other threads read on.
        while !self.sender.is_closed() {
            let Some(block) = self.reader.next(&mut self.worker.index, || Ok(()))? else { break };
            let done = self.worker.take(&block)?;
            drop(block);
            self.filtered.add(usize::try_from(done.filtered).unwrap_or(usize::MAX));
            self.fresh += done.good - done.filtered;
            self.runtime.block_on(self.ledger.book(done.good, done.rejects))?;
            let groups = self.worker.groups();
            let size = self.worker.size();
            let scattered = groups > NEW_GROUPS && groups as u64 * 2 > self.fresh;
            if scattered || size > MAX_BYTES || self.memory.try_resize(size).is_err() {
                self.hand_on()?;
            }
        }
        self.hand_on()
    }

    /// Hands all groups on: they are merged behind, where there is a way to spill.
    fn hand_on(&mut self) -> Result<()> {
        let states = self.worker.states()?;
        self.fresh = 0;
        if states.num_rows() > 0 {
            // Closed if nobody listens.
            let _ = self.sender.blocking_send(states);
        }
        self.memory.free();
        Ok(())
    }
}
