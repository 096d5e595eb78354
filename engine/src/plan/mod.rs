//! From steps to a DataFusion plan; one file per step.
//!
//! Each step gets the rows so far as a [`DataFrame`], whose columns it names without qualifier, and gives back the rows
//! after it.
//! What is wrong is noted with its path, and planning goes on as well as it can, so that all problems show at once.

mod aggregate;
mod cast;
mod derive;
mod distinct;
mod drop;
mod drop_null;
mod expect;
mod expr;
mod extract;
mod fill_null;
mod filter;
mod join;
mod limit;
mod rename;
mod sample;
mod scope;
mod select;
mod sort;
mod sql;
mod syntax;
mod union;
mod validate;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{Code, MAIN_INPUT, Output, OutputFormat, Problem, Step, did_you_mean};

pub use validate::validate;

use crate::scan::Ledger;
use crate::sink::hive::can_name;
use crate::types::type_name;
use scope::Scope;

/// The inputs by name.
pub type Tables = HashMap<String, DataFrame>;

/// The condition of a filter over these columns; `None` if it is wrong.
pub(crate) fn condition(
    text: &str,
    schema: &datafusion::common::DFSchema,
    context: &SessionContext,
) -> Option<datafusion::logical_expr::Expr> {
    let (tables, ledger) = (Tables::new(), Arc::new(Ledger::silent()));
    Scope::new(context, &tables, &ledger).condition(text, schema, "where")
}

/// Plans the steps. A `None` is a step that could not even be read: what follows it is not planned. Rows that a step rejects
/// are booked in `ledger`.
pub(crate) fn plan(
    steps: &[Option<&Step>],
    output: &Output,
    context: &SessionContext,
    tables: &Tables,
    ledger: &Arc<Ledger>,
) -> Result<DataFrame, Vec<Problem>> {
    let Some(mut frame) = tables.get(MAIN_INPUT).cloned() else {
        let message = format!("the input `{MAIN_INPUT}` is missing");
        return Err(vec![Problem::new("", Code::UnknownInput, message)]);
    };
    let mut scope = Scope::new(context, tables, ledger);
    for (index, step) in steps.iter().enumerate() {
        let Some(step) = step else {
            scope.lost = true;
            break;
        };
        scope.enter(index, step);
        frame = apply(step, frame, &mut scope);
        if scope.lost {
            break;
        }
    }
    if !scope.lost {
        check_output(output, &frame, &mut scope);
    }
    if scope.problems.is_empty() { Ok(frame) } else { Err(scope.problems) }
}

fn apply(step: &Step, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    match step {
        Step::Filter(step) => filter::apply(step, input, scope),
        Step::Select(step) => select::apply(step, input, scope),
        Step::Drop(step) => drop::apply(step, input, scope),
        Step::Rename(step) => rename::apply(step, input, scope),
        Step::Cast(step) => cast::apply(step, input, scope),
        Step::Derive(step) => derive::apply(step, input, scope),
        Step::Aggregate(step) => aggregate::apply(step, input, scope),
        Step::Sort(step) => sort::apply(step, input, scope),
        Step::Limit(step) => limit::apply(step, input, scope),
        Step::Distinct(step) => distinct::apply(step, input, scope),
        Step::Join(step) => join::apply(step, input, scope),
        Step::Union(step) => union::apply(step, input, scope),
        Step::FillNull(step) => fill_null::apply(step, input, scope),
        Step::DropNull(step) => drop_null::apply(step, input, scope),
        Step::Sql(step) => sql::apply(step, input, scope),
        Step::Sample(step) => sample::apply(step, input, scope),
        Step::Extract(step) => extract::apply(step, input, scope),
        Step::Expect(step) => expect::apply(step, input, scope),
    }
}

fn check_output(output: &Output, frame: &DataFrame, scope: &mut Scope<'_>) {
    let fields = frame.schema().fields();
    if fields.is_empty() {
        scope.problems.push(Problem::new("steps", Code::InvalidValue, "no column is left for the result"));
    }
    check_partitions(output, frame, scope);
    let fields: Vec<_> = fields.iter().filter(|field| !output.partition_by.contains(field.name())).collect();
    if output.format == OutputFormat::Lines {
        let text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if fields.len() != 1 || !text(fields[0].data_type()) {
            scope.problems.push(
                Problem::new(
                    "output.format",
                    Code::TypeError,
                    format!("`lines` writes one text column; there are {} columns", fields.len()),
                )
                .hint("select one text column, or choose csv"),
            );
        }
    }
}

/// Columns whose values name folders.
fn check_partitions(output: &Output, frame: &DataFrame, scope: &mut Scope<'_>) {
    let fields = frame.schema().fields();
    for (number, name) in output.partition_by.iter().enumerate() {
        let path = format!("output.partitionBy[{number}]");
        match fields.iter().find(|field| field.name() == name) {
            None => {
                let hint = did_you_mean(name, fields.iter().map(|field| field.name().as_str()));
                let message = format!("the result has no column `{name}`");
                scope.problems.push(Problem::new(path, Code::UnknownColumn, message).maybe_hint(hint));
            }
            Some(field) if !can_name(field.data_type()) => {
                let message = format!("values of type {} cannot name folders", type_name(field.data_type()));
                scope.problems.push(Problem::new(path, Code::TypeError, message));
            }
            Some(_) => {}
        }
    }
    if !fields.is_empty() && fields.iter().all(|field| output.partition_by.contains(field.name())) {
        let message = "no column is left for the files: they do not hold the columns that name folders";
        scope.problems.push(
            Problem::new("output.partitionBy", Code::InvalidValue, message)
                .hint("`derive` a copy of the column to keep it in the files"),
        );
    }
}
