//! Makes our operators executable, besides DataFusion's own.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result as DfResult;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::distinct::DistinctExec;
use super::expect::ExpectExec;
use super::guard::guard_scans;
use super::node::{Op, StepNode};
use super::sample::SampleExec;

/// Plans queries that hold our operators.
#[derive(Debug)]
pub(crate) struct StepPlanner;

#[async_trait]
impl QueryPlanner for StepPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session: &dyn Session,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Self)]);
        guard_scans(planner.create_physical_plan(logical_plan, session).await?)
    }
}

#[async_trait]
impl ExtensionPlanner for StepPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        planning: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<StepNode>() else { return Ok(None) };
        let ([logical], [physical]) = (logical_inputs, physical_inputs) else { return Ok(None) };
        let exprs =
            node.exprs.iter().map(|expr| planner.create_physical_expr(expr, logical.schema(), session, planning));
        let mut exprs: Vec<_> = exprs.collect::<DfResult<_>>()?;
        let input = Arc::clone(physical);
        Ok(match (&node.op, exprs.pop()) {
            (Op::Sample(sampling), None) => Some(Arc::new(SampleExec::new(*sampling, input))),
            (Op::Expect(expectation), Some(condition)) => {
                Some(Arc::new(ExpectExec::new(Arc::clone(expectation), condition, input)))
            }
            (Op::Distinct, Some(last)) => {
                exprs.push(last);
                Some(Arc::new(DistinctExec::try_new(exprs, input)?))
            }
            _ => None,
        })
    }
}
