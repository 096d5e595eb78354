//! The place of our operators in logical plans.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use super::{Expectation, Sampling};

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Keeps a random part of the rows.
    Sample(Sampling),
    /// Checks each row; its one expression is the condition.
    Expect(Arc<Expectation>),
    /// Keeps the first row of each key; its expressions are the key columns.
    Distinct,
}

/// An operator over rows whose columns it passes on as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StepNode {
    pub(crate) op: Op,
    pub(crate) exprs: Vec<Expr>,
    input: LogicalPlan,
}

impl StepNode {
    /// The operator over the rows so far.
    pub(crate) fn over(input: DataFrame, op: Op, exprs: Vec<Expr>) -> DataFrame {
        let (state, plan) = input.into_parts();
        let node = Self { op, exprs, input: plan };
        DataFrame::new(state, LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

impl PartialOrd for StepNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for StepNode {
    fn name(&self) -> &'static str {
        match self.op {
            Op::Sample(_) => "Sample",
            Op::Expect(_) => "Expect",
            Op::Distinct => "DistinctFirst",
        }
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.exprs.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.name())?;
        for expr in &self.exprs {
            write!(f, " {expr}")?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let input = inputs.into_iter().next();
        let input = input.ok_or_else(|| DataFusionError::Internal("an operator without input".to_owned()))?;
        Ok(Self { op: self.op.clone(), exprs, input })
    }

    /// The columns that the expressions use are added by the optimizer.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        match &self.op {
            // A rejected row is shown whole.
            Op::Expect(expectation) if expectation.shows_rows() => None,
            _ => Some(vec![output_columns.to_vec()]),
        }
    }
}
