//! Steps that bring in other inputs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Joins another input by equal keys. Null keys match nothing.
///
/// The columns of the left side come first, then those of the other input without its key columns of the same name;
/// another column whose name the left side has already gets the ending `_right`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Join {
    /// The other input's name.
    pub input: String,
    /// Which rows without a partner stay; `inner` if absent.
    #[serde(default)]
    pub how: JoinHow,
    /// The pairs of columns that must be equal.
    pub on: Vec<JoinOn>,
}

/// Which rows without a partner stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum JoinHow {
    /// None.
    #[default]
    Inner,
    /// Those of the left side.
    Left,
    /// Those of the other input.
    Right,
    /// Those of both.
    Full,
    /// Only left rows that have a partner, once each, without the other input's columns.
    Semi,
    /// Only left rows that have no partner.
    Anti,
}

/// A pair of key columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinOn {
    /// The column of the rows that come in.
    pub left: String,
    /// The column of the other input.
    pub right: String,
}

/// Appends the rows of other inputs. Columns are matched by name; a column missing on one side is null there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Union {
    /// The names of the inputs to append, in order.
    pub inputs: Vec<String>,
}

/// Runs one SELECT. The rows that come in are the table `input`; other inputs have their own names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sql {
    /// The SELECT.
    pub query: String,
}
