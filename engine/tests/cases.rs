//! The cases of `tests/cases/*.yaml` (see its README.md), each as a job of its own; Python runs the same ones through the
//! wheel (`tests/engine/test_cases.py`).

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use karyaksham_engine::{EngineError, submit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Steps that may mix, multiply or join rows: their counts are not those of the input.
const MIXING: [&str; 4] = ["aggregate", "join", "union", "sql"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    input: String,
    #[serde(default = "csv")]
    input_format: String,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    steps: Vec<Value>,
    #[serde(default)]
    spec: Map<String, Value>,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    expect: Option<String>,
    #[serde(default)]
    unordered: bool,
    #[serde(default)]
    rejects: Option<String>,
    #[serde(default)]
    reject_count: Option<u64>,
    #[serde(default)]
    error: Option<Map<String, Value>>,
    #[serde(default)]
    problems: Option<Vec<(String, String)>>,
}

fn csv() -> String {
    "csv".to_owned()
}

#[test]
fn all_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut run = 0;
    let mut failed = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // As YAML 1.2 has it: `n` is a name, not a boolean.
        let options = serde_saphyr::options! { strict_booleans: true };
        let cases: Vec<Case> = serde_saphyr::from_str_with_options(&text, options)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in cases {
            run += 1;
            if let Err(message) = check(&case) {
                failed.push(format!("{}: {}: {message}", file.file_stem().unwrap().display(), case.name));
            }
        }
    }
    assert!(run > 100, "{run} cases");
    assert!(failed.is_empty(), "{} of {run} cases failed:\n{}", failed.len(), failed.join("\n"));
}

/// Runs a case; says what differs.
fn check(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut inputs = Map::new();
    let main = ("input".to_owned(), format!("input.{}", case.input_format), &case.input);
    let others = case.inputs.iter().map(|(name, text)| (name.clone(), format!("{name}.csv"), text));
    for (name, file, text) in std::iter::once(main).chain(others) {
        std::fs::write(path(&file), text).unwrap();
        inputs.insert(name, json!({"url": path(&file)}));
    }
    let mut spec = json!({"version": 1, "steps": case.steps, "output": {"format": "csv"}});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(case.output.clone().map(|output| ("output".to_owned(), output)));
    fields.extend(case.spec.clone());
    let output = path("result");
    let request = json!({"spec": spec, "inputs": inputs, "output": {"url": output, "overwrite": false}});
    let ended = submit(&request.to_string()).and_then(|job| {
        job.wait(Some(Duration::from_mins(3)))
            .unwrap_or_else(|| Err(EngineError::internal("no end within three minutes")))
    });
    let report = match (ended, &case.error) {
        (Ok(report), None) => serde_json::to_value(report).unwrap(),
        (Ok(_), Some(_)) => return Err("succeeded".to_owned()),
        (Err(error), None) => return Err(format!("failed: {error}")),
        (Err(error), Some(expected)) => return check_error(case, expected, &error, folder.path()),
    };

    let text = std::fs::read_to_string(&output).unwrap();
    let expected = case.expect.as_deref().ok_or("the case expects nothing")?;
    if lines(&text, case.unordered) != lines(expected, case.unordered) {
        return Err(format!("gave\n{text}"));
    }
    let rejects = std::fs::read_to_string(path("result.rejects.csv")).ok();
    let rejected = report["rowsRejected"].as_u64();
    let told = report["rejects"].get("rows").and_then(Value::as_u64).unwrap_or(0);
    if rejected != Some(told) {
        return Err(format!("{rejected:?} rows rejected, {told} in the file"));
    }
    match case.reject_count {
        Some(count) if count != told => return Err(format!("{told} rows rejected")),
        None if rejects != case.rejects => return Err(format!("rejected\n{}", rejects.unwrap_or_default())),
        _ => {}
    }
    let mixing = case.steps.iter().any(|step| MIXING.iter().any(|name| step.get(name).is_some()));
    let count = |name: &str| report[name].as_u64().unwrap();
    if !mixing && count("rowsIn") != count("rowsOut") + count("rowsFiltered") + count("rowsRejected") {
        return Err(format!("the ledger does not balance: {report}"));
    }
    Ok(())
}

fn check_error(case: &Case, expected: &Map<String, Value>, error: &EngineError, folder: &Path) -> Result<(), String> {
    let found = error.to_json();
    for (name, value) in expected {
        // Python's names of the attributes.
        let name = if name == "byte_offset" { "byteOffset" } else { name };
        if found[name] != *value {
            return Err(format!("{name} is {}: {error}", found[name]));
        }
    }
    if let Some(expected) = &case.problems {
        let problems = &error.details().problems;
        let found: Vec<_> = problems.iter().map(|p| (p.path.clone(), p.code.as_str().to_owned())).collect();
        if found != *expected {
            return Err(format!("problems are {found:?}"));
        }
    }
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().display().to_string());
    let left: Vec<String> =
        names.filter(|name| name == "result" || name.contains("partial") || name.contains("rejects")).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left {left:?} behind")) }
}

/// The lines; those after the first sorted, if their order is not stated.
fn lines(text: &str, unordered: bool) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if unordered && let Some(rest) = lines.get_mut(1..) {
        rest.sort_unstable();
    }
    lines
}
