//! A text file as a DataFusion table.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::{BoxStream, StreamExt};

use super::blocks::BlockReader;
use super::parse::Parsed;
use super::predicate::Predicate;
use super::stream::{batches, ordered, shared};
use super::{BlockParser, Ledger, TextFile};
use crate::error::Result;

/// The metric that counts rows which conditions left out.
pub(crate) const ROWS_FILTERED: &str = "rows_filtered";

/// A text file as a table. Only the columns that a query uses are converted, and filters are checked while it is read.
#[derive(Debug)]
pub struct TextTable {
    file: TextFile,
    ledger: Arc<Ledger>,
    threads: usize,
    booked: Arc<OnceLock<Arc<()>>>,
}

impl TextTable {
    /// The table of a file, read by `threads` threads; its rows are booked in `ledger`.
    pub fn new(file: TextFile, ledger: Arc<Ledger>, threads: usize) -> Self {
        Self { file, ledger, threads, booked: Arc::default() }
    }
}

#[async_trait]
impl TableProvider for TextTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.file.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| {
            if filter.is_volatile() {
                TableProviderFilterPushDown::Unsupported
            } else {
                TableProviderFilterPushDown::Exact
            }
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let predicate = match filters {
            [] => None,
            filters => Some(Predicate::plan(filters, &self.file.schema, session)?),
        };
        let conditions = filters.iter().flat_map(split_conjunction).map(|condition| {
            let planned = Predicate::plan(std::slice::from_ref(condition), &self.file.schema, session)?;
            DfResult::Ok((condition.clone(), planned))
        });
        let conditions = conditions.collect::<DfResult<_>>()?;
        let parser = self.file.parser(projection.map(Vec::as_slice), predicate)?;
        let partitions = session.config().target_partitions().min(self.threads).max(1);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(parser.schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        // The stream waits on tokio channels, which take part in cooperative scheduling.
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Arc::new(TextScan {
            file: self.file.clone(),
            parser,
            projection: projection.cloned().unwrap_or_else(|| (0..self.file.schema.fields().len()).collect()),
            conditions,
            ledger: Arc::clone(&self.ledger),
            booked: Arc::clone(&self.booked),
            identity: Arc::default(),
            threads: self.threads,
            partitions,
            runs: Mutex::new(Runs { executions: vec![0; partitions], readers: Vec::new() }),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

/// Reads a text file; may be executed any number of times. One partition gives the rows in input order; several share
/// them out as they come.
#[derive(Debug)]
pub(crate) struct TextScan {
    file: TextFile,
    parser: Arc<dyn BlockParser>,
    /// The columns that are read, by their places in the file.
    projection: Vec<usize>,
    /// What must be true of rows, in the order in which it is checked: by the names of the file's columns, and planned.
    conditions: Vec<(Expr, Predicate)>,
    ledger: Arc<Ledger>,
    /// The one of the table's scans that books rows: a file counts once, however often a plan reads it.
    booked: Arc<OnceLock<Arc<()>>>,
    identity: Arc<()>,
    threads: usize,
    partitions: usize,
    runs: Mutex<Runs>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The readers that partitions share: the first execution of each partition belongs to the first one, and so on.
#[derive(Debug)]
struct Runs {
    executions: Vec<usize>,
    readers: Vec<Arc<BlockReader>>,
}

impl Runs {
    fn reader(&mut self, run: usize, file: &TextFile, ledger: &Ledger) -> Result<Arc<BlockReader>> {
        if run == self.readers.len() {
            self.readers.push(Arc::new(BlockReader::open(file, Arc::clone(ledger.progress()))?));
        }
        Ok(Arc::clone(&self.readers[run]))
    }
}

impl TextScan {
    /// Whether conditions are checked here.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// The file.
    pub(crate) fn file(&self) -> &TextFile {
        &self.file
    }

    /// The columns that are read, by their places in the file.
    pub(crate) fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// What must be true of rows, in the order in which it is checked: by the names of the file's columns, and planned.
    pub(crate) fn conditions(&self) -> &[(Expr, Predicate)] {
        &self.conditions
    }

    /// The next execution of a partition, and the ledger that books it.
    fn begin(&self, runs: &mut Runs, partition: usize) -> (usize, Arc<Ledger>) {
        let run = runs.executions[partition];
        runs.executions[partition] += 1;
        let books = run == 0 && Arc::ptr_eq(self.booked.get_or_init(|| Arc::clone(&self.identity)), &self.identity);
        (run, if books { Arc::clone(&self.ledger) } else { Arc::new(Ledger::silent()) })
    }

    /// Executes a partition for whoever reads blocks himself: the reader, which the partitions share, the ledger in which
    /// to book their rows, and how many threads should read.
    pub(crate) fn reader(&self, partition: usize) -> Result<(Arc<BlockReader>, Arc<Ledger>, usize)> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (run, ledger) = self.begin(&mut runs, partition);
        let reader = runs.reader(run, &self.file, &ledger)?;
        Ok((reader, ledger, (self.threads / self.partitions).max(1)))
    }

    fn parsed(&self, partition: usize) -> Result<BoxStream<'static, Result<Parsed>>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let (run, ledger) = self.begin(&mut runs, partition);
        if self.partitions == 1 {
            return ordered(&self.file, &self.parser, ledger, self.threads);
        }
        Ok(shared(runs.reader(run, &self.file, &ledger)?, Arc::clone(&self.parser), ledger))
    }
}

impl DisplayAs for TextScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextScan: {}", self.file.location.file_name())
    }
}

impl ExecutionPlan for TextScan {
    fn name(&self) -> &'static str {
        "TextScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
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

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let filtered: Count = MetricBuilder::new(&self.metrics).counter(ROWS_FILTERED, partition);
        let parsed = self.parsed(partition)?.inspect(move |parsed| {
            if let Ok(parsed) = parsed {
                filtered.add(usize::try_from(parsed.filtered).unwrap_or(usize::MAX));
                metrics.record_output(parsed.batches.iter().map(arrow::array::RecordBatch::num_rows).sum());
            }
        });
        let stream = batches(parsed.boxed()).map(|batch| batch.map_err(DataFusionError::from));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.parser.schema(), stream)))
    }

    /// What a reader can tell beforehand: so a join holds the smaller input.
    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> DfResult<Arc<Statistics>> {
        let parts = if args.partition().is_some() { self.partitions } else { 1 };
        let bytes = usize::try_from(self.file.size).unwrap_or(usize::MAX) / parts;
        let read = bytes / self.file.schema.fields().len().max(1) * self.projection.len();
        Ok(Arc::new(Statistics::new_unknown(&self.schema()).with_total_byte_size(Precision::Inexact(read))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Reads some columns of a file as DataFusion's kind of stream, in input order.
pub fn projected_stream(
    file: &TextFile,
    projection: Option<&[usize]>,
    ledger: Arc<Ledger>,
) -> Result<SendableRecordBatchStream> {
    let parser = file.parser(projection, None)?;
    let schema = parser.schema();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stream = batches(ordered(file, &parser, ledger, threads)?).map(|batch| batch.map_err(DataFusionError::from));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}
