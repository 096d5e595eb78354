//! `filter`: keeps rows for which a condition is true.
//!
//! - **Nulls.** A condition that is null is not true. **Order** is kept, types do not change.
//! - **Ledger.** Rows left out count as filtered.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Filter;

use super::scope::Scope;

pub(super) fn apply(step: &Filter, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let Some(condition) = scope.condition(&step.condition, input.schema(), "where") else { return input };
    let after = input.clone().filter(condition);
    scope.attempt("where", input, after)
}
