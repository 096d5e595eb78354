//! Aggregates over text files, grouped while the file is read.
//!
//! ```text
//! blocks of whole records (scan::BlockReader), one a thread
//!   → index → conditions on the bytes of their columns → groups, told apart by the bytes of the key's fields
//!   → aggregates over arrays of their columns → states of groups → DataFusion's final aggregate
//! ```
//! It stands in for DataFusion's partial aggregate over a scan of delimited text, with filters, chosen columns and one join
//! with few rows in between. Keys are never made to arrays, save once for each group: [`keys`] holds them. Aggregates are DataFusion's own,
//! so that results, types and overflow are the same. [`plan`] says what is done this way.
//!
//! # Rules
//! - Rejects and counts are those of the general way, save that a condition on two columns of which both do not fit may
//!   name the other one.
//! - Groups here may be finer than the result's (`1.0` and `1.00`): the final aggregate merges them by value.
//! - The other input of a join is read first and held ([`dimension`]): rows are looked up by the bytes of their fields. If it
//!   is too large, nothing was read of the file yet, and all goes the general way.
//! - A thread whose groups outgrow their share of the memory limit hands them on as states and starts anew. The final
//!   aggregate merges them, and spills.

mod batch;
mod dimension;
mod exec;
mod fields;
mod keys;
mod plan;
mod values;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

pub(crate) use exec::GroupScan;

/// Puts our way of grouping in place of DataFusion's wherever rows come straight from a text file.
pub(crate) fn own_groups(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let own = |node: Arc<dyn ExecutionPlan>| {
        Ok(match replaced(&node)? {
            Some(other) => Transformed::yes(other),
            None => Transformed::no(node),
        })
    };
    Ok(plan.transform_up(own)?.data)
}

fn replaced(node: &Arc<dyn ExecutionPlan>) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
    // Between the two halves of an aggregate, so that rows of one group may come from several partitions.
    let exchange = node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>();
    if let ([input], true) = (&node.children()[..], exchange) {
        return match grouped(input) {
            Some(scan) => replace_children_if_necessary(Arc::clone(node), vec![scan]).map(Some),
            None => Ok(None),
        };
    }
    // On one thread there are no halves yet.
    let Some(whole) = node.downcast_ref::<AggregateExec>().filter(|whole| *whole.mode() == AggregateMode::Single)
    else {
        return Ok(None);
    };
    if whole.limit_options().is_some() {
        return Ok(None);
    }
    let half = AggregateExec::try_new(
        AggregateMode::Partial,
        whole.group_expr().clone(),
        whole.aggr_expr().to_vec(),
        whole.filter_expr().to_vec(),
        Arc::clone(whole.input()),
        whole.input_schema(),
    )?;
    let half: Arc<dyn ExecutionPlan> = Arc::new(half);
    let Some(scan) = grouped(&half) else { return Ok(None) };
    let merged = AggregateExec::try_new(
        AggregateMode::Final,
        whole.group_expr().as_final(),
        whole.aggr_expr().to_vec(),
        vec![None; whole.aggr_expr().len()],
        scan,
        whole.input_schema(),
    )?;
    let same = merged.schema() == node.schema();
    Ok(same.then(|| Arc::new(merged) as Arc<dyn ExecutionPlan>))
}

/// Our way for a partial aggregate, if there is one.
fn grouped(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let (plan, scan) = plan::recognise(node.downcast_ref::<AggregateExec>()?)?;
    // With a join, each partition may have to go the general way after all.
    if scan.output_partitioning().partition_count() != node.output_partitioning().partition_count() {
        return None;
    }
    Some(Arc::new(GroupScan::new(plan, scan, Arc::clone(node))))
}
