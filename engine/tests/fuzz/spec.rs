//! Specifications: whatever the text, checking and planning end with problems, not with a panic; what is right stays so.

use karyaksham_engine::plan::validate;
use karyaksham_spec::check;

use super::mutate::hash;

pub const WORDS: &[&[u8]] = &[
    b"\"filter\":",
    b"\"where\":",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"1",
    b"-1",
    b"1e99",
    b"true",
    b"\"a\"",
    b"a > 1",
    b"'x'",
    b"(",
    b")",
    b"SELECT",
    b" FROM input",
    b"sum(a)",
    b"count(*)",
    b"CAST(a AS INT)",
    b"a['x']",
    b"\\u0000",
    b"\xC3\xA9",
    b"CASE WHEN",
    b"OVER ()",
    b"NOT ",
    b"INTERVAL '1 day'",
    b"regexp_like(b, '(')",
    b"decimal(38,38)",
    b"a.b.c",
    b"x -> x + 1",
    b"[1,2]",
    b"$1",
    b"--",
    b"/*",
];

const SCHEMAS: &str = r#"{"input": [{"name": "a", "type": "int64"}, {"name": "b", "type": "utf8"}, {"name": "d", "type": "date"},
 {"name": "s", "type": "struct<x: int64>"}], "other": [{"name": "a", "type": "int64"}]}"#;

pub fn seeds() -> Vec<Vec<u8>> {
    let steps = [
        r#"{"filter": {"where": "a > 1 AND b = 'x'"}}"#,
        r#"{"select": {"columns": ["a", "b"]}}, {"drop": {"columns": ["b"]}}"#,
        r#"{"derive": {"columns": [{"name": "t", "expr": "s['x'] * 2"}]}}, {"cast": {"columns": [{"name": "a", "type": "decimal(12,2)"}]}}"#,
        r#"{"aggregate": {"groupBy": ["b"], "aggregates": [{"name": "n", "expr": "count(*)"}]}}"#,
        r#"{"sort": {"by": [{"column": "a", "descending": true, "nulls": "last"}]}}, {"limit": {"rows": 1, "offset": 2}}"#,
        r#"{"join": {"input": "other", "how": "left", "on": [{"left": "a", "right": "a"}]}}, {"union": {"inputs": ["other"]}}"#,
        r#"{"fillNull": {"columns": [{"name": "b", "value": "u"}]}}, {"dropNull": {"columns": ["a"]}}, {"distinct": {"on": ["a"]}}"#,
        r#"{"sample": {"fraction": 0.5, "seed": 7}}, {"extract": {"column": "b", "pattern": "(?<x>\\d+)"}}"#,
        r#"{"expect": {"name": "p", "that": "a > 0", "onFail": "reject"}}, {"sql": {"query": "SELECT a, count(*) AS n FROM input GROUP BY a"}}"#,
    ];
    steps
        .iter()
        .map(|steps| {
            format!(r#"{{"version": 1, "inputs": [{{"name": "input", "format": "csv"}}], "steps": [{steps}], "output": {{"format": "csv"}}}}"#)
                .into_bytes()
        })
        .collect()
}

pub fn run(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (pipeline, problems) = check(&text);
    if let Some(pipeline) = &pipeline {
        let again = serde_json::to_string(pipeline).unwrap();
        let (same, _) = check(&again);
        assert_eq!(
            same.as_ref().map(|same| serde_json::to_value(same).unwrap()),
            Some(serde_json::to_value(pipeline).unwrap()),
            "{again}"
        );
    }
    let all = validate(&text, Some(SCHEMAS)).unwrap();
    assert!(problems.is_empty() || !all.is_empty(), "a problem was lost: {problems:?}");
    let codes: Vec<String> = all.iter().map(|problem| format!("{:?} {}", problem.code, problem.path)).collect();
    hash(codes.join("\n").as_bytes())
}
