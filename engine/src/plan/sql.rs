//! `sql`: one SELECT over the rows so far (`input`) and the other inputs.
//!
//! Names are taken as they are written; function names in any case.

use std::ops::ControlFlow;

use datafusion::config::Dialect;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Expr as SqlExpr, VisitMut, VisitorMut};
use karyaksham_spec::MAIN_INPUT;
use karyaksham_spec::steps::Sql;

use super::scope::Scope;

pub(super) fn apply(step: &Sql, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    match select(step, &input, scope) {
        Ok(frame) => frame,
        Err(error) => {
            scope.plan_error("query", &error);
            scope.lost = true;
            input
        }
    }
}

fn select(step: &Sql, input: &DataFrame, scope: &Scope<'_>) -> DfResult<DataFrame> {
    let mut state = scope.context.state();
    state.config_mut().options_mut().sql_parser.enable_ident_normalization = false;
    let statement = parse(&step.query, &state)?;
    let context = SessionContext::new_with_state(state);
    for (name, frame) in scope.tables {
        if name != MAIN_INPUT {
            context
                .register_table(datafusion::common::TableReference::bare(name.as_str()), frame.clone().into_view())?;
        }
    }
    context.register_table(MAIN_INPUT, input.clone().into_view())?;
    // Tables are in memory: planning never waits.
    let plan = futures::executor::block_on(context.state().statement_to_plan(statement))?;
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false).verify_plan(&plan)?;
    let frame = DataFrame::new(scope.context.state(), plan);
    // No qualifiers from here on; a name that stands twice is an error.
    let columns: Vec<_> = frame
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = datafusion::common::Column::new(qualifier.cloned(), field.name());
            datafusion::logical_expr::Expr::Column(column).alias(field.name())
        })
        .collect();
    frame.select(columns)
}

/// The statement, if it is one SELECT.
pub(super) fn parse(query: &str, state: &SessionState) -> DfResult<Statement> {
    let mut statement = state.sql_to_statement(query, &Dialect::PostgreSQL)?;
    match &mut statement {
        Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(_)) => {
            let _ = inner.visit(&mut LowerFunctions);
            Ok(statement)
        }
        _ => Err(DataFusionError::Plan("only one SELECT is allowed".to_owned())),
    }
}

struct LowerFunctions;

impl VisitorMut for LowerFunctions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<()> {
        if let SqlExpr::Function(function) = expr {
            super::expr::lower(&mut function.name);
        }
        ControlFlow::Continue(())
    }
}
