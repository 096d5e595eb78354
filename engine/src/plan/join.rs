//! `join`: joins another input by equal keys.
//!
//! - **Nulls.** Null keys match nothing. **Order.** Any. **Types.** Keys of both sides are made comparable.
//! - **Memory.** One side's hash table; if it does not fit, the job runs again with a join that sorts and spills.
//! - **Ledger.** Counts only.

use std::collections::HashSet;

use datafusion::common::JoinType;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::ident;
use karyaksham_spec::steps::{Join, JoinHow};

use super::scope::Scope;

pub(super) fn apply(step: &Join, input: DataFrame, scope: &mut Scope<'_>) -> DataFrame {
    let Some(other) = scope.table(&step.input, "input") else { return input };
    let mut wrong = false;
    for (number, pair) in step.on.iter().enumerate() {
        let place = format!("on[{number}]");
        wrong |= scope.column(input.schema(), &pair.left, &format!("{place}.left")).is_none();
        wrong |= scope.column(other.schema(), &pair.right, &format!("{place}.right")).is_none();
    }
    if wrong {
        scope.lost = true;
        return input;
    }
    match joined(step, &input, &other) {
        Ok(frame) => frame,
        Err(error) => {
            scope.plan_error("on", &error);
            scope.lost = true;
            input
        }
    }
}

fn joined(step: &Join, input: &DataFrame, other: &DataFrame) -> datafusion::error::Result<DataFrame> {
    let kind = match step.how {
        JoinHow::Inner => JoinType::Inner,
        JoinHow::Left => JoinType::Left,
        JoinHow::Right => JoinType::Right,
        JoinHow::Full => JoinType::Full,
        JoinHow::Semi => JoinType::LeftSemi,
        JoinHow::Anti => JoinType::LeftAnti,
    };
    let internal = |name: &str| format!("__right_{name}");
    let right = other
        .clone()
        .select(other.schema().fields().iter().map(|field| ident(field.name()).alias(internal(field.name()))))?;
    let left_keys: Vec<String> = step.on.iter().map(|pair| quoted(&pair.left)).collect();
    let right_keys: Vec<String> = step.on.iter().map(|pair| quoted(&internal(&pair.right))).collect();
    let left_keys: Vec<&str> = left_keys.iter().map(String::as_str).collect();
    let right_keys: Vec<&str> = right_keys.iter().map(String::as_str).collect();
    let joined = input.clone().join(right, kind, &left_keys, &right_keys, None)?;
    let left: Vec<String> = input.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut columns: Vec<_> = left.iter().map(ident).collect();
    if matches!(step.how, JoinHow::Semi | JoinHow::Anti) {
        return joined.select(columns);
    }
    let mut taken: HashSet<String> = left.iter().cloned().collect();
    for field in other.schema().fields() {
        let name = field.name();
        if let Some(pair) = step.on.iter().find(|pair| pair.right == *name && pair.left == *name) {
            // One key column is enough. Rows that only the other input has bring their key along.
            if matches!(step.how, JoinHow::Right | JoinHow::Full)
                && let Some(place) = left.iter().position(|left| *left == pair.left)
            {
                columns[place] =
                    datafusion::functions::core::expr_fn::coalesce(vec![ident(name), ident(internal(name))])
                        .alias(name);
            }
            continue;
        }
        let mut unique = name.clone();
        while !taken.insert(unique.clone()) {
            unique.push_str("_right");
        }
        columns.push(ident(internal(name)).alias(unique));
    }
    joined.select(columns)
}

/// As the text of a column, which DataFusion parses.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
