//! Sorting: all rows, stable, in parallel; in memory while they fit, else in runs on disk that are merged.
//!
//! Equal keys keep the order of their rows in the input (partition by partition, if the input has several). Nulls go
//! where the sort says. Keys are packed into integers where they fit ([`keys`]), rows are moved once ([`gather`]), and
//! runs on disk are merged by their keys ([`runs`]). All of it is done by tasks of a few milliseconds on the job's
//! threads, so that a job can be cancelled at any time.

mod collect;
mod gather;
mod keys;
mod order;
mod runs;
mod texts;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use tokio::sync::mpsc;

use crate::error::Result;
use crate::task::Task;

/// Sorted batches that wait for whoever takes them.
const BATCHES_AHEAD: usize = 2;

/// Puts our sort in place of DataFusion's wherever all rows come out as one sorted sequence.
pub(crate) fn own_sorts(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let own = |node: Arc<dyn ExecutionPlan>| {
        Ok(match sorted_input(&node) {
            Some((input, order)) => {
                Transformed::yes(Arc::new(SortRows { input, order, properties: Arc::clone(node.properties()) })
                    as Arc<dyn ExecutionPlan>)
            }
            None => Transformed::no(node),
        })
    };
    Ok(plan.transform_down(own)?.data)
}

/// What a node sorts as a whole, and by what.
fn sorted_input(node: &Arc<dyn ExecutionPlan>) -> Option<(Arc<dyn ExecutionPlan>, LexOrdering)> {
    let sort = match node.downcast_ref::<SortPreservingMergeExec>() {
        Some(merge) if merge.fetch().is_none() => {
            merge.input().downcast_ref::<SortExec>().filter(|sort| sort.expr() == merge.expr())?
        }
        Some(_) => return None,
        None => {
            let sort = node.downcast_ref::<SortExec>()?;
            // Partitions that are sorted each by itself have another use.
            if sort.preserve_partitioning() && sort.input().output_partitioning().partition_count() > 1 {
                return None;
            }
            sort
        }
    };
    if sort.fetch().is_some() {
        return None;
    }
    let input = match sort.input().downcast_ref::<CoalescePartitionsExec>() {
        Some(coalesce) if coalesce.fetch().is_none() => coalesce.input(),
        _ => sort.input(),
    };
    Some((Arc::clone(input), sort.expr().clone()))
}

/// Sorts all rows of all partitions of its input.
#[derive(Debug)]
struct SortRows {
    input: Arc<dyn ExecutionPlan>,
    order: LexOrdering,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for SortRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SortRows: {}", self.order)
    }
}

impl ExecutionPlan for SortRows {
    fn name(&self) -> &'static str {
        "SortRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        for key in &self.order {
            if f(&key.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("a sort has one input".to_owned()));
        };
        Ok(Arc::new(Self { input, order: self.order.clone(), properties: Arc::clone(&self.properties) }))
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let partitions = self.input.output_partitioning().partition_count();
        let inputs: DfResult<Vec<_>> =
            (0..partitions).map(|partition| self.input.execute(partition, Arc::clone(&context))).collect();
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let (inputs, order, schema) = (inputs?, self.order.clone(), self.input.schema());
        let sorting = Task::spawn({
            let schema = Arc::clone(&schema);
            async move { collect::sort(inputs, schema, order, &context, &Out(sender)).await }
        });
        let sorted = futures::stream::try_unfold((receiver, Some(sorting)), |(mut receiver, sorting)| async move {
            if let Some(batch) = receiver.recv().await {
                return Ok(Some((batch, (receiver, sorting))));
            }
            // The sender is gone: the task ended, well or not.
            if let Some(sorting) = sorting {
                sorting.await.map_err(DataFusionError::from)?;
            }
            Ok(None)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
    }
}

/// Where sorted batches go.
struct Out(mpsc::Sender<RecordBatch>);

impl Out {
    async fn send(&self, batch: RecordBatch) -> Result<()> {
        self.0.send(batch).await.map_err(|_| crate::cancel::cancelled())
    }
}

/// The values of the sort's keys in a batch.
fn key_columns(order: &LexOrdering, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    order.iter().map(|key| Ok(key.expr.evaluate(batch)?.into_array(batch.num_rows())?)).collect()
}
