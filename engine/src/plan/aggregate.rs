//! `aggregate`: groups rows.
//!
//! - **Nulls.** Null is a group of its own; aggregates leave nulls out, `count(*)` counts rows. Of no values, a sum is null.
//! - **Order.** Any. **Types.** Those of the functions. **Memory.** Spills. **Ledger.** Counts only.

use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use karyaksham_spec::steps::Aggregate;

use super::expr::Kind;
use super::scope::Scope;

pub(super) fn apply(step: &Aggregate, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let before = scope.problems.len();
    let groups: Vec<_> = step
        .group_by
        .iter()
        .enumerate()
        .filter_map(|(number, name)| scope.column(input.schema(), name, &format!("groupBy[{number}]")))
        .collect();
    let mut aggregates = Vec::new();
    for (number, column) in step.aggregates.iter().enumerate() {
        let place = format!("aggregates[{number}].expr");
        if let Some(expr) = scope.expr(&column.expr, input.schema(), &place, Kind::Aggregate) {
            let expr = expr.alias(&column.name);
            // Checked alone, so that a wrong type names its place.
            match grouped(&input, &groups, vec![expr.clone()]) {
                Ok(_) => aggregates.push(expr),
                Err(error) => scope.plan_error(&place, &error),
            }
        }
    }
    if scope.problems.len() > before {
        scope.lost = true;
        return input;
    }
    let after = grouped(&input, &groups, aggregates);
    scope.attempt("aggregates", input, after)
}

/// Aggregates may stand inside of expressions (`sum(a) / count(*)`): the bare ones are computed, then the rest.
fn grouped(
    input: &DataFrame,
    groups: &[datafusion::logical_expr::Expr],
    aggregates: Vec<datafusion::logical_expr::Expr>,
) -> datafusion::error::Result<DataFrame> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::logical_expr::Expr;

    let mut bare: Vec<Expr> = Vec::new();
    let mut outer: Vec<Expr> = groups.to_vec();
    for expr in aggregates {
        let rest = expr.transform(|part| {
            if matches!(part, Expr::AggregateFunction(_)) {
                let number = bare.iter().position(|known| *known == part).unwrap_or_else(|| {
                    bare.push(part.clone());
                    bare.len() - 1
                });
                return Ok(Transformed::yes(ident(format!("__aggregate_{number}"))));
            }
            Ok(Transformed::no(part))
        })?;
        outer.push(rest.data);
    }
    let named = bare.into_iter().enumerate().map(|(number, expr)| expr.alias(format!("__aggregate_{number}")));
    let frame = input.clone().aggregate(groups.to_vec(), named.collect())?.select(outer)?;
    // The analyzer finds types that do not go together.
    let state = frame.clone().into_parts().0;
    state.analyzer().execute_and_check(frame.logical_plan().clone(), state.config_options(), |_, _| {})?;
    Ok(frame)
}
