//! `expect`: checks each row.
//!
//! - **Nulls.** Null is not true: it breaks the expectation. Write `amount IS NULL OR amount > 0` to let nulls pass.
//! - **`reject`** (default): the row goes to the rejects file, with the column if the condition looks at only one, the
//!   reason, and as raw text the row's values at this step, as JSON. Line and byte offset stay empty: a row has none any
//!   more once it is read. `maxRejects` counts these rows together with those that could not be read; `onBadRow` is about the
//!   latter only.
//! - **`fail`**: the job fails with `EXPECTATION_FAILED`, naming the expectation, the step, the number of rows and the first
//!   of them. To count them, the input is read to its end.
//! - **`warn`**: rows pass, and the report's step counts them.
//! - **Order, types.** Neither changes.
//! - **Ledger.** Rejected rows count as rejected, exactly once. With a `limit` behind it, only rows that were read are
//!   checked.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use karyaksham_spec::steps::Expect;

use super::scope::Scope;
use crate::exec::{Expectation, Op, StepNode};

pub(super) fn apply(step: &Expect, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let Some(condition) = scope.condition(&step.that, input.schema(), "that") else { return input };
    let mut columns = condition.column_refs().into_iter();
    let column = match (columns.next(), columns.next()) {
        (Some(column), None) => Some(column.name.clone()),
        _ => None,
    };
    let expectation = Arc::new(Expectation::new(scope.index(), step, column, scope.ledger));
    StepNode::over(input, Op::Expect(expectation), vec![condition])
}
