//! `expect`: checks each row, and books the rows that break the expectation exactly once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not, prep_null_mask_filter};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use karyaksham_spec::steps::{Expect, OnFail};

use super::gate::{Counts, Gate, gated, in_order, properties};
use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::{Ledger, Reject};

/// How much of a row an error shows.
const SHOWN_CHARS: usize = 300;

/// An expectation of one job, and what came of it.
#[derive(Debug)]
pub(crate) struct Expectation {
    /// The step's index.
    pub(crate) step: usize,
    /// Its name.
    pub(crate) name: String,
    that: String,
    /// The column, if the condition looks at only one.
    column: Option<String>,
    on_fail: OnFail,
    ledger: Arc<Ledger>,
    broken: AtomicU64,
    /// Whether a first execution began: rows are booked once, however often the plan is executed.
    booked: AtomicBool,
}

impl Expectation {
    pub(crate) fn new(step: usize, definition: &Expect, column: Option<String>, ledger: &Arc<Ledger>) -> Self {
        Self {
            step,
            name: definition.name.clone(),
            that: definition.that.clone(),
            column,
            on_fail: definition.on_fail,
            ledger: Arc::clone(ledger),
            broken: AtomicU64::new(0),
            booked: AtomicBool::new(false),
        }
    }

    /// Rows that broke it so far.
    pub(crate) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    /// Whether rows that break it are shown with all their columns.
    pub(crate) fn shows_rows(&self) -> bool {
        self.on_fail != OnFail::Warn
    }

    fn reason(&self) -> String {
        format!("expectation `{}` is not true: {}", self.name, self.that.trim())
    }

    fn failed(&self, broken: u64, first: &str) -> EngineError {
        let rows = if broken == 1 { "1 row".to_owned() } else { format!("{broken} rows") };
        let mut shown: String = first.chars().take(SHOWN_CHARS).collect();
        if shown.len() < first.len() {
            shown.push('…');
        }
        let which = if broken == 1 { "it is" } else { "the first one is" };
        let message =
            format!("expectation `{}` is not true for {rows}: {}; {which} {shown}", self.name, self.that.trim());
        let error = EngineError::new(ErrorCode::ExpectationFailed, message)
            .step(self.step)
            .hint("mend the data, or let such rows go to the rejects with \"onFail\": \"reject\"");
        match &self.column {
            Some(column) => error.column(column),
            None => error,
        }
    }
}

/// One step of one job is one expectation.
impl PartialEq for Expectation {
    fn eq(&self, other: &Self) -> bool {
        self.step == other.step
    }
}

impl Eq for Expectation {}

impl Hash for Expectation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.step.hash(state);
    }
}

/// Checks rows; rejects come in order, so all rows come in one partition.
#[derive(Debug)]
pub(crate) struct ExpectExec {
    expectation: Arc<Expectation>,
    condition: Arc<dyn PhysicalExpr>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ExpectExec {
    pub(crate) fn new(
        expectation: Arc<Expectation>,
        condition: Arc<dyn PhysicalExpr>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let properties = properties(&input);
        Self { expectation, condition, input, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// What is expected.
    pub(crate) fn expectation(&self) -> &Expectation {
        &self.expectation
    }
}

impl DisplayAs for ExpectExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExpectExec: {}", self.condition)
    }
}

impl ExecutionPlan for ExpectExec {
    in_order!("ExpectExec");

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        f(&self.condition)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(input) => Arc::new(Self::new(Arc::clone(&self.expectation), Arc::clone(&self.condition), input)),
            None => self,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = context.session_config().batch_size();
        let input = self.input.execute(partition, context)?;
        let checker = Checker {
            booking: !self.expectation.booked.swap(true, Ordering::SeqCst),
            expectation: Arc::clone(&self.expectation),
            condition: Arc::clone(&self.condition),
            broken: 0,
            first: None,
        };
        Ok(gated(input, checker, rows, Counts::new(&self.metrics, partition)))
    }
}

struct Checker {
    expectation: Arc<Expectation>,
    condition: Arc<dyn PhysicalExpr>,
    booking: bool,
    broken: u64,
    /// The first row that breaks it, as JSON.
    first: Option<String>,
}

impl Checker {
    /// For each row, whether the condition is true; null is not.
    fn check(&self, batch: &RecordBatch) -> DfResult<BooleanArray> {
        let array = self.condition.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(match array.as_boolean_opt() {
            Some(found) if found.null_count() > 0 => prep_null_mask_filter(found),
            Some(found) => found.clone(),
            // The condition is the constant null.
            None => BooleanArray::from(vec![false; batch.num_rows()]),
        })
    }

    async fn reject(&self, rows: &RecordBatch) -> Result<()> {
        let (column, reason) = (&self.expectation.column, self.expectation.reason());
        let rejects = json_lines(rows)?
            .lines()
            .map(|raw| Reject::of_values(column.clone(), reason.clone(), raw.as_bytes()))
            .collect();
        self.expectation.ledger.reject(rejects).await
    }
}

impl Gate for Checker {
    async fn admit(&mut self, batch: &RecordBatch) -> DfResult<Option<BooleanArray>> {
        let holds = self.check(batch)?;
        let broken = (batch.num_rows() - holds.true_count()) as u64;
        let failed = self.expectation.on_fail == OnFail::Fail;
        if broken > 0 {
            self.broken += broken;
            if self.booking {
                self.expectation.broken.fetch_add(broken, Ordering::Relaxed);
            }
            match self.expectation.on_fail {
                OnFail::Warn => return Ok(None),
                OnFail::Reject if !self.booking => {}
                OnFail::Reject => self.reject(&filter_record_batch(batch, &not(&holds)?)?).await?,
                OnFail::Fail if self.first.is_none() => {
                    let rows = filter_record_batch(batch, &not(&holds)?)?.slice(0, 1);
                    self.first = Some(json_lines(&rows)?.trim_end().to_owned());
                }
                OnFail::Fail => {}
            }
        } else if !failed || self.broken == 0 {
            return Ok(None);
        }
        // A job that will fail reads on, to tell how many rows are at fault, but computes nothing more.
        Ok(Some(if failed { BooleanArray::from(vec![false; batch.num_rows()]) } else { holds }))
    }

    fn end(&mut self) -> DfResult<()> {
        match &self.first {
            Some(first) => Err(self.expectation.failed(self.broken, first).into()),
            None => Ok(()),
        }
    }
}

/// The rows as JSON objects, one a line.
fn json_lines(rows: &RecordBatch) -> Result<String> {
    let mut bytes = Vec::new();
    if rows.num_columns() == 0 {
        return Ok("{}\n".repeat(rows.num_rows()));
    }
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
    writer.write(rows)?;
    writer.finish()?;
    String::from_utf8(bytes).map_err(|error| EngineError::internal(error.to_string()))
}
