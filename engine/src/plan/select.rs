//! `select`: keeps columns, in the order given. Values, nulls, types and rows do not change.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Select;

use super::scope::Scope;

pub(super) fn apply(step: &Select, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let columns: Vec<_> = step
        .columns
        .iter()
        .enumerate()
        .filter_map(|(number, name)| scope.column(input.schema(), name, &format!("columns[{number}]")))
        .collect();
    let after = input.clone().select(columns);
    scope.attempt("columns", input, after)
}
