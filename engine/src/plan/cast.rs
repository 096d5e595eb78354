//! `cast`: changes types; a value that does not fit fails the job.
//!
//! - **Nulls** stay null, and nothing else becomes null. **Order** and rows do not change.

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{ExprSchemable, cast};
use datafusion::prelude::ident;
use karyaksham_spec::steps::Cast;
use karyaksham_spec::{Code, did_you_mean};

use super::scope::Scope;
use crate::types::{TYPE_NAMES, parse_type, type_name};

pub(super) fn apply(step: &Cast, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let mut columns: Vec<_> = input.schema().fields().iter().map(|field| ident(field.name())).collect();
    for (number, column) in step.columns.iter().enumerate() {
        let place = format!("columns[{number}]");
        let from = scope.column(input.schema(), &column.name, &format!("{place}.name"));
        let Some(kind) = parse_type(&column.kind) else {
            let message = format!("there is no type `{}`", column.kind);
            let hint = did_you_mean(&column.kind, TYPE_NAMES);
            scope.problem(&format!("{place}.type"), Code::InvalidValue, message, hint);
            continue;
        };
        let Some(from) = from else { continue };
        let Some(index) = input.schema().fields().iter().position(|field| *field.name() == column.name) else {
            continue;
        };
        let found = input.schema().field(index).data_type();
        if !arrow::compute::can_cast_types(found, &kind) {
            let message = format!("{} cannot be turned to {}", type_name(found), column.kind);
            scope.problem(&format!("{place}.type"), Code::TypeError, message, None);
            continue;
        }
        // `cast_to` would leave a column of the same type untouched; `cast` is needed for all others.
        let same = from.get_type(input.schema()).is_ok_and(|found| found == kind);
        columns[index] = if same { from } else { cast(from, kind).alias(&column.name) };
    }
    let after = input.clone().select(columns);
    scope.attempt("columns", input, after)
}
