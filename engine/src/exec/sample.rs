//! `sample`: keeps each row with a probability, decided by the row's place among the rows that come in.

use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::gate::{Counts, Gate, gated, in_order, properties};

/// Which rows are kept.
///
/// The rule is exact: row number `n` (from 0) is kept if `mix(mix(seed) + (n + 1) · γ)`, as a number from 0 to 1 of 53
/// bits, lies below the fraction; `mix` and `γ` are those of `SplitMix64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sampling {
    seed: u64,
    /// The fraction in units of 2⁻⁵³.
    below: u64,
}

/// 2⁵³.
const UNIT: f64 = 9_007_199_254_740_992.0;

impl Sampling {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lies between 0 and 2⁵³")]
    pub(crate) fn new(fraction: f64, seed: u64) -> Self {
        Self { seed, below: (fraction.clamp(0.0, 1.0) * UNIT) as u64 }
    }

    fn keeps(self, start: u64, row: u64) -> bool {
        mix(start.wrapping_add(row.wrapping_add(1).wrapping_mul(GAMMA))) >> 11 < self.below
    }
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A seed for a sample without one; below 2⁵³, so that every JSON reader takes it as it is.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The keys of a new `RandomState` come from the system's randomness.
    RandomState::new().hash_one(std::time::SystemTime::now()) >> 11
}

/// Keeps a random part of the rows.
#[derive(Debug)]
pub(crate) struct SampleExec {
    sampling: Sampling,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SampleExec {
    pub(crate) fn new(sampling: Sampling, input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = properties(&input);
        Self { sampling, input, properties, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for SampleExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SampleExec: seed={}", self.sampling.seed)
    }
}

impl ExecutionPlan for SampleExec {
    in_order!("SampleExec");

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(input) => Arc::new(Self::new(self.sampling, input)),
            None => self,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = context.session_config().batch_size();
        let input = self.input.execute(partition, context)?;
        let gate = Sampler { sampling: self.sampling, start: mix(self.sampling.seed), row: 0 };
        Ok(gated(input, gate, rows, Counts::new(&self.metrics, partition)))
    }
}

struct Sampler {
    sampling: Sampling,
    start: u64,
    row: u64,
}

impl Gate for Sampler {
    async fn admit(&mut self, batch: &RecordBatch) -> DfResult<Option<BooleanArray>> {
        let (sampling, start, first) = (self.sampling, self.start, self.row);
        self.row += batch.num_rows() as u64;
        let keep = BooleanBuffer::collect_bool(batch.num_rows(), |row| sampling.keeps(start, first + row as u64));
        Ok(Some(BooleanArray::new(keep, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_about_the_fraction_and_all_of_one() {
        for (fraction, low, high) in [(1.0, 100_000, 100_000), (0.5, 49_000, 51_000), (0.01, 850, 1150)] {
            let sampling = Sampling::new(fraction, 7);
            let kept = (0..100_000).filter(|row| sampling.keeps(mix(7), *row)).count();
            assert!((low..=high).contains(&kept), "{kept} of {fraction}");
        }
    }

    #[test]
    fn the_rule_is_fixed() {
        // Published reports name seeds: these rows must come again in later versions.
        let sampling = Sampling::new(0.25, 42);
        let kept: Vec<u64> = (0..24).filter(|row| sampling.keeps(mix(42), *row)).collect();
        assert_eq!(kept, reference(0.25, 42, 24));
    }

    /// The rule once more, in floating point.
    fn reference(fraction: f64, seed: u64, rows: u64) -> Vec<u64> {
        let mut state = mix(seed);
        let mut kept = Vec::new();
        for row in 0..rows {
            state = state.wrapping_add(GAMMA);
            #[expect(clippy::cast_precision_loss, reason = "53 bits")]
            let value = (mix(state) >> 11) as f64 / UNIT;
            if value < fraction {
                kept.push(row);
            }
        }
        kept
    }

    #[test]
    fn seeds_fit_into_json() {
        assert!(random_seed() < 1 << 53);
        assert_ne!(random_seed(), random_seed());
    }
}
