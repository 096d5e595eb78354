//! Steps that choose or order rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps the rows for which a condition is true; rows for which it is false or null are filtered out. Keeps order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// A boolean SQL expression over the columns, e.g. `country = 'India' AND amount > 100`.
    #[serde(rename = "where")]
    pub condition: String,
}

/// Sorts all rows. Rows with equal keys come in any order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sort {
    /// The keys, most significant first.
    pub by: Vec<SortKey>,
}

/// One key of a sort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SortKey {
    /// The column.
    pub column: String,
    /// From the largest to the smallest.
    #[serde(default)]
    pub descending: bool,
    /// Where nulls go; last if absent, whatever the direction.
    #[serde(default)]
    pub nulls: NullOrder,
}

/// Where a sort puts nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NullOrder {
    /// Before all values.
    First,
    /// After all values.
    #[default]
    Last,
}

/// Keeps a number of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// How many rows to keep.
    pub rows: u64,
    /// How many rows to leave out first.
    #[serde(default)]
    pub offset: u64,
}

/// Keeps each row with a given probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// The probability with which a row is kept, more than 0 and at most 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fraction: f64,
    /// The same seed and input give the same rows. Chosen at random if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Checks each row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// The expectation's name, shown with the rows that break it.
    pub name: String,
    /// A boolean SQL expression that should be true.
    pub that: String,
    /// What happens to a row for which it is not true.
    #[serde(default)]
    pub on_fail: OnFail,
}

/// What happens to a row that breaks an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnFail {
    /// The job fails.
    Fail,
    /// The row goes to the rejects.
    #[default]
    Reject,
    /// The row is kept and counted.
    Warn,
}
