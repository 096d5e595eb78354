//! `distinct`: the first row of each distinct value of some columns, or of all.
//!
//! - **Which row.** The first in the order of the rows that come in: that of the input, or of the last `sort`. Behind
//!   `aggregate`, `join`, `union` and `sql`, whose rows come in any order, it is any row.
//! - **Nulls.** Null equals null. `NaN` equals `NaN`, and 0 equals -0. Texts are equal byte by byte.
//! - **Order.** That of the input.
//! - **Types.** Do not change. All types but maps and unions can be compared.
//! - **Memory.** The keys, not the rows; more keys than fit are worked off by files (`exec/distinct/spill.rs`).
//! - **Ledger.** Rows left out count as filtered.

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use karyaksham_spec::Code;
use karyaksham_spec::steps::Distinct;

use super::scope::Scope;
use crate::exec::distinct::comparable;
use crate::exec::{Op, StepNode};
use crate::types::type_name;

pub(super) fn apply(step: &Distinct, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let all = input.schema().fields();
    let on: Vec<Expr> = if step.on.is_empty() {
        all.iter().map(|field| ident(field.name())).collect()
    } else {
        let named = step.on.iter().enumerate();
        named.filter_map(|(number, name)| scope.column(input.schema(), name, &format!("on[{number}]"))).collect()
    };
    for field in all {
        let place = match step.on.iter().position(|name| name == field.name()) {
            Some(number) => format!("on[{number}]"),
            None if step.on.is_empty() => "on".to_owned(),
            None => continue,
        };
        if !comparable(field.data_type()) {
            let message =
                format!("`{}` is of type {}, which cannot be compared", field.name(), type_name(field.data_type()));
            scope.problem(&place, Code::TypeError, message, Some("name the columns that must differ".to_owned()));
        }
    }
    if on.is_empty() { input } else { StepNode::over(input, Op::Distinct, on) }
}
