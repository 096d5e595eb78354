//! `sample`: keeps each row with a given probability.
//!
//! - **Which rows.** A row's place among the rows that come in, and the seed, decide: the same input and seed give the same
//!   rows, whatever the number of threads and the sizes of batches ([`Sampling`] states the rule). Rows whose order is not
//!   stated (behind `aggregate`, `join`, `sql`) are computed by one thread, so that they come in the same order again.
//!   Without a seed one is chosen at random; the report names it.
//! - **Nulls, types.** Neither matters nor changes.
//! - **Order.** That of the input.
//! - **Ledger.** Rows left out count as filtered.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Sample;

use super::scope::Scope;
use crate::exec::{Op, Sampling, StepNode};

pub(super) fn apply(step: &Sample, input: DataFrame, _scope: &mut Scope<'_>) -> DataFrame {
    // A job gives each sample a seed before it plans; only validation plans without.
    let sampling = Sampling::new(step.fraction, step.seed.unwrap_or_default());
    StepNode::over(input, Op::Sample(sampling), Vec::new())
}
