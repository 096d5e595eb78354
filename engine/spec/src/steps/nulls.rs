//! Steps about nulls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Replaces nulls by fixed values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FillNull {
    /// The columns and what to put in place of null.
    pub columns: Vec<FillNullColumn>,
}

/// A column and its value in place of null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FillNullColumn {
    /// The column.
    pub name: String,
    /// The value as text, of the column's type, e.g. `unknown`, `0`, `2024-01-31`.
    pub value: String,
}

/// Removes the rows in which one of the columns is null.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DropNull {
    /// The columns to look at; all columns if empty or absent.
    #[serde(default)]
    pub columns: Vec<String>,
}
