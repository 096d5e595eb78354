//! From text to a checked pipeline.

use std::sync::OnceLock;

use serde_json::Value;

use crate::problem::{Code, Problem};
use crate::shape::Shape;
use crate::{InputOverride, Output, Pipeline, Step, rules};

/// The JSON Schema of [`Pipeline`], as committed in `engine/spec/pipeline.schema.json`.
pub fn schema_json() -> String {
    let mut text = serde_json::to_string_pretty(schema()).unwrap_or_default();
    text.push('\n');
    text
}

fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Pipeline).to_value())
}

/// Parses a specification and reports all that is wrong with it as far as can be told without the data's schema.
///
/// The pipeline is there only if nothing is wrong.
pub fn check(text: &str) -> (Option<Pipeline>, Vec<Problem>) {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("this is not JSON: {error}");
            return (None, vec![Problem::new("", Code::InvalidJson, message)]);
        }
    };
    let mut problems = Shape::new(schema()).check(&value);
    // Rules of meaning are checked for those parts that have the right shape, so that one typo hides nothing else.
    let (pipeline, error) = match serde_json::from_value::<Pipeline>(value.clone()) {
        Ok(pipeline) => (Some(pipeline), None),
        Err(error) => (None, Some(error)),
    };
    match (&pipeline, error) {
        (Some(pipeline), _) => problems.extend(rules::check(pipeline)),
        (None, Some(error)) if problems.is_empty() => {
            problems.push(Problem::new("", Code::InvalidValue, error.to_string()));
        }
        _ => problems.extend(rules::check_parts(&value)),
    }
    (pipeline.filter(|_| problems.is_empty()), problems)
}

/// Those parts of a specification that can be read; for checks that go on after an error.
#[derive(Debug, Default)]
pub struct Parts {
    /// The overrides that can be read.
    pub inputs: Vec<InputOverride>,
    /// All steps; `None` for one that cannot be read.
    pub steps: Vec<Option<Step>>,
    /// The output, if it can be read.
    pub output: Option<Output>,
}

/// Reads as much as possible of a specification.
pub fn parts(text: &str) -> Parts {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return Parts::default() };
    let list = |name: &str| document.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    Parts {
        inputs: list("inputs").into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect(),
        steps: list("steps").into_iter().map(|value| serde_json::from_value(value).ok()).collect(),
        output: document.get("output").and_then(|value| serde_json::from_value(value.clone()).ok()),
    }
}
