//! The definition of a pipeline: the one source of its JSON, its JSON Schema and its static checks.
//!
//! The same JSON stands at every place: GraphQL `@oneOf` input, JSONB column, command-line file, engine
//! input. This crate knows serde and schemars only; what a step *does* is in `karyaksham-engine::plan`.
//!
//! ```
//! let (pipeline, problems) = karyaksham_spec::check(
//!     r#"{"version": 1, "steps": [{"limit": {"rows": 10}}], "output": {"format": "csv"}}"#,
//! );
//! assert!(problems.is_empty());
//! assert_eq!(pipeline.unwrap().steps[0].name(), "limit");
//! ```

mod check;
mod dialect;
mod output;
mod pipeline;
mod problem;
mod rules;
mod shape;
pub mod steps;

pub use check::{Parts, check, parts, schema_json};
pub use dialect::{ColumnType, Compression, DateOrder, Decimal, Encoding, Format, InputOverride};
pub use output::{Output, OutputCompression, OutputFormat};
pub use pipeline::{MAIN_INPUT, OnBadRow, Pipeline, VERSION};
pub use problem::{Code, Problem, did_you_mean};
pub use steps::Step;
