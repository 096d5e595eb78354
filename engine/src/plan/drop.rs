//! `drop`: removes columns. Values, nulls, types and rows do not change.

use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use karyaksham_spec::steps::Drop;

use super::scope::Scope;

pub(super) fn apply(step: &Drop, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    for (number, name) in step.columns.iter().enumerate() {
        scope.column(input.schema(), name, &format!("columns[{number}]"));
    }
    let kept = input.schema().fields().iter().map(|field| field.name().as_str());
    let kept: Vec<_> = kept.filter(|name| !step.columns.iter().any(|drop| drop == name)).map(ident).collect();
    let after = input.clone().select(kept);
    scope.attempt("columns", input, after)
}
