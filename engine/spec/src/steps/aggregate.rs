//! Steps that make fewer rows of many.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NamedExpr;

/// Groups rows and computes aggregates. Rows come out in any order; null is a group of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aggregate {
    /// The columns to group by; none: one row for the whole input.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// The aggregates, e.g. `count(*)`, `sum(amount)`, `avg(quantity)`, `sum(a) / count(*)`.
    pub aggregates: Vec<NamedExpr>,
}

/// Keeps the first row of each distinct value of some columns, or each distinct row. Keeps order; null equals null.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Distinct {
    /// The columns that must differ; all columns if empty or absent.
    #[serde(default)]
    pub on: Vec<String>,
}
