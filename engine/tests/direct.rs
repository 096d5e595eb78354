//! The direct way against DataFusion's: the same table, rejects and counts for any text.
//!
//! An output with another delimiter than the input's, or of another format, goes through DataFusion.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]

use std::path::Path;

use karyaksham_engine::scan::{Dialect, FieldReader};
use karyaksham_engine::submit;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a job gave: its table, its rejects, and its counts or its error.
#[derive(Debug, PartialEq)]
struct Ran {
    rows: Vec<Vec<Option<String>>>,
    rejects: Option<Vec<u8>>,
    counts: Value,
}

fn run(folder: &Path, format: &str, input: &[u8], spec: &Value, delimiter: u8) -> Ran {
    let (source, output) = (folder.join("in"), folder.join("out"));
    std::fs::write(&source, input).unwrap();
    let columns = if format == "csv" {
        json!([{"name": "i", "type": "int64"}, {"name": "f", "type": "float64"}, {"name": "s", "type": "utf8"}, {"name": "d", "type": "date"}])
    } else {
        json!([{"name": "line", "type": "utf8"}])
    };
    let request = json!({
        "spec": spec,
        "inputs": {"input": {"url": source, "format": format, "dialect": {}, "schema": columns}},
        "output": {"url": output, "overwrite": true},
        "threads": 2,
    });
    let result = submit(&request.to_string()).unwrap().wait(None).unwrap();
    let counts = match &result {
        Ok(report) => {
            let report = serde_json::to_value(report).unwrap();
            json!([
                report["rowsIn"],
                report["rowsOut"],
                report["rowsFiltered"],
                report["rowsRejected"],
                report["schema"]
            ])
        }
        Err(error) => json!([error.code().as_str(), error.details().row, error.details().byte_offset]),
    };
    let mut rows = Vec::new();
    if result.is_ok() {
        let text = std::fs::read(&output).unwrap();
        let dialect = Dialect { delimiter: delimiter.into(), ..Dialect::default() };
        let mut reader = FieldReader::new(&text, &dialect);
        if delimiter == b'\n' {
            let text = String::from_utf8(text).unwrap();
            rows.extend(text.split_terminator('\n').map(|line| vec![Some(line.to_owned())]));
        } else {
            while let Some(row) = reader.texts(&dialect) {
                rows.push(row.into_iter().map(|text| text.map(|text| value(&text, format))).collect());
            }
        }
    }
    let beside = folder.join("out.rejects.csv");
    let rejects = std::fs::read(&beside).ok();
    let _ = std::fs::remove_file(beside);
    let _ = std::fs::remove_file(output);
    Ran { rows, rejects, counts }
}

/// Numbers and dates in one spelling: the direct way keeps theirs.
fn value(text: &str, format: &str) -> String {
    if format != "csv" {
        return text.to_owned();
    }
    text.trim().parse::<f64>().map_or_else(|_| text.trim().to_owned(), |number| number.to_string())
}

fn spec(steps: &Value, bad: &str, output: &Value) -> Value {
    json!({"version": 1, "onBadRow": bad, "steps": steps, "output": output})
}

prop_compose! {
    /// A field, often of the right type, sometimes spelled oddly, quoted, or broken.
    fn field(kind: usize)(
        right in prop::sample::select(match kind {
            0 => vec!["1", "-7", "42", "+3", " 5 ", "9223372036854775807"],
            1 => vec!["1.5", "-0.25", "100", "1e3", "0.10", " 2.5"],
            2 => vec!["India", "a b", "é", "x'y", "ab", "xa"],
            _ => vec!["2024-02-29", "2023-01-01", " 2023-01-02"],
        }),
        // A quoted empty field is null in columns of other types than text; the direct way keeps its spelling.
        odd in prop::sample::select(vec![if kind == 2 { "\"\"" } else { "" }, "007", "x", "a\"b", "\"a\"b", "\"a,b\"", "\"q\"\"q\"", "\"two\nlines\"", "\u{fffd}", "a\rb"]),
        quoted in 0..8,
        choice in 0..10,
    ) -> String {
        match (choice, quoted) {
            (0, _) => odd.to_owned(),
            (1, _) => String::new(),
            (_, 0) => format!("\"{right}\""),
            _ => right.to_owned(),
        }
    }
}

prop_compose! {
    fn record()(
        fields in (field(0), field(1), field(2), field(3)),
        shape in 0..20,
        end in prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\n\n"]),
    ) -> String {
        let (i, f, s, d) = fields;
        match shape {
            0 => format!("{i},{f}{end}"),
            1 => format!("{i},{f},{s},{d},more{end}"),
            _ => format!("{i},{f},{s},{d}{end}"),
        }
    }
}

/// Steps, and whether all conditions are checked in the same order both ways: then rejects are the same too.
fn steps() -> impl Strategy<Value = (Value, bool)> {
    prop::sample::select(vec![
        (json!([]), true),
        (json!([{"filter": {"where": "s = 'India'"}}]), true),
        (json!([{"filter": {"where": "i > 1"}}, {"select": {"columns": ["s", "i"]}}]), true),
        (json!([{"filter": {"where": "s <> 'x' AND f > 1"}}, {"select": {"columns": ["d", "f"]}}]), true),
        (json!([{"filter": {"where": "f <= 100 OR i = 42"}}, {"drop": {"columns": ["i"]}}]), true),
        (json!([{"filter": {"where": "NOT (s LIKE '%a%' OR s IN ('ab', 'é'))"}}]), true),
        (
            json!([{"filter": {"where": "i % 2 = 1"}}, {"rename": {"columns": [{"from": "i", "to": "s"}, {"from": "s", "to": "i"}]}}]),
            true,
        ),
        (json!([{"dropNull": {"columns": ["s", "d"]}}]), true),
        (json!([{"select": {"columns": ["s"]}}]), true),
        (json!([{"dropNull": {}}]), false),
        (
            json!([{"filter": {"where": "s IS NULL OR d > '2023-06-01'"}}, {"filter": {"where": "f IS NOT NULL"}}]),
            false,
        ),
        (json!([{"filter": {"where": "i % 2 = 1 AND s <> 'ab'"}}]), false),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn the_same_table_as_by_datafusion(
        records in prop::collection::vec(record(), 0..25),
        open in 0..10,
        broken in 0..10,
        (steps, exact) in steps(),
        fail in 0..3,
    ) {
        let mut text = format!("i,f,s,d\n{}", records.concat()).into_bytes();
        if open == 0 {
            text.extend_from_slice(b"1,\"never closed\n2,3");
        }
        if broken == 0 {
            // Bytes that are no UTF-8 in place of a character that is.
            while let Some(at) = memchr::memmem::find(&text, "\u{fffd}".as_bytes()) {
                text.splice(at..at + 3, [0xFF]);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let bad = if exact && fail == 0 { "fail" } else { "reject" };
        let direct = run(folder.path(), "csv", &text, &spec(&steps, bad, &json!({"format": "csv"})), b',');
        let other = run(folder.path(), "csv", &text, &spec(&steps, bad, &json!({"format": "csv", "delimiter": ";"})), b';');
        prop_assert_eq!(&direct.rows, &other.rows);
        if exact {
            prop_assert_eq!(direct, other);
        }
    }

    #[test]
    fn the_same_lines_as_by_datafusion(
        text in prop::collection::vec(prop::sample::select(b"aabbERROR \"\n\n\r\xC3\xA9\xFF".to_vec()), 0..200),
        condition in prop::sample::select(vec![
            "contains(line, 'ab')", "line LIKE '%a%' OR line LIKE '%ER%'", "starts_with(line, 'a') AND NOT contains(line, 'b')",
            "line = ''", "length(line) > 3 AND contains(line, 'a')", "line ~ 'a+b'",
        ]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let steps = json!([{"filter": {"where": condition}}]);
        let direct = run(folder.path(), "lines", &text, &spec(&steps, "reject", &json!({"format": "lines"})), b'\n');
        let other = run(folder.path(), "lines", &text, &spec(&steps, "reject", &json!({"format": "csv", "header": false})), b',');
        prop_assert_eq!(direct, other);
    }
}
