//! `distinct`: passes the first row of each key on, in the order of the input, as soon as it is read.
//!
//! Only the keys are kept in memory, never the rows. Equal keys are equal values: null equals null, `NaN` equals `NaN`,
//! and 0 equals -0.

mod keys;
mod spill;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DfResult;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

use super::gate::{Counts, Gathered, in_order, properties};
use keys::{Added, Keys};
use spill::{Replay, Spill};

/// Rows whose look-ups are prepared together.
const WARM_ROWS: usize = 128;

/// Whether values of a type can be compared as keys.
pub(crate) fn comparable(kind: &DataType) -> bool {
    RowConverter::supports_fields(&[SortField::new(kind.clone())])
}

/// Keeps the first row of each key.
#[derive(Debug)]
pub(crate) struct DistinctExec {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    fields: Vec<SortField>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DistinctExec {
    pub(crate) fn try_new(keys: Vec<Arc<dyn PhysicalExpr>>, input: Arc<dyn ExecutionPlan>) -> DfResult<Self> {
        let schema = input.schema();
        let kinds = keys.iter().map(|key| key.data_type(&schema));
        let fields = kinds.map(|kind| kind.map(SortField::new)).collect::<DfResult<_>>()?;
        let properties = properties(&input);
        Ok(Self { keys, fields, input, properties, metrics: ExecutionPlanMetricsSet::new() })
    }
}

impl DisplayAs for DistinctExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinctExec:")?;
        self.keys.iter().try_for_each(|key| write!(f, " {key}"))
    }
}

impl ExecutionPlan for DistinctExec {
    in_order!("DistinctExec");

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        for key in &self.keys {
            if f(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(input) => Arc::new(Self::try_new(self.keys.clone(), input)?),
            None => self,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let schema = input.schema();
        let env = context.runtime_env();
        let consumer = MemoryConsumer::new("distinct").with_can_spill(true);
        let converter = RowConverter::new(self.fields.clone())?;
        let batch_rows = context.session_config().batch_size();
        let state = Distinct {
            input,
            exprs: self.keys.clone(),
            rows: converter.empty_rows(0, 0),
            converter,
            hasher: foldhash::fast::RandomState::default(),
            hashes: Vec::new(),
            keys: Keys::new(consumer.register(&env.memory_pool)),
            gathered: Gathered::new(Arc::clone(&schema), batch_rows),
            counts: Counts::new(&self.metrics, partition),
            spill: None,
            replay: None,
            ended: false,
            spill_metrics: SpillMetrics::new(&self.metrics, partition),
            context,
        };
        let stream = futures::stream::try_unfold(state, |mut state| async move {
            Ok(state.next().await?.map(|batch| (batch, state)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// One execution.
struct Distinct {
    input: SendableRecordBatchStream,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    converter: RowConverter,
    /// Keys of the batch at hand, and their hashes.
    rows: Rows,
    hashes: Vec<u64>,
    hasher: foldhash::fast::RandomState,
    keys: Keys,
    gathered: Gathered,
    counts: Counts,
    spill: Option<Spill>,
    replay: Option<Replay>,
    ended: bool,
    spill_metrics: SpillMetrics,
    context: Arc<TaskContext>,
}

impl Distinct {
    async fn next(&mut self) -> DfResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.gathered.take() {
                return Ok(Some(self.counts.out(batch)));
            }
            if let Some(replay) = &mut self.replay {
                match replay.next().await? {
                    Some((batch, first)) => self.gathered.push(batch, Some(&first))?,
                    None => {
                        self.replay = None;
                        self.gathered.finish()?;
                    }
                }
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.next().await {
                Some(batch) => self.read(batch?)?,
                None => self.end().await?,
            }
        }
    }

    async fn end(&mut self) -> DfResult<()> {
        self.ended = true;
        match self.spill.take() {
            None => {
                self.keys.clear();
                self.gathered.finish()
            }
            Some(spill) => {
                self.keys.clear();
                let bitmap =
                    MemoryConsumer::new("distinct: rows found").register(&self.context.runtime_env().memory_pool);
                self.replay = Some(spill.replay(&mut self.keys, bitmap).await?);
                Ok(())
            }
        }
    }

    fn read(&mut self, batch: RecordBatch) -> DfResult<()> {
        let count = batch.num_rows();
        self.counts.rows_in.add(count);
        let keys = self.exprs.iter().map(|expr| Ok(same(&expr.evaluate(&batch)?.into_array(count)?)));
        let keys = keys.collect::<DfResult<Vec<_>>>()?;
        self.rows.clear();
        self.converter.append(&mut self.rows, &keys)?;
        self.hashes.clear();
        self.hashes.extend(self.rows.iter().map(|row| self.hasher.hash_one(row.data())));

        // Before the first key that does not fit, rows go out; from there on, to files.
        let mut checked = 0;
        if self.spill.is_none() {
            let mut first = vec![false; count];
            while checked < count {
                if checked.is_multiple_of(WARM_ROWS) {
                    self.keys.warm(&self.hashes[checked..count.min(checked + WARM_ROWS)]);
                }
                match self.keys.add(self.hashes[checked], self.rows.row(checked).data()) {
                    Added::New => first[checked] = true,
                    Added::Known => {}
                    Added::Full => {
                        self.spill = Some(self.start_spilling()?);
                        break;
                    }
                }
                checked += 1;
            }
            self.gathered.push(batch.clone(), Some(&BooleanArray::from(first)))?;
        }
        let Some(spill) = &mut self.spill else { return Ok(()) };
        let mut candidates = vec![false; count];
        for (row, candidate) in candidates.iter_mut().enumerate().skip(checked) {
            let (hash, key) = (self.hashes[row], self.rows.row(row));
            if !self.keys.contains(hash, key.data()) {
                spill.key(hash, key.data())?;
                *candidate = true;
            }
        }
        spill.rows(batch, &BooleanArray::from(candidates))
    }

    fn start_spilling(&self) -> DfResult<Spill> {
        let env = self.context.runtime_env();
        log::info!("distinct: the keys do not fit into memory; going on with files");
        let batch_rows = self.context.session_config().batch_size();
        Spill::begin(env, self.input.schema(), batch_rows, self.spill_metrics.clone())
    }
}

/// The values with one bit pattern for each value: `NaN` and zero have several.
fn same(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let one = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        DataType::Float32 => {
            let one = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        _ => Arc::clone(array),
    }
}
