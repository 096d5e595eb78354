//! The steps: one file per step or small group of alike steps.

mod aggregate;
mod columns;
mod combine;
mod nulls;
mod rows;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aggregate::{Aggregate, Distinct};
pub use columns::{Cast, Derive, Drop, NamedExpr, Rename, RenamedColumn, Select};
pub use combine::{Join, JoinHow, JoinOn, Sql, Union};
pub use nulls::{DropNull, FillNull, FillNullColumn};
pub use rows::{Expect, Filter, Limit, NullOrder, OnFail, Sample, Sort, SortKey};
pub use text::Extract;

/// One step; a JSON object with exactly one of these fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Keeps the rows for which a condition holds.
    Filter(Filter),
    /// Keeps some columns, in the order given.
    Select(Select),
    /// Removes columns.
    Drop(Drop),
    /// Renames columns.
    Rename(Rename),
    /// Changes the types of columns.
    Cast(Cast),
    /// Adds or replaces columns by expressions.
    Derive(Derive),
    /// Groups rows and computes aggregates.
    Aggregate(Aggregate),
    /// Sorts all rows.
    Sort(Sort),
    /// Keeps a number of rows.
    Limit(Limit),
    /// Keeps one row for each distinct value.
    Distinct(Distinct),
    /// Joins another input.
    Join(Join),
    /// Appends other inputs.
    Union(Union),
    /// Replaces nulls.
    FillNull(FillNull),
    /// Removes rows with nulls.
    DropNull(DropNull),
    /// Keeps a random part of the rows.
    Sample(Sample),
    /// Takes columns out of a text by a regular expression.
    Extract(Extract),
    /// Checks each row.
    Expect(Expect),
    /// Runs one SELECT.
    Sql(Sql),
}

/// The names of all steps, as in JSON.
pub const STEP_NAMES: [&str; 18] = [
    "filter",
    "select",
    "drop",
    "rename",
    "cast",
    "derive",
    "aggregate",
    "sort",
    "limit",
    "distinct",
    "join",
    "union",
    "fillNull",
    "dropNull",
    "sample",
    "extract",
    "expect",
    "sql",
];

impl Step {
    /// The step's name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Select(_) => "select",
            Self::Drop(_) => "drop",
            Self::Rename(_) => "rename",
            Self::Cast(_) => "cast",
            Self::Derive(_) => "derive",
            Self::Aggregate(_) => "aggregate",
            Self::Sort(_) => "sort",
            Self::Limit(_) => "limit",
            Self::Distinct(_) => "distinct",
            Self::Join(_) => "join",
            Self::Union(_) => "union",
            Self::FillNull(_) => "fillNull",
            Self::DropNull(_) => "dropNull",
            Self::Sample(_) => "sample",
            Self::Extract(_) => "extract",
            Self::Expect(_) => "expect",
            Self::Sql(_) => "sql",
        }
    }

    /// Whether each row that comes in goes out as one row or is counted as filtered or rejected.
    pub fn preserves_rows(&self) -> bool {
        !matches!(self, Self::Aggregate(_) | Self::Join(_) | Self::Union(_) | Self::Sql(_))
    }
}
