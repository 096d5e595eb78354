//! `rename`: renames columns, all at once. Values, nulls, types and rows do not change.

use std::collections::HashSet;

use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use karyaksham_spec::Code;
use karyaksham_spec::steps::Rename;

use super::scope::Scope;

pub(super) fn apply(step: &Rename, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    for (number, column) in step.columns.iter().enumerate() {
        scope.column(input.schema(), &column.from, &format!("columns[{number}].from"));
    }
    let mut taken = HashSet::new();
    let mut columns = Vec::new();
    for field in input.schema().fields() {
        let renamed = step.columns.iter().position(|column| column.from == *field.name());
        let name = renamed.map_or(field.name(), |number| &step.columns[number].to);
        if taken.insert(name.clone()) {
            columns.push(ident(field.name()).alias(name));
        } else {
            let number = step.columns.iter().position(|column| column.to == *name).unwrap_or_default();
            let message = format!("there would be two columns `{name}`");
            scope.problem(&format!("columns[{number}].to"), Code::DuplicateColumn, message, None);
        }
    }
    let after = input.clone().select(columns);
    scope.attempt("columns", input, after)
}
