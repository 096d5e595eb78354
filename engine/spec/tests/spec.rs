//! The definition's contract: every step of the design parses, round-trips, and is refused precisely.

use karyaksham_spec::{Code, check, schema_json, steps::STEP_NAMES};

const DESIGN: &str = r#"{"version": 1,
 "inputs": [{"name": "input", "format": "csv", "delimiter": ";"}],
 "onBadRow": "reject", "maxRejects": 1000,
 "steps": [
  {"filter":    {"where": "country = 'India' AND amount > 100"}},
  {"select":    {"columns": ["order_id", "amount"]}},      {"drop": {"columns": ["note"]}},
  {"rename":    {"columns": [{"from": "amt", "to": "amount"}]}},
  {"cast":      {"columns": [{"name": "amount", "type": "decimal(12,2)"}]}},
  {"derive":    {"columns": [{"name": "total", "expr": "unit_price * quantity"}]}},
  {"aggregate": {"groupBy": ["country"], "aggregates": [{"name": "n", "expr": "count(*)"}]}},
  {"sort":      {"by": [{"column": "amount", "descending": true, "nulls": "last"}]}},
  {"limit":     {"rows": 100, "offset": 0}},               {"distinct": {"on": ["customer_id"]}},
  {"join":      {"input": "customers", "how": "left", "on": [{"left": "customer_id", "right": "id"}]}},
  {"union":     {"inputs": ["other"]}},                     {"fillNull": {"columns": [{"name": "city", "value": "unknown"}]}},
  {"dropNull":  {"columns": ["email"]}},                    {"sample": {"fraction": 0.01, "seed": 7}},
  {"extract":   {"column": "line", "pattern": "(?<ts>\\S+) (?<level>\\w+) (?<msg>.*)"}},
  {"expect":    {"name": "positive", "that": "amount > 0", "onFail": "reject"}},
  {"sql":       {"query": "SELECT * FROM input"}} ],
 "output": {"format": "parquet", "compression": "zstd", "level": 1, "partitionBy": []}}"#;

#[test]
fn the_design_document_parses_and_round_trips() {
    let (pipeline, problems) = check(DESIGN);
    assert_eq!(problems, []);
    let pipeline = pipeline.unwrap();
    let names: Vec<_> = pipeline.steps.iter().map(karyaksham_spec::Step::name).collect();
    assert_eq!(names, STEP_NAMES);
    let (again, problems) = check(&serde_json::to_string(&pipeline).unwrap());
    assert_eq!(problems, []);
    assert_eq!(again.unwrap(), pipeline);
}

#[test]
fn all_problems_are_reported_at_once_with_their_paths() {
    let (pipeline, problems) = check(
        r#"{"version": 2, "steps": [{"fliter": {"where": "a"}}, {"filter": {"were": "a"}}, {"limit": {"rows": "ten"}},
            {"select": {"columns": []}}, {"sort": {"by": [{"column": "a", "nulls": "lst"}]}}],
            "output": {"format": "csv", "compression": "snappy"}, "extra": 1}"#,
    );
    assert!(pipeline.is_none());
    let found: Vec<_> = problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    for expected in [
        ("version", Code::InvalidValue),
        ("steps[0].fliter", Code::UnknownStep),
        ("steps[1].filter.were", Code::UnknownField),
        ("steps[1].filter.where", Code::MissingField),
        ("steps[2].limit.rows", Code::InvalidValue),
        ("steps[3].select.columns", Code::InvalidValue),
        ("steps[4].sort.by[0].nulls", Code::InvalidValue),
        ("output.compression", Code::InvalidValue),
        ("extra", Code::UnknownField),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not among {found:#?}");
    }
    let typo = problems.iter().find(|p| p.code == Code::UnknownStep).unwrap();
    assert_eq!(typo.hint.as_deref(), Some("did you mean `filter`?"));
}

#[test]
fn not_json() {
    let (_, problems) = check("{");
    assert_eq!(problems[0].code, Code::InvalidJson);
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/pipeline.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(committed, schema_json(), "run `make codegen`");
}
