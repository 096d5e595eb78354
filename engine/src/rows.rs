//! Row counts of a running or finished plan, from DataFusion's metrics.

use std::collections::HashMap;

use datafusion::physical_plan::ExecutionPlan;
use karyaksham_spec::Step;

use crate::exec::{ExpectExec, ROWS_IN};
use crate::group::GroupScan;
use crate::report::StepReport;
use crate::scan::{ROWS_FILTERED, TextScan};

/// Rows that went into and out of one operator that leaves rows out, in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gate {
    kind: GateKind,
    rows_in: u64,
    rows_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GateKind {
    /// `filter`, `dropNull`, `sample`, `distinct`.
    Filter,
    /// `expect`: what it leaves out is rejected.
    Expect,
    /// `limit`, and limits that the optimizer adds.
    Limit,
}

fn gates(plan: &dyn ExecutionPlan, found: &mut Vec<Gate>) {
    for child in plan.children() {
        gates(child.as_ref(), found);
    }
    if let Some(scan) = plan.downcast_ref::<TextScan>().filter(|scan| scan.is_filtered()) {
        let rows_out = output_rows(plan);
        let left_out = scan.metrics().and_then(|metrics| metrics.sum_by_name(ROWS_FILTERED));
        found.push(Gate {
            kind: GateKind::Filter,
            rows_in: rows_out + left_out.map_or(0, |rows| rows.as_usize() as u64),
            rows_out,
        });
    }
    if let Some(scan) = plan.downcast_ref::<GroupScan>() {
        // Behind it come groups: only how many rows were left out means something.
        found.push(Gate { kind: GateKind::Filter, rows_in: scan.filtered(), rows_out: 0 });
    }
    let kind = match plan.name() {
        "FilterExec" | "SampleExec" | "DistinctExec" => GateKind::Filter,
        "ExpectExec" => GateKind::Expect,
        name if name.ends_with("LimitExec") => GateKind::Limit,
        _ => return,
    };
    let counted = plan.metrics().and_then(|metrics| metrics.sum_by_name(ROWS_IN));
    let rows_in = match counted {
        Some(rows) => rows.as_usize() as u64,
        None => plan.children().iter().map(|child| output_rows(child.as_ref())).sum(),
    };
    found.push(Gate { kind, rows_in, rows_out: output_rows(plan) });
}

/// Of each expectation, by the step's index: its name and the rows that broke it.
fn expectations(plan: &dyn ExecutionPlan, found: &mut HashMap<usize, (String, u64)>) {
    for child in plan.children() {
        expectations(child.as_ref(), found);
    }
    if let Some(expect) = plan.downcast_ref::<ExpectExec>() {
        let expectation = expect.expectation();
        found.insert(expectation.step, (expectation.name.clone(), expectation.broken()));
    }
}

/// Rows that came out of a plan; operators without metrics pass on what their inputs give.
fn output_rows(plan: &dyn ExecutionPlan) -> u64 {
    match plan.metrics().and_then(|metrics| metrics.output_rows()) {
        Some(rows) => rows as u64,
        None => plan.children().iter().map(|child| output_rows(child.as_ref())).sum(),
    }
}

/// Bytes and rows that DataFusion's own readers (Parquet, Arrow) gave so far.
pub(crate) fn scanned(plan: &dyn ExecutionPlan) -> (u64, u64) {
    if matches!(plan.name(), "DataSourceExec" | "ArrowScan") {
        let bytes = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
        return (bytes.map_or(0, |bytes| bytes.as_usize() as u64), output_rows(plan));
    }
    let children = plan.children().into_iter().map(|child| scanned(child.as_ref()));
    children.fold((0, 0), |(bytes, rows), (more_bytes, more_rows)| (bytes + more_bytes, rows + more_rows))
}

/// Rows that filters, samples, limits and the like left out so far.
pub(crate) fn filtered(plan: &dyn ExecutionPlan) -> u64 {
    let mut found = Vec::new();
    gates(plan, &mut found);
    let filters = found.iter().filter(|gate| gate.kind != GateKind::Expect);
    filters.map(|gate| gate.rows_in.saturating_sub(gate.rows_out)).sum()
}

/// Rows after each step, where they are known.
pub(crate) fn steps(
    steps: &[Step],
    plan: &dyn ExecutionPlan,
    good_rows: Option<u64>,
    rows_out: u64,
) -> Vec<StepReport> {
    let mut found = Vec::new();
    gates(plan, &mut found);
    let filters: Vec<u64> =
        found.iter().filter(|gate| gate.kind != GateKind::Limit).map(|gate| gate.rows_out).collect();
    let is_filter = |step: &Step| {
        matches!(step, Step::Filter(_) | Step::DropNull(_) | Step::Sample(_) | Step::Distinct(_) | Step::Expect(_))
    };
    let mut broken = HashMap::new();
    expectations(plan, &mut broken);
    // Neighbouring filters may have been merged: then which is which cannot be told.
    let told = filters.len() == steps.iter().filter(|step| is_filter(step)).count()
        && steps.iter().all(|step| step.preserves_rows() && !matches!(step, Step::Limit(_)));
    let mut filters = filters.into_iter();
    let mut rows = good_rows.filter(|_| told);
    let last = steps.len().saturating_sub(1);
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            if is_filter(step) && told {
                rows = filters.next();
            }
            let (expectation, rows_broken) = broken.remove(&index).unzip();
            StepReport {
                step: step.name(),
                rows_out: if index == last { Some(rows_out) } else { rows },
                expectation,
                rows_broken,
                seed: if let Step::Sample(sample) = step { sample.seed } else { None },
            }
        })
        .collect()
}
