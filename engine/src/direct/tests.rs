//! Which pipelines go the direct way, and that borders of blocks change nothing.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use karyaksham_spec::{Compression, Encoding, Pipeline};
use proptest::prelude::*;

use super::plan::{Direct, recognise};
use super::work::{Scratch, Work};
use crate::scan::{BlockReader, Content, Dialect, LineEnding, Reject, Separators, TextFile};
use crate::store::Stores;

fn file(content: Content, columns: &[(&str, DataType)]) -> TextFile {
    let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
    let location = Stores::new(None).locate("/nowhere").unwrap();
    TextFile { location, size: 0, content, schema: Arc::new(Schema::new(fields)) }
}

fn table(dialect: Dialect) -> TextFile {
    let columns = [("a", DataType::Int64), ("b", DataType::Utf8View), ("c", DataType::Float64)];
    file(Content::Csv(dialect, Vec::new()), &columns)
}

fn lines() -> TextFile {
    file(Content::Lines(Compression::None, Encoding::Utf8), &[("line", DataType::Utf8View)])
}

fn pipeline(steps: &str, output: &str) -> Pipeline {
    let text = format!(r#"{{"version": 1, "steps": {steps}, "output": {output}}}"#);
    karyaksham_spec::check(&text).0.unwrap()
}

fn direct(steps: &str, output: &str, file: &TextFile) -> Option<Direct> {
    recognise(&pipeline(steps, output), file, &SessionContext::new())
}

const CSV: &str = r#"{"format": "csv"}"#;

#[test]
fn what_goes_the_direct_way() {
    let plain = table(Dialect::default());
    for steps in [
        "[]",
        r#"[{"filter": {"where": "a > 1 AND b LIKE '%x%' OR c IS NULL"}}, {"select": {"columns": ["c", "a"]}}]"#,
        r#"[{"rename": {"columns": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]}}, {"drop": {"columns": ["c"]}}]"#,
        r#"[{"dropNull": {}}, {"distinct": {"on": ["a", "b"]}}, {"filter": {"where": "sqrt(c) > 2"}}]"#,
    ] {
        assert!(direct(steps, CSV, &plain).is_some(), "{steps}");
    }
    for steps in [
        r#"[{"distinct": {}}]"#,
        r#"[{"distinct": {"on": ["c"]}}]"#,
        r#"[{"derive": {"columns": [{"name": "d", "expr": "a"}]}}]"#,
        r#"[{"limit": {"rows": 1}}]"#,
        r#"[{"sort": {"by": [{"column": "a"}]}}]"#,
    ] {
        assert!(direct(steps, CSV, &plain).is_none(), "{steps}");
    }
    for output in [
        r#"{"format": "parquet"}"#,
        r#"{"format": "tsv"}"#,
        r#"{"format": "csv", "delimiter": ";"}"#,
        r#"{"format": "csv", "compression": "gzip"}"#,
    ] {
        assert!(direct("[]", output, &plain).is_none(), "{output}");
    }
    for dialect in [
        Dialect { delimiter: b';'.into(), ..Dialect::default() },
        Dialect { quote: Some(b'\''), ..Dialect::default() },
        Dialect { escape: Some(b'\\'), ..Dialect::default() },
        Dialect { line_ending: LineEnding::Cr, ..Dialect::default() },
        Dialect { null_values: vec!["NA".to_owned()], ..Dialect::default() },
    ] {
        assert!(direct("[]", CSV, &table(dialect.clone())).is_none(), "{dialect:?}");
    }
    assert!(direct(r#"[{"filter": {"where": "line ~ 'x+'"}}]"#, r#"{"format": "lines"}"#, &lines()).is_some());
    assert!(direct("[]", CSV, &lines()).is_none());
}

#[test]
fn common_conditions_are_told_from_raw_bytes() {
    let raw = |condition: &str| {
        let steps = format!(r#"[{{"filter": {{"where": "{condition}"}}}}]"#);
        match direct(&steps, CSV, &table(Dialect::default())).unwrap().work {
            Work::Csv(csv) => match &csv.stages[..] {
                [super::csv::Stage::Filter(conditions)] => conditions.iter().all(|one| one.raw.is_some()),
                other => panic!("{other:?}"),
            },
            Work::Lines(_) => panic!("lines"),
        }
    };
    for condition in [
        "b = 'India' AND c > 100",
        "a BETWEEN 1 AND 5",
        "b IN ('x', 'y', 'z', 'u', 'v')",
        "NOT (b LIKE 'x%' OR b LIKE '%x')",
        "contains(b, 'x') AND starts_with(b, 'y')",
        "b IS NOT NULL AND 5 < a",
    ] {
        assert!(raw(condition), "{condition}");
    }
    for condition in ["a > c", "b LIKE 'a_b'", "b ILIKE '%x%'", "length(b) > 3", "a % 2 = 0"] {
        assert!(!raw(condition), "{condition}");
    }
}

/// What comes of a text in pieces of some size.
fn take(
    direct: &Direct,
    text: &str,
    separators: Separators,
    piece: usize,
) -> (String, Vec<Reject>, [u64; 3], Vec<u64>) {
    let reader = BlockReader::of_text(Bytes::copy_from_slice(text.as_bytes()), separators, piece);
    let (mut out, mut rejects, mut counts) = (Vec::new(), Vec::new(), [0; 3]);
    let mut after = vec![0; direct.work.stages()];
    let mut scratch = Scratch::default();
    let mut number = 0;
    while let Some(block) = reader.next(&mut scratch.index, || Ok(())).unwrap() {
        let done = direct.work.take(&block, number, &mut scratch).unwrap().unwrap();
        assert_eq!(done.good, done.rows_out + done.filtered);
        number += 1;
        out.extend_from_slice(&done.out);
        rejects.extend(done.rejects);
        for (total, count) in counts.iter_mut().zip([done.good, done.rows_out, done.filtered]) {
            *total += count;
        }
        for (total, rows) in after.iter_mut().zip(done.after) {
            *total += rows;
        }
    }
    (String::from_utf8(out).unwrap(), rejects, counts, after)
}

#[test]
fn a_header_behind_a_block_of_empty_lines() {
    let dialect = Dialect::default();
    let plan = || direct("[]", CSV, &table(dialect.clone())).unwrap();
    for (text, rows) in [("\n\r\na,b,c\n1,x,2\n", 1), ("\r\r\n1,x,2\n", 1), ("a,b,c\n\n1,x,2\n", 1)] {
        for piece in [1, 2, 1 << 20] {
            let (_, rejects, counts, _) = take(&plan(), text, Separators::of(&dialect), piece);
            assert_eq!((rejects, counts[0]), (Vec::new(), rows), "{text:?} in pieces of {piece}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn delimited_text_gives_the_same_whatever_the_borders(
        text in "([1-3]{0,2},[ab\",\r]{0,3},[0-2.]{0,3}\r?\n){0,12}[1a\",\n]{0,10}",
        steps in prop::sample::select(vec![
            "[]",
            r#"[{"filter": {"where": "b = 'a' OR a > 1"}}, {"select": {"columns": ["c", "b"]}}]"#,
            r#"[{"distinct": {"on": ["a", "b"]}}, {"filter": {"where": "c > 0.5 AND length(b) < 3"}}]"#,
            r#"[{"dropNull": {"columns": ["a"]}}]"#,
        ]),
        piece in 1_usize..30,
        header in any::<bool>(),
    ) {
        let dialect = Dialect { header, ..Dialect::default() };
        let plan = || direct(steps, CSV, &table(dialect.clone())).unwrap();
        let separators = Separators::of(&dialect);
        let whole = take(&plan(), &text, separators, 1 << 20);
        prop_assert_eq!(take(&plan(), &text, separators, piece), whole);
    }

    #[test]
    fn lines_give_the_same_whatever_the_borders(
        text in "[ab\n\r]{0,60}",
        condition in prop::sample::select(vec!["contains(line, 'ab')", "line LIKE 'a%' OR line LIKE '%bb%'", "NOT contains(line, 'a')", "length(line) > 2"]),
        piece in 1_usize..30,
    ) {
        let steps = format!(r#"[{{"filter": {{"where": "{condition}"}}}}]"#);
        let plan = || direct(&steps, r#"{"format": "lines"}"#, &lines()).unwrap();
        let whole = take(&plan(), &text, Separators::lines(), 1 << 20);
        prop_assert_eq!(take(&plan(), &text, Separators::lines(), piece), whole);
    }
}
