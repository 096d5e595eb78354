//! What is wrong with expressions, patterns and queries whatever the columns are: whether they can be read at all.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use karyaksham_spec::{Problem, Step};

use super::scope::Scope;
use super::{Tables, extract, sql};
use crate::scan::Ledger;

/// Parses everything that the steps hold. A blank expression is the static check's to report.
pub(super) fn check(steps: &[Option<&Step>], context: &SessionContext) -> Vec<Problem> {
    let (tables, ledger) = (Tables::new(), Arc::new(Ledger::strict()));
    let mut scope = Scope::new(context, &tables, &ledger);
    for (index, step) in steps.iter().enumerate() {
        let Some(step) = step else { continue };
        scope.enter(index, step);
        match step {
            Step::Filter(step) => expression(&step.condition, "where", &mut scope),
            Step::Expect(step) => expression(&step.that, "that", &mut scope),
            Step::Derive(step) => {
                for (number, column) in step.columns.iter().enumerate() {
                    expression(&column.expr, &format!("columns[{number}].expr"), &mut scope);
                }
            }
            Step::Aggregate(step) => {
                for (number, column) in step.aggregates.iter().enumerate() {
                    expression(&column.expr, &format!("aggregates[{number}].expr"), &mut scope);
                }
            }
            Step::Extract(step) if !step.pattern.trim().is_empty() => extract::check(&step.pattern, &mut scope),
            Step::Sql(step) if !step.query.trim().is_empty() => {
                if let Err(error) = sql::parse(&step.query, &context.state()) {
                    scope.plan_error("query", &error);
                }
            }
            _ => {}
        }
    }
    scope.problems
}

fn expression(text: &str, place: &str, scope: &mut Scope<'_>) {
    if !text.trim().is_empty() {
        scope.parse(text, place);
    }
}
