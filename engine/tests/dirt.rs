//! Dirty files: a random table, written in a random dialect behind a random preamble, is found and read exactly, without being
//! told anything about it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]

use std::path::Path;

use bytes::Bytes;
use karyaksham_engine::inspect::{InspectRequest, Known, inspect, look};
use karyaksham_engine::scan::{Block, BlockReader, Dialect, Index, LineEnding, Mark, Separators};
use karyaksham_engine::store::Stores;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Inspects a text as a file of this name.
fn inspected(name: &str, text: &[u8], declared: &Value) -> Result<(Value, Vec<Vec<Value>>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if declared.is_null() {
        let request: InspectRequest = serde_json::from_value(json!({"input": {"url": path}})).unwrap();
        let report = runtime.block_on(inspect(request)).map_err(|error| error.to_string())?;
        let report = serde_json::to_value(report).unwrap();
        let rows = serde_json::from_value(report["preview"]["rows"].clone()).unwrap();
        return Ok((report, rows));
    }
    let rows = read(&runtime, &path, declared)?;
    Ok((Value::Null, rows))
}

/// Reads a file with declarations, as rows of a preview.
fn read(runtime: &tokio::runtime::Runtime, path: &Path, declared: &Value) -> Result<Vec<Vec<Value>>, String> {
    let stores = Stores::new(None);
    let location = stores.locate(path.to_str().unwrap()).unwrap();
    let known = Known { file_name: None, declared: serde_json::from_value(declared.clone()).unwrap() };
    let found = runtime.block_on(look(&location, &known)).map_err(|error| error.to_string())?;
    let parser = found.text_file(&location, false).parser(None, None).unwrap();
    let block = Block::beginning(&found.head, &found.dialect);
    let parsed = parser.parse(&block, &mut Index::default()).unwrap();
    let rows = |batch| karyaksham_engine::inspect::rows_json(batch, usize::MAX).unwrap();
    Ok(parsed.batches.iter().flat_map(rows).collect())
}

/// How a file is written.
#[derive(Debug, Clone)]
struct Style {
    delimiter: String,
    quote: char,
    /// Whether a quote inside quotes is doubled, or a backslash stands before it.
    doubled: bool,
    quote_all: bool,
    ends: Vec<&'static str>,
    preamble: Vec<String>,
    footer: Vec<String>,
    header: bool,
}

fn written(field: &str, style: &Style) -> String {
    let special = |c: char| style.delimiter.contains(c) || c == style.quote || c == '\n' || c == '\r' || c == '\\';
    let needs =
        field.contains(special) || field.is_empty() || field.starts_with([' ', '\'', '"']) || field.ends_with(' ');
    if !needs && !style.quote_all {
        return field.to_owned();
    }
    let quote = style.quote;
    let escaped = if style.doubled {
        field.replace(quote, &format!("{quote}{quote}"))
    } else {
        field.replace('\\', "\\\\").replace(quote, &format!("\\{quote}"))
    };
    format!("{quote}{escaped}{quote}")
}

fn file(rows: &[Vec<String>], style: &Style) -> String {
    let names = (0..rows[0].len()).map(|number| format!("name {number}")).collect::<Vec<_>>();
    let records = style.header.then_some(&names).into_iter().chain(rows);
    let mut text = String::new();
    let mut ends = style.ends.iter().cycle();
    let mut push = |line: &str| {
        text.push_str(line);
        text.push_str(ends.next().unwrap());
    };
    style.preamble.iter().for_each(|line| push(line));
    for record in records {
        push(&record.iter().map(|field| written(field, style)).collect::<Vec<_>>().join(&style.delimiter));
    }
    style.footer.iter().for_each(|line| push(line));
    text
}

prop_compose! {
    fn style()(
        single in prop::sample::select(vec![",", ";", "\t", "|", ":", "^", "~"]),
        shape in 0..4,
        quote in prop::sample::select(vec!['"', '\'']),
        doubled in prop::bool::weighted(0.8),
        quote_all in prop::bool::weighted(0.3),
        ends in prop::sample::select(vec![vec!["\n"], vec!["\r\n"], vec!["\n", "\r\n"], vec!["\n", "\r", "\r\n"], vec!["\r"]]),
        preamble in prop::collection::vec("Report [0-9]{1,3}|Exported by me|", 0..4),
        footer in prop::collection::vec("Total [0-9]{1,3}|end of data", 0..2),
        header in prop::bool::weighted(0.8),
    ) -> Style {
        let delimiter = match shape {
            0 | 1 => single.to_owned(),
            2 => single.repeat(2),
            _ => format!("{single}{single}{single}"),
        };
        // What stands in front of a table without names cannot be told from a name of its only text column.
        let preamble = if header { preamble } else { Vec::new() };
        Style { delimiter, quote, doubled, quote_all, ends, preamble, footer, header }
    }
}

/// Rows of a number, a text, a date and a text that may hold anything.
fn rows() -> impl Strategy<Value = Vec<Vec<String>>> {
    let row = ("[1-9][0-9]{0,4}", "[a-z]{1,8}( [a-z]{1,8})?", "20[0-2][0-9]-0[1-9]-1[0-9]", "[a-z;,|~\"' ]{0,10}[a-z]");
    prop::collection::vec(row.prop_map(|(a, b, c, d)| vec![a, b, c, d]), 8..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_dialect_is_found_and_read_exactly(style in style(), rows in rows()) {
        let text = file(&rows, &style);
        let (report, found) = inspected("a.csv", text.as_bytes(), &Value::Null).map_err(TestCaseError::fail)?;
        let expected: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| vec![json!(row[0].parse::<i64>().unwrap()), json!(row[1]), json!(row[2]), json!(row[3])])
            .collect();
        prop_assert_eq!(report["dialect"]["delimiter"].as_str(), Some(style.delimiter.as_str()), "{:?}\n{}", report["dialect"], text);
        prop_assert_eq!(&found, &expected, "{:?}\n{}", report["dialect"], text);
        let names: Vec<String> = report["schema"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect();
        let expected = if style.header { "name 0" } else { "column_1" };
        prop_assert_eq!(names[0].as_str(), expected, "{}", text);
    }

    /// Odd dialects are read the same whatever the borders of pieces.
    #[test]
    fn borders_do_not_matter(
        text in "[a|#\"\r\n]{0,120}",
        skip_rows in 0_u64..3,
        header_rows in 0_u32..3,
        comment in any::<bool>(),
        mixed in any::<bool>(),
        delimiter in prop::sample::select(vec!["|", "||", "|a|"]),
        quote in prop::sample::select(vec![None, Some(b'"')]),
        piece in 1_usize..60,
    ) {
        let dialect = Dialect {
            delimiter: Mark::new(delimiter.as_bytes()).unwrap(),
            quote,
            skip_rows,
            header: header_rows > 0,
            header_rows: header_rows.max(1),
            comment: comment.then_some(b'#'.into()),
            line_ending: if mixed { LineEnding::Mixed } else { LineEnding::Lf },
            ..Dialect::default()
        };
        let read = |piece: usize| {
            let reader = BlockReader::of_text_in(Bytes::copy_from_slice(text.as_bytes()), &dialect, piece);
            let columns = (0..2).map(|index| karyaksham_engine::scan::Column {
                name: format!("c{index}"),
                kind: arrow::datatypes::DataType::Utf8,
                index,
                declared: true,
            });
            let file = karyaksham_engine::scan::CsvParser::new(dialect.clone(), 2, columns.collect());
            let mut rows = Vec::new();
            let mut rejects = Vec::new();
            let mut index = Index::default();
            while let Some(block) = reader.next(&mut index, || Ok(())).unwrap() {
                let parsed = karyaksham_engine::scan::BlockParser::parse(&file, &block, &mut index).unwrap();
                for batch in &parsed.batches {
                    rows.extend(karyaksham_engine::inspect::rows_json(batch, usize::MAX).unwrap());
                }
                rejects.extend(parsed.rejects);
            }
            (rows, rejects)
        };
        let whole = read(1 << 20);
        prop_assert_eq!(read(piece), whole);
    }

    /// The record-by-record reader and the vector code agree where both can read.
    #[test]
    fn odd_and_usual_readers_agree(text in "[a,\"\n\r]{0,200}", quote in prop::sample::select(vec![None, Some(b'"')])) {
        let usual = Separators { delimiter: b',', terminator: b'\n', quote, escape: None, odd: None };
        let dialect = Dialect { comment: Some(b'#'.into()), quote, ..Dialect::default() };
        let (mut first, mut second) = (Index::default(), Index::default());
        first.build(text.as_bytes(), usual);
        second.build(text.as_bytes(), Separators::of(&dialect));
        prop_assert_eq!(&first.seps, &second.seps);
        prop_assert_eq!(&first.ends, &second.ends);
        prop_assert_eq!(first.unclosed, second.unclosed);
    }
}

#[test]
fn declared_dialects_win() {
    let text = b"x\ny\n# c\na||b\n--\n1||2\n";
    let declared = json!({"name": "input", "format": "csv", "delimiter": "||", "skipRows": 3, "comment": "--"});
    assert_eq!(inspected("a.txt", text, &declared).unwrap().1, [[json!(1), json!(2)]]);
    let wrong = json!({"name": "input", "format": "csv", "delimiter": ";"});
    let error = inspected("a.csv", b"a,b\n1,2\n3,4\n", &wrong).unwrap_err();
    assert!(error.contains("`;` does not occur"), "{error}");
    let many = json!({"name": "input", "headerRows": 3});
    assert!(inspected("a.csv", b"a,b\n1,2\n", &many).unwrap_err().contains("3 rows"));
    let far = json!({"name": "input", "skipRows": 9});
    assert!(inspected("a.csv", b"a,b\n1,2\n", &far).is_err());
}

#[test]
fn broken_text_names_likely_encodings() {
    let error = inspected("a.csv", b"a,b\n1,caf\xE9 au lait\n", &Value::Null).unwrap_err();
    assert!(error.contains("offset 9 (line 2)"), "{error}");
    let utf32 = inspected("a.csv", b"\xFF\xFE\0\0a\0\0\0", &Value::Null).unwrap_err();
    assert!(utf32.contains("UTF-32"), "{utf32}");
}
