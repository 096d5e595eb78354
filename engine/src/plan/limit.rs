//! `limit`: keeps a number of rows.
//!
//! - **Order** is kept; without a `sort` before it, the first rows of the input. Nulls and types do not matter.
//! - **Ledger.** Rows read and not kept count as filtered; rows never read do not count.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Limit;

use super::scope::Scope;

pub(super) fn apply(step: &Limit, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let after = input.clone().limit(number(step.offset), Some(number(step.rows)));
    scope.attempt("rows", input, after)
}
