//! `fillNull`: replaces nulls by fixed values.
//!
//! - **Nulls.** Only null is replaced, not the empty text. **Types.** The value is read as the column's type, which stays.
//! - **Order** and rows do not change.

use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::prelude::{ident, lit};
use karyaksham_spec::Code;
use karyaksham_spec::steps::FillNull;

use super::scope::Scope;
use crate::types::type_name;

pub(super) fn apply(step: &FillNull, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let mut columns: Vec<_> = input.schema().fields().iter().map(|field| ident(field.name())).collect();
    for (number, column) in step.columns.iter().enumerate() {
        let place = format!("columns[{number}]");
        let Some(expr) = scope.column(input.schema(), &column.name, &format!("{place}.name")) else { continue };
        let Some(index) = input.schema().fields().iter().position(|field| *field.name() == column.name) else {
            continue;
        };
        let kind = input.schema().field(index).data_type();
        match ScalarValue::try_from_string(column.value.clone(), kind) {
            Ok(value) => columns[index] = coalesce(vec![expr, lit(value)]).alias(&column.name),
            Err(_) => {
                let message = format!("`{}` is no {}", column.value, type_name(kind));
                let hint = Some("cast the column to utf8 first to fill in a text".to_owned());
                scope.problem(&format!("{place}.value"), Code::TypeError, message, hint);
            }
        }
    }
    let after = input.clone().select(columns);
    scope.attempt("columns", input, after)
}
