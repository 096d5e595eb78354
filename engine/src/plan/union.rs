//! `union`: appends other inputs, columns matched by name.
//!
//! - **Nulls.** A column missing on one side is null there. **Order.** Any. **Types.** Columns of one name get one type.
//! - **Ledger.** Counts only.

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Union;

use super::scope::Scope;

pub(super) fn apply(step: &Union, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let mut frame = input;
    for (number, name) in step.inputs.iter().enumerate() {
        let place = format!("inputs[{number}]");
        let Some(other) = scope.table(name, &place) else { return frame };
        let after = frame.clone().union_by_name(other);
        frame = scope.attempt(&place, frame, after);
    }
    frame
}
