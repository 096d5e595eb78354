//! Runs a pipeline step by step on rows in memory, and tells what each step did.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{MAIN_INPUT, Output, Step};
use serde::Serialize;

use crate::error::{EngineError, Result};
use crate::plan::{Tables, plan};
use crate::scan::Ledger;
use crate::sink::plain_schema;
use crate::types::{ColumnSchema, to_columns};

/// What a step did to the sample.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PreviewStep {
    /// Its place in the pipeline, from 0.
    index: usize,
    /// Its name.
    step: &'static str,
    rows_in: u64,
    rows_out: u64,
    columns_added: Vec<ColumnSchema>,
    columns_removed: Vec<String>,
    /// Columns that have another type behind it.
    columns_retyped: Vec<ColumnSchema>,
    /// Why its figures say little about the whole file, if they do.
    note: Option<&'static str>,
}

/// Rows in memory.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(crate) fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    pub(crate) fn table(&self, context: &SessionContext) -> Result<DataFrame> {
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![self.batches.clone()])?;
        Ok(context.read_table(Arc::new(table))?)
    }
}

/// Runs all steps; `tables` holds the inputs, `rows` are the main one's.
pub(crate) async fn run(
    steps: &[Step],
    context: &SessionContext,
    mut tables: Tables,
    mut rows: Rows,
    ledger: &Arc<Ledger>,
    sampled: bool,
) -> Result<(Vec<PreviewStep>, Rows)> {
    let mut reports = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        tables.insert(MAIN_INPUT.to_owned(), rows.table(context)?);
        let frame =
            plan(&[Some(step)], &Output::default(), context, &tables, ledger).map_err(EngineError::invalid_spec)?;
        let after = gather(frame, context).await?;
        reports.push(report(index, step, &rows, &after, sampled));
        rows = after;
    }
    Ok((reports, rows))
}

async fn gather(frame: DataFrame, context: &SessionContext) -> Result<Rows> {
    let physical = frame.create_physical_plan().await?;
    let schema = physical.schema();
    let batches = collect(physical, context.task_ctx()).await?;
    Ok(Rows { schema, batches })
}

fn report(index: usize, step: &Step, before: &Rows, after: &Rows, sampled: bool) -> PreviewStep {
    let (old, new) = (plain_schema(&before.schema), plain_schema(&after.schema));
    let (old, new) = (to_columns(&old), to_columns(&new));
    let known = |columns: &[ColumnSchema], name: &str| columns.iter().find(|column| column.name == name).cloned();
    PreviewStep {
        index,
        step: step.name(),
        rows_in: before.count(),
        rows_out: after.count(),
        columns_added: new.iter().filter(|column| known(&old, &column.name).is_none()).cloned().collect(),
        columns_removed: old
            .iter()
            .filter(|column| known(&new, &column.name).is_none())
            .map(|column| column.name.clone())
            .collect(),
        columns_retyped: new
            .iter()
            .filter(|column| known(&old, &column.name).is_some_and(|before| before.kind != column.kind))
            .cloned()
            .collect(),
        note: if sampled { note(step) } else { None },
    }
}

/// What a step cannot know from a sample.
fn note(step: &Step) -> Option<&'static str> {
    match step {
        Step::Sort(_) => Some("sorts the rows of the sample only"),
        Step::Aggregate(_) => Some("aggregates the rows of the sample only"),
        Step::Distinct(_) => Some("compares the rows of the sample only"),
        Step::Join(_) => Some("joins the rows of the samples only: rows may seem to have no partner"),
        Step::Limit(_) => Some("counts the rows of the sample only"),
        Step::Sql(_) => Some("queries the rows of the sample only"),
        _ => None,
    }
}
