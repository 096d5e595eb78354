//! An Arrow IPC file as a DataFusion table: batches are read one by one, so that memory does not grow with the file.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt;

use super::ArrowFile;
use crate::store::Location;

/// The table of a file.
#[derive(Debug)]
pub(crate) struct ArrowTable {
    location: Location,
    size: u64,
    schema: SchemaRef,
}

impl ArrowTable {
    /// Opens a file of `size` bytes.
    pub(crate) async fn open(location: &Location, size: u64) -> crate::Result<Self> {
        let schema = ArrowFile::open(location, Some(size)).await?.schema();
        Ok(Self { location: location.clone(), size, schema })
    }
}

#[async_trait]
impl TableProvider for ArrowTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let mut file = ArrowFile::open(&self.location, Some(self.size)).await?;
        let mut schema = Arc::clone(&self.schema);
        if let Some(columns) = projection {
            (file, schema) = (file.project(columns), Arc::new(schema.project(columns)?));
        }
        if let MemoryLimit::Finite(limit) = session.runtime_env().memory_pool.memory_limit() {
            file = file.with_most_bytes(limit as u64);
        }
        let partitions = session.config().target_partitions().min(file.batches()).max(1);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(ArrowScan {
            file: Arc::new(file),
            name: self.location.file_name(),
            schema,
            partitions,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

/// Reads an Arrow IPC file; each partition a part of it, in the file's order.
#[derive(Debug)]
pub(crate) struct ArrowScan {
    file: Arc<ArrowFile>,
    name: String,
    schema: SchemaRef,
    partitions: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DisplayAs for ArrowScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrowScan: {}", self.name)
    }
}

impl ExecutionPlan for ArrowScan {
    fn name(&self) -> &'static str {
        "ArrowScan"
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

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let scanned = MetricBuilder::new(&self.metrics).counter("bytes_scanned", partition);
        let count = self.file.batches();
        let numbers = count * partition / self.partitions..count * (partition + 1) / self.partitions;
        let ranges = numbers.clone().map(|number| self.file.range(number));
        let mut sizes = ranges.collect::<Result<Vec<_>, _>>()?.into_iter();
        let most = context.session_config().batch_size();
        let batches = Arc::clone(&self.file).read_some(numbers).flat_map(move |batch| {
            let size = sizes.next().map_or(0, |range| range.end - range.start);
            scanned.add(usize::try_from(size).unwrap_or(usize::MAX));
            let parts: Vec<DfResult<RecordBatch>> = match batch {
                Ok(batch) => {
                    baseline.record_output(batch.num_rows());
                    slices(&batch, most).map(Ok).collect()
                }
                Err(error) => vec![Err(DataFusionError::from(error))],
            };
            futures::stream::iter(parts)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// A batch in parts of `most` rows, which share its memory: steps make arrays of their own for one part at a time.
fn slices(batch: &RecordBatch, most: usize) -> impl Iterator<Item = RecordBatch> + '_ {
    let most = most.max(1);
    (0..batch.num_rows()).step_by(most).map(move |start| batch.slice(start, most.min(batch.num_rows() - start)))
}
