//! `dropNull`: removes rows with nulls.
//!
//! - **Nulls.** The empty text and `NaN` are not null. **Order** is kept, types do not change.
//! - **Ledger.** Rows left out count as filtered.

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use karyaksham_spec::steps::DropNull;

use super::scope::Scope;

pub(super) fn apply(step: &DropNull, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let columns: Vec<Expr> = if step.columns.is_empty() {
        input.schema().fields().iter().map(|field| ident(field.name())).collect()
    } else {
        let named = step.columns.iter().enumerate();
        named.filter_map(|(number, name)| scope.column(input.schema(), name, &format!("columns[{number}]"))).collect()
    };
    let Some(condition) = columns.into_iter().map(Expr::is_not_null).reduce(Expr::and) else { return input };
    let after = input.clone().filter(condition);
    scope.attempt("columns", input, after)
}
