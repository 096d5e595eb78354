//! What our operators have in common: they look at the rows of one partition in order and pass some of them on.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, Partitioning, PlanProperties};
use futures::StreamExt;

/// The name of the metric that counts what comes in.
pub(crate) const ROWS_IN: &str = "rows_in";

/// Decides which rows pass.
pub(super) trait Gate: Send + 'static {
    /// The rows of a batch that pass; `None`: all of them.
    fn admit(&mut self, batch: &RecordBatch) -> impl Future<Output = DfResult<Option<BooleanArray>>> + Send;

    /// Called after the last batch.
    fn end(&mut self) -> DfResult<()> {
        Ok(())
    }
}

/// The rows of `input` that pass, in batches of about `batch_rows` rows.
pub(super) fn gated(
    input: SendableRecordBatchStream,
    gate: impl Gate,
    batch_rows: usize,
    counts: Counts,
) -> SendableRecordBatchStream {
    let schema = input.schema();
    let state = State { input, gate, gathered: Gathered::new(Arc::clone(&schema), batch_rows), counts, ended: false };
    let stream =
        futures::stream::try_unfold(
            state,
            |mut state| async move { Ok(state.next().await?.map(|batch| (batch, state))) },
        );
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

struct State<G> {
    input: SendableRecordBatchStream,
    gate: G,
    gathered: Gathered,
    counts: Counts,
    ended: bool,
}

impl<G: Gate> State<G> {
    async fn next(&mut self) -> DfResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.gathered.take() {
                return Ok(Some(self.counts.out(batch)));
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await {
                Some(batch) => {
                    let batch = batch?;
                    self.counts.rows_in.add(batch.num_rows());
                    let mask = self.gate.admit(&batch).await?;
                    self.gathered.push(batch, mask.as_ref())?;
                }
                None => {
                    self.ended = true;
                    self.gate.end()?;
                    self.gathered.finish()?;
                }
            }
        }
    }
}

/// Counts what comes in and goes out.
pub(super) struct Counts {
    pub(super) rows_in: Count,
    baseline: BaselineMetrics,
}

impl Counts {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let rows_in = MetricBuilder::new(metrics).counter(ROWS_IN, partition);
        Self { rows_in, baseline: BaselineMetrics::new(metrics, partition) }
    }

    pub(super) fn out(&self, batch: RecordBatch) -> RecordBatch {
        self.baseline.record_output(batch.num_rows());
        batch
    }
}

/// Gathers rows to batches of a good size.
pub(super) struct Gathered {
    schema: SchemaRef,
    /// `None` if there are no columns, only rows to count.
    coalescer: Option<BatchCoalescer>,
    bare_rows: usize,
}

impl Gathered {
    pub(super) fn new(schema: SchemaRef, batch_rows: usize) -> Self {
        let coalescer = (!schema.fields().is_empty()).then(|| {
            // Big batches that pass whole are not copied.
            let coalescer = BatchCoalescer::new(Arc::clone(&schema), batch_rows);
            coalescer.with_biggest_coalesce_batch_size(Some(batch_rows / 2))
        });
        Self { schema, coalescer, bare_rows: 0 }
    }

    /// Takes the rows of `mask`, or all.
    pub(super) fn push(&mut self, batch: RecordBatch, mask: Option<&BooleanArray>) -> DfResult<()> {
        let kept = mask.map_or(batch.num_rows(), BooleanArray::true_count);
        match (&mut self.coalescer, mask) {
            (None, _) => self.bare_rows += kept,
            (Some(_), _) if kept == 0 => {}
            (Some(coalescer), Some(mask)) if kept < batch.num_rows() => {
                coalescer.push_batch_with_filter(batch, mask)?;
            }
            (Some(coalescer), _) => coalescer.push_batch(batch)?,
        }
        Ok(())
    }

    /// The next full batch.
    pub(super) fn take(&mut self) -> Option<RecordBatch> {
        match &mut self.coalescer {
            Some(coalescer) => coalescer.next_completed_batch(),
            None if self.bare_rows > 0 => {
                let rows = std::mem::take(&mut self.bare_rows);
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options).ok()
            }
            None => None,
        }
    }

    /// Makes a batch of what is left.
    pub(super) fn finish(&mut self) -> DfResult<()> {
        if let Some(coalescer) = &mut self.coalescer {
            coalescer.finish_buffered_batch()?;
        }
        Ok(())
    }
}

/// One partition of the input's rows, in the input's order.
pub(super) fn properties(input: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
    let inner = input.properties();
    Arc::new(
        PlanProperties::new(
            inner.eq_properties.clone(),
            Partitioning::UnknownPartitioning(1),
            inner.emission_type,
            inner.boundedness,
        )
        .with_scheduling_type(inner.scheduling_type),
    )
}

/// What such operators answer alike; for fields `input`, `properties` and `metrics`.
macro_rules! in_order {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn properties(&self) -> &std::sync::Arc<datafusion::physical_plan::PlanProperties> {
            &self.properties
        }

        fn input_distribution_requirements(&self) -> datafusion::physical_plan::InputDistributionRequirements {
            let one = vec![datafusion::physical_plan::Distribution::SinglePartition];
            datafusion::physical_plan::InputDistributionRequirements::new(one)
        }

        fn maintains_input_order(&self) -> Vec<bool> {
            vec![true]
        }

        fn children(&self) -> Vec<&std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            vec![&self.input]
        }

        fn metrics(&self) -> Option<datafusion::physical_plan::metrics::MetricsSet> {
            Some(self.metrics.clone_inner())
        }
    };
}
pub(super) use in_order;
