//! Rules of meaning that a JSON Schema does not say and that need no data.

use std::collections::HashSet;

use serde_json::Value;

use crate::problem::{Code, Problem};
use crate::{Decimal, InputOverride, Output, OutputCompression, OutputFormat, Pipeline, Step, VERSION};

/// Checks a whole pipeline.
pub(crate) fn check(pipeline: &Pipeline) -> Vec<Problem> {
    let mut problems = Vec::new();
    if pipeline.version != VERSION {
        problems.push(Problem::new("version", Code::InvalidValue, format!("the version must be {VERSION}")));
    }
    let mut names = HashSet::new();
    for (index, input) in pipeline.inputs.iter().enumerate() {
        let path = format!("inputs[{index}]");
        if !names.insert(&input.name) {
            let message = format!("the input `{}` stands here twice", input.name);
            problems.push(Problem::new(format!("{path}.name"), Code::InvalidValue, message));
        }
        check_input(input, &path, &mut problems);
    }
    for (index, step) in pipeline.steps.iter().enumerate() {
        check_step(step, &format!("steps[{index}].{}", step.name()), &mut problems);
    }
    check_output(&pipeline.output, "output", &mut problems);
    problems
}

/// Checks those parts of a misshapen document that can be read.
pub(crate) fn check_parts(document: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let items = |name: &str| document.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for (index, input) in items("inputs").into_iter().enumerate() {
        if let Ok(input) = serde_json::from_value(input) {
            check_input(&input, &format!("inputs[{index}]"), &mut problems);
        }
    }
    for (index, step) in items("steps").into_iter().enumerate() {
        if let Ok(step) = serde_json::from_value::<Step>(step) {
            check_step(&step, &format!("steps[{index}].{}", step.name()), &mut problems);
        }
    }
    if let Some(Ok(output)) = document.get("output").map(|output| serde_json::from_value(output.clone())) {
        check_output(&output, "output", &mut problems);
    }
    problems
}

fn check_input(input: &InputOverride, path: &str, problems: &mut Vec<Problem>) {
    if input.name.is_empty() {
        problems.push(Problem::new(format!("{path}.name"), Code::InvalidValue, "the name is empty"));
    }
    short(input.delimiter.as_deref(), false, &format!("{path}.delimiter"), problems);
    short(input.comment.as_deref(), true, &format!("{path}.comment"), problems);
    one_character(input.quote.as_deref(), true, &format!("{path}.quote"), problems);
    one_character(input.escape.as_deref(), true, &format!("{path}.escape"), problems);
    let holds = |text: &Option<String>, part: &Option<String>| match (text, part) {
        (Some(text), Some(part)) => !part.is_empty() && text.contains(part.as_str()),
        _ => false,
    };
    if holds(&input.delimiter, &input.quote) {
        let message = if input.delimiter == input.quote {
            "delimiter and quote are the same character"
        } else {
            "the quote is part of the delimiter"
        };
        problems.push(Problem::new(format!("{path}.quote"), Code::InvalidValue, message));
    }
    if input.comment.as_ref().is_some_and(|comment| !comment.is_empty()) && input.comment == input.delimiter {
        let message = "delimiter and comment are the same";
        problems.push(Problem::new(format!("{path}.comment"), Code::InvalidValue, message));
    }
    if matches!((input.header, input.header_rows), (Some(false), Some(1..)) | (Some(true), Some(0))) {
        let message = "header and headerRows contradict each other";
        problems
            .push(Problem::new(format!("{path}.headerRows"), Code::InvalidValue, message).hint("leave `header` out"));
    }
    if input.header_rows.is_some_and(|rows| rows > MAX_HEADER_ROWS) {
        let message = format!("a header has at most {MAX_HEADER_ROWS} rows");
        problems.push(Problem::new(format!("{path}.headerRows"), Code::InvalidValue, message));
    }
    if input.decimal == Some(Decimal::Comma) && input.delimiter.as_deref() == Some(",") {
        let message = "a comma cannot be both delimiter and decimal sign";
        problems.push(Problem::new(format!("{path}.decimal"), Code::InvalidValue, message));
    }
}

/// The longest header that is read.
const MAX_HEADER_ROWS: u32 = 16;
/// The longest delimiter and beginning of comments, in bytes.
const MAX_SHORT_BYTES: usize = 8;

/// A delimiter or the beginning of a comment.
fn short(text: Option<&str>, empty_allowed: bool, path: &str, problems: &mut Vec<Problem>) {
    let Some(text) = text else { return };
    let fits = (empty_allowed || !text.is_empty())
        && text.len() <= MAX_SHORT_BYTES
        && !text.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    if !fits {
        let message =
            format!("`{}` is not a text of 1 to {MAX_SHORT_BYTES} bytes without line ends", text.escape_debug());
        let problem = Problem::new(path, Code::InvalidValue, message);
        problems.push(problem.hint("write e.g. \",\", \";\", \"||\" or \"\\t\""));
    }
}

fn one_character(text: Option<&str>, empty_allowed: bool, path: &str, problems: &mut Vec<Problem>) {
    let Some(text) = text else { return };
    let fits = match text.as_bytes() {
        [] => empty_allowed,
        [byte] => byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0),
        _ => false,
    };
    if !fits {
        problems.push(
            Problem::new(path, Code::InvalidValue, format!("`{}` is not one ASCII character", text.escape_debug()))
                .hint("write e.g. \",\", \";\", \"|\" or \"\\t\""),
        );
    }
}

fn check_output(output: &Output, path: &str, problems: &mut Vec<Problem>) {
    use OutputCompression::{Gzip, Lz4, None, Snappy, Zstd};
    one_character(output.delimiter.as_deref(), false, &format!("{path}.delimiter"), problems);
    unique(output.partition_by.iter().map(String::as_str), &format!("{path}.partitionBy"), "", problems);
    if output.escape_formulas == Some(true) && !matches!(output.format, OutputFormat::Csv | OutputFormat::Tsv) {
        let message = format!("{} holds no cells that a spreadsheet would run", output.format.as_str());
        problems.push(
            Problem::new(format!("{path}.escapeFormulas"), Code::InvalidValue, message)
                .hint("leave `escapeFormulas` out, or write csv or tsv"),
        );
    }
    let text = !matches!(output.format, OutputFormat::Parquet | OutputFormat::Arrow);
    if let Some(compression) = output.compression {
        let allowed = match output.format {
            OutputFormat::Parquet => true,
            OutputFormat::Arrow => matches!(compression, None | Zstd | Lz4),
            _ => !matches!(compression, Snappy | Lz4),
        };
        if !allowed {
            let message = format!("{} cannot be used with {}", compression.as_str(), output.format.as_str());
            problems.push(Problem::new(format!("{path}.compression"), Code::InvalidValue, message));
        }
    }
    if let Some(level) = output.level {
        let chosen = output.compression.unwrap_or(if text { None } else { Zstd });
        let range = match chosen {
            Zstd => 1..=22,
            Gzip => 1..=9,
            None | Snappy | Lz4 => {
                let message = format!("{} has no levels", chosen.as_str());
                problems.push(
                    Problem::new(format!("{path}.level"), Code::InvalidValue, message)
                        .hint("leave the level out, or choose zstd or gzip"),
                );
                return;
            }
        };
        if !range.contains(&level) {
            let message = format!("the level of {} lies between 1 and {}", chosen.as_str(), range.end());
            problems.push(Problem::new(format!("{path}.level"), Code::InvalidValue, message));
        }
    }
}

fn check_step(step: &Step, path: &str, problems: &mut Vec<Problem>) {
    match step {
        Step::Filter(step) => not_blank(&step.condition, &format!("{path}.where"), problems),
        Step::Select(step) => names(&step.columns, &format!("{path}.columns"), problems),
        Step::Drop(step) => names(&step.columns, &format!("{path}.columns"), problems),
        Step::Rename(step) => {
            let list = format!("{path}.columns");
            not_empty(step.columns.len(), &list, problems);
            unique(step.columns.iter().map(|c| c.from.as_str()), &list, "from", problems);
            unique(step.columns.iter().map(|c| c.to.as_str()), &list, "to", problems);
        }
        Step::Cast(step) => {
            let list = format!("{path}.columns");
            not_empty(step.columns.len(), &list, problems);
            unique(step.columns.iter().map(|c| c.name.as_str()), &list, "name", problems);
        }
        Step::Derive(step) => {
            let list = format!("{path}.columns");
            not_empty(step.columns.len(), &list, problems);
            unique(step.columns.iter().map(|c| c.name.as_str()), &list, "name", problems);
            for (index, column) in step.columns.iter().enumerate() {
                not_blank(&column.expr, &format!("{list}[{index}].expr"), problems);
            }
        }
        Step::Aggregate(step) => {
            let list = format!("{path}.aggregates");
            if step.group_by.is_empty() {
                not_empty(step.aggregates.len(), &list, problems);
            }
            let all = step.group_by.iter().map(String::as_str);
            unique(all, &format!("{path}.groupBy"), "", problems);
            unique(step.aggregates.iter().map(|c| c.name.as_str()), &list, "name", problems);
            for (index, column) in step.aggregates.iter().enumerate() {
                not_blank(&column.expr, &format!("{list}[{index}].expr"), problems);
                if step.group_by.contains(&column.name) {
                    let message = format!("`{}` is the name of a group column too", column.name);
                    problems.push(Problem::new(format!("{list}[{index}].name"), Code::DuplicateColumn, message));
                }
            }
        }
        Step::Sort(step) => {
            let list = format!("{path}.by");
            not_empty(step.by.len(), &list, problems);
            unique(step.by.iter().map(|key| key.column.as_str()), &list, "column", problems);
        }
        Step::Limit(_) => {}
        Step::Distinct(step) => unique(step.on.iter().map(String::as_str), &format!("{path}.on"), "", problems),
        Step::Join(step) => not_empty(step.on.len(), &format!("{path}.on"), problems),
        Step::Union(step) => not_empty(step.inputs.len(), &format!("{path}.inputs"), problems),
        Step::FillNull(step) => {
            let list = format!("{path}.columns");
            not_empty(step.columns.len(), &list, problems);
            unique(step.columns.iter().map(|c| c.name.as_str()), &list, "name", problems);
        }
        Step::DropNull(step) => {
            unique(step.columns.iter().map(String::as_str), &format!("{path}.columns"), "", problems);
        }
        Step::Sample(step) => {
            if !(step.fraction > 0.0 && step.fraction <= 1.0) {
                let message = format!("the fraction {} is not more than 0 and at most 1", step.fraction);
                problems.push(Problem::new(format!("{path}.fraction"), Code::InvalidValue, message));
            }
        }
        Step::Extract(step) => not_blank(&step.pattern, &format!("{path}.pattern"), problems),
        Step::Expect(step) => not_blank(&step.that, &format!("{path}.that"), problems),
        Step::Sql(step) => not_blank(&step.query, &format!("{path}.query"), problems),
    }
}

fn not_blank(text: &str, path: &str, problems: &mut Vec<Problem>) {
    if text.trim().is_empty() {
        problems.push(Problem::new(path, Code::InvalidExpression, "the expression is empty"));
    }
}

fn not_empty(length: usize, path: &str, problems: &mut Vec<Problem>) {
    if length == 0 {
        problems.push(Problem::new(path, Code::InvalidValue, "the list is empty"));
    }
}

fn names(columns: &[String], path: &str, problems: &mut Vec<Problem>) {
    not_empty(columns.len(), path, problems);
    unique(columns.iter().map(String::as_str), path, "", problems);
}

/// Each name once, none empty. `field` is the field of a list's item that holds the name, if it is an object.
fn unique<'a>(names: impl Iterator<Item = &'a str>, path: &str, field: &str, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (index, name) in names.enumerate() {
        let dot = if field.is_empty() { "" } else { "." };
        let place = format!("{path}[{index}]{dot}{field}");
        if name.is_empty() {
            problems.push(Problem::new(place, Code::InvalidValue, "the name is empty"));
        } else if !seen.insert(name) {
            problems.push(Problem::new(place, Code::DuplicateColumn, format!("`{name}` stands here twice")));
        }
    }
}
