//! Steps that change columns and leave rows as they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ColumnType;

/// Keeps some columns, in the order given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Select {
    /// The columns to keep.
    pub columns: Vec<String>,
}

/// Removes columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drop {
    /// The columns to remove.
    pub columns: Vec<String>,
}

/// Renames columns; their places stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rename {
    /// The columns to rename; all at once, so that two names can be swapped.
    pub columns: Vec<RenamedColumn>,
}

/// One column's old and new name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenamedColumn {
    /// The name now.
    pub from: String,
    /// The name afterwards.
    pub to: String,
}

/// Changes the types of columns. A value that does not fit the new type fails the job: nothing turns to null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cast {
    /// The columns and their new types.
    pub columns: Vec<ColumnType>,
}

/// Adds columns computed from the others; a column of the same name is replaced in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derive {
    /// The new columns; each sees the columns before this step, not one another.
    pub columns: Vec<NamedExpr>,
}

/// A column's name and the SQL expression that computes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedExpr {
    /// The column's name.
    pub name: String,
    /// The SQL expression, e.g. `unit_price * quantity`.
    pub expr: String,
}
