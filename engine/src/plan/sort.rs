//! `sort`: sorts all rows; spills to disk.
//!
//! - **Nulls** come last, whatever the direction, unless told otherwise; `NaN` is larger than all numbers.
//! - **Order.** Rows with equal keys come in any order. **Types.** Texts by their bytes.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::{NullOrder, Sort};

use super::scope::Scope;

pub(super) fn apply(step: &Sort, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let keys: Vec<_> = step
        .by
        .iter()
        .enumerate()
        .filter_map(|(number, key)| {
            let column = scope.column(input.schema(), &key.column, &format!("by[{number}].column"))?;
            Some(column.sort(!key.descending, key.nulls == NullOrder::First))
        })
        .collect();
    if keys.is_empty() {
        return input;
    }
    let after = input.clone().sort(keys);
    scope.attempt("by", input, after)
}
