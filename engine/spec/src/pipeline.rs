//! The top of the document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InputOverride, Output, Step};

/// The version of this definition.
pub const VERSION: u32 = 1;

/// The name of the input that the steps start from.
pub const MAIN_INPUT: &str = "input";

/// A pipeline: what is read, what happens to it step by step, and what is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pipeline {
    /// The version of this definition; always 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What to believe about an input instead of what detection finds. Inputs not named here are detected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputOverride>,
    /// What happens to a row that cannot be read: its number of fields or a value does not fit.
    #[serde(default)]
    pub on_bad_row: OnBadRow,
    /// With `onBadRow: reject`: the job fails as soon as more rows than this are rejected. No limit if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rejects: Option<u64>,
    /// The steps, applied in order to the input named `input`. No steps: a conversion.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The format of the result; Parquet if absent.
    #[serde(default)]
    pub output: Output,
}

/// What happens to a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnBadRow {
    /// The job fails at the first bad row, naming line, byte offset and column.
    Fail,
    /// The row goes to the rejects file with line, byte offset, column, reason and raw text; the job goes on.
    #[default]
    Reject,
}
