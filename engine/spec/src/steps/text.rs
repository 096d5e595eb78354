//! Steps about text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds one text column for each named group of a regular expression; null where it does not match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extract {
    /// The text column to search.
    pub column: String,
    /// The regular expression (Rust `regex` syntax) with named groups, e.g. `(?<level>\w+) (?<msg>.*)`.
    pub pattern: String,
}
