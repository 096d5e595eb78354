//! `derive`: adds or replaces columns.
//!
//! - **Nulls.** As in SQL. **Types.** Those of the expressions. **Order** and rows do not change.
//! - A value that an expression cannot be computed of fails the job with `VALUE_ERROR`.

use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::{ident, lit};
use karyaksham_spec::steps::Derive;

use super::expr::Kind;
use super::scope::Scope;

pub(super) fn apply(step: &Derive, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let mut columns: Vec<_> = input.schema().fields().iter().map(|field| ident(field.name())).collect();
    for (number, column) in step.columns.iter().enumerate() {
        let place = format!("columns[{number}].expr");
        // After a problem a null stands in, so that later steps find the column.
        let expr = scope
            .expr(&column.expr, input.schema(), &place, Kind::Scalar)
            .unwrap_or_else(|| lit(ScalarValue::Null))
            .alias(&column.name);
        match input.schema().fields().iter().position(|field| *field.name() == column.name) {
            Some(index) => columns[index] = expr,
            None => columns.push(expr),
        }
    }
    let after = input.clone().select(columns);
    scope.attempt("columns", input, after)
}
