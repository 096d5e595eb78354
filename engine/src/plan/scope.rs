//! What a step can see while it is planned, and where its problems go.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionContext, ident};
use karyaksham_spec::{Code, Problem, Step, did_you_mean};

use super::Tables;
use crate::scan::Ledger;

/// The surroundings of the step being planned.
pub(super) struct Scope<'a> {
    pub(super) context: &'a SessionContext,
    pub(super) tables: &'a Tables,
    /// Where rows that a step rejects are booked.
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) problems: Vec<Problem>,
    /// The columns after this step cannot be told: planning ends here.
    pub(super) lost: bool,
    index: usize,
    path: String,
}

impl<'a> Scope<'a> {
    pub(super) fn new(context: &'a SessionContext, tables: &'a Tables, ledger: &'a Arc<Ledger>) -> Self {
        Self { context, tables, ledger, problems: Vec::new(), lost: false, index: 0, path: String::new() }
    }

    /// Enters a step.
    pub(super) fn enter(&mut self, index: usize, step: &Step) {
        self.index = index;
        self.path = format!("steps[{index}].{}", step.name());
    }

    /// The step's index.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Notes a problem at a place in the step.
    pub(super) fn problem(&mut self, place: &str, code: Code, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem::new(format!("{}.{place}", self.path), code, message).maybe_hint(hint));
    }

    /// The column of this name, or a problem.
    pub(super) fn column(&mut self, schema: &DFSchema, name: &str, place: &str) -> Option<Expr> {
        if schema.fields().iter().any(|field| field.name() == name) {
            return Some(ident(name));
        }
        let known = schema.fields().iter().map(|field| field.name().as_str());
        let hint = did_you_mean(name, known);
        self.problem(place, Code::UnknownColumn, format!("there is no column `{name}` here"), hint);
        None
    }

    /// The input of this name, or a problem; then the columns that follow are not known.
    pub(super) fn table(&mut self, name: &str, place: &str) -> Option<DataFrame> {
        let found = self.tables.get(name).cloned();
        if found.is_none() {
            let mut known: Vec<&str> = self.tables.keys().map(String::as_str).collect();
            known.sort_unstable();
            let hint = did_you_mean(name, known);
            self.problem(place, Code::UnknownInput, format!("the job has no input `{name}`"), hint);
            self.lost = true;
        }
        found
    }

    /// The rows after an operation; if it cannot be planned, a problem and the rows before it.
    pub(super) fn attempt(&mut self, place: &str, before: DataFrame, after: DfResult<DataFrame>) -> DataFrame {
        match after {
            Ok(after) => after,
            Err(error) => {
                self.plan_error(place, &error);
                before
            }
        }
    }

    /// Notes why DataFusion refused something.
    pub(super) fn plan_error(&mut self, place: &str, error: &DataFusionError) {
        let (code, message) = super::expr::explain(error);
        self.problem(place, code, message, None);
    }
}
