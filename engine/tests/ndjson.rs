//! The reader of JSON lines against `serde_json`, whatever the borders of blocks, and against Arrow's own reader.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]
#![allow(clippy::pedantic, reason = "oracles are to be read beside the rules, not to be tidy")]

#[path = "oracle/ndjson.rs"]
mod oracle;

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use karyaksham_engine::scan::{Block, BlockParser, Index, NdjsonParser, Parsed};
use proptest::prelude::*;

use oracle::{expected, same, scan};

fn parse_block(block: &Block, schema: &SchemaRef, strict: bool) -> Parsed {
    let places: Vec<usize> = (0..schema.fields().len()).collect();
    NdjsonParser::new(schema, &places, None, strict).unwrap().parse(block, &mut Index::default()).unwrap()
}

fn parse(text: &str, schema: &SchemaRef, strict: bool) -> Parsed {
    parse_block(&Block::whole(Bytes::copy_from_slice(text.as_bytes()), b'\n'), schema, strict)
}

fn one(kind: DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("a", kind, true)]))
}

/// A JSON value, mostly of the kind that the column has.
fn value(kind: &'static str) -> BoxedStrategy<String> {
    let text = prop::sample::select(vec![
        r#""a""#,
        r#""""#,
        r#""é😀""#,
        r#""\u00e9\n\t\"\\\/""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\udc00x""#,
        r#""007""#,
        r#""12""#,
        r#"" 1.5 ""#,
        r#""true""#,
        r#""{}\\""#,
        "\"tab\there\"",
        r#""\x""#,
        r#""open"#,
        r#""1e3""#,
        r#""nan""#,
    ]);
    let number = prop::sample::select(vec![
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "1.0",
        "1e2",
        "1E-2",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "123456789012345678901234567890",
        "0.1",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "2.5e300",
    ]);
    let word = prop::sample::select(vec!["true", "false", "null", "nul", "True", "NaN"]);
    let nested = prop::sample::select(vec![
        "[]",
        "[1,2]",
        "[1, null , 3]",
        r#"["4"]"#,
        "[1.5]",
        "[[1]]",
        "[1,]",
        "[",
        "{}",
        r#"{"x":1,"y":"b"}"#,
        r#"{ "y" : null , "x" : 2 }"#,
        r#"{"x":1,"x":3}"#,
        r#"{"z":[{"q":"}"}]}"#,
        r#"{"x":1.5}"#,
        r#"{"y":5}"#,
        r#"{"x":1"#,
        r#"{"x"1}"#,
        r"{x:1}",
        r#"{"\u0078":9}"#,
        "[}",
        r#"{"y":{"k":[1]}}"#,
    ]);
    let other = prop_oneof![
        text.prop_map(str::to_owned),
        number.prop_map(str::to_owned),
        word.prop_map(str::to_owned),
        nested.prop_map(str::to_owned),
    ];
    let good = match kind {
        "i" => any::<i32>().prop_map(|value| value.to_string()).boxed(),
        "f" => any::<f32>().prop_map(|value| f64::from(value).to_string()).boxed(),
        "s" => "[a-zé\"\\\\\n{},:]{0,40}".prop_map(|text| serde_json::to_string(&text).unwrap()).boxed(),
        "b" => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        "o" => (any::<i16>(), "[a-z]{0,3}").prop_map(|(x, y)| format!(r#"{{"x":{x},"y":"{y}"}}"#)).boxed(),
        "l" => prop::collection::vec(any::<i8>(), 0..5).prop_map(|items| format!("{items:?}")).boxed(),
        _ => Just("null".to_owned()).boxed(),
    };
    prop_oneof![6 => good, 1 => other].boxed()
}

fn field() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["i", "f", "s", "b", "o", "l", "u", "a much longer name of a field"]);
    name.prop_flat_map(|name| {
        let spaces = prop::sample::select(vec!["", "", " ", "\t "]);
        (value(name), spaces, any::<bool>()).prop_map(move |(value, space, escaped)| {
            let first = name.chars().next().unwrap() as u32;
            let name =
                if escaped && value.len() % 5 == 0 { format!("\\u{first:04X}{}", &name[1..]) } else { name.to_owned() };
            format!("{space}\"{name}\"{space}:{space}{value}{space}")
        })
    })
}

prop_compose! {
    fn line()(
        fields in prop::collection::vec((field(), prop_oneof![40 => Just(","), 1 => prop::sample::select(vec!["", "{", ",,"])]), 0..8),
        end in prop::sample::select(vec!["", "", "", "", "", " ", "\r", "}", ",", "x", " {}", "\u{c}"]),
        start in prop::sample::select(vec!["", "", "", "", " ", "[", "1"]),
    ) -> String {
        let mut text = format!("{start}{{");
        for (place, (field, separator)) in fields.iter().enumerate() {
            text.push_str(field);
            // None behind the last, but a wrong one.
            if place + 1 < fields.len() || *separator != "," {
                text.push_str(separator);
            }
        }
        text + "}" + end
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn as_serde_reads(lines in prop::collection::vec(prop_oneof![9 => line(), 1 => Just("  ".to_owned())], 0..12),
                      last in any::<bool>(), piece in 1_usize..300) {
        let mut text = lines.join("\n");
        if last { text.push('\n'); }
        let want = expected(text.as_bytes());
        for piece in [1 << 20, piece, 1] {
            let got = scan(text.as_bytes(), piece);
            prop_assert!(same(&got, &want), "{text}\n{got:#?}\n{want:#?}");
        }
    }

    #[test]
    fn whatever_the_bytes(mut text in "[\\[\\]{}\",:\\\\ue0-9tfn \n-]{0,80}".prop_map(String::into_bytes),
                          damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        for (place, byte) in damage {
            if !text.is_empty() {
                let place = place.index(text.len());
                text[place] = byte;
            }
        }
        let (got, want) = (scan(&text, 7), expected(&text));
        prop_assert!(same(&got, &want), "{}\n{got:#?}\n{want:#?}", String::from_utf8_lossy(&text));
    }

    /// Good files give the table that Arrow's reader gives.
    #[test]
    fn as_arrow_reads(rows in prop::collection::vec(
        (any::<i64>(), any::<f32>(), "\\PC{0,30}", any::<bool>(), prop::collection::vec(any::<i64>(), 0..4)), 1..20)) {
        let mut text = String::new();
        for (i, f, s, b, l) in rows {
            let row = serde_json::json!({"i": i, "f": f, "s": s, "b": b, "l": l, "o": {"x": i, "y": s}});
            text.push_str(&row.to_string());
            text.push('\n');
        }
        let schema = oracle::schema();
        let parsed = parse(&text, &schema, true);
        prop_assert!(parsed.rejects.is_empty(), "{:?}", parsed.rejects);
        let ours = concat_batches(&schema, &parsed.batches).unwrap();
        let reader = arrow::json::ReaderBuilder::new(Arc::clone(&schema)).build(text.as_bytes()).unwrap();
        let theirs = concat_batches(&schema, &reader.collect::<Result<Vec<RecordBatch>, _>>().unwrap()).unwrap();
        prop_assert_eq!(ours, theirs);
    }
}

#[test]
fn rejects_say_where_and_why() {
    let text = "{\"a\":1}\n{\"a\":1.5}\n\n{\"a\":\n{\"a\":\"x\"} y\n[1]\n{\"a\":\"\u{1}\"}\n{\"a\":9223372036854775808}\n{\"a\":true}";
    let parsed = parse(text, &one(DataType::Int64), false);
    let said: Vec<_> =
        parsed.rejects.iter().map(|r| (r.line, r.byte_offset, r.column.as_deref(), &r.reason[..])).collect();
    assert_eq!(
        said,
        [
            (2, 8, Some("a"), "`1.5` is no int64"),
            (4, 19, None, "the JSON object does not end in its line (byte 6 of the line)"),
            (5, 25, None, "there is more text behind the object (byte 11 of the line)"),
            (6, 37, None, "the line is no JSON object (byte 1 of the line)"),
            (7, 41, None, "a control character in a text must be escaped (byte 7 of the line)"),
            (8, 51, Some("a"), "`9223372036854775808` is no int64"),
            (9, 77, Some("a"), "`true` is no int64"),
        ]
    );
    assert_eq!(parsed.rejects[1].raw, "{\"a\":");
}

#[test]
fn the_last_of_a_field_counts() {
    let parsed = parse("{\"a\":1,\"b\":2,\"a\":3}\n{\"a\":1,\"\\u0061\":null}\n", &one(DataType::Int64), false);
    let column = parsed.batches[0].column(0).as_primitive::<Int64Type>();
    assert_eq!((column.value(0), column.is_null(1)), (3, true));
}

/// What stood between values before is expected again, but never taken where it would be wrong.
#[test]
fn what_is_expected_is_taken_only_where_it_may_stand() {
    let text = "{\"a\":1,\"b\":2}\n{\"a\":1{\"a\":2}\n{,\"b\":2}\n{\"a\":1\"b\":2}\n{\"a\":1,{\"a\":2}\n{\"b\":3,\"a\":1}\n{ \"a\":1 , \"b\" :2}\n{\"a\":\t5}\n{\"b\":4";
    let parsed = parse(text, &one(DataType::Int64), false);
    let said: Vec<_> = parsed.rejects.iter().map(|r| (r.line, &r.reason[..])).collect();
    assert_eq!(
        said,
        [
            (2, "a comma or a closing brace is expected here (byte 7 of the line)"),
            (3, "the name of a field is expected here (byte 2 of the line)"),
            (4, "a comma or a closing brace is expected here (byte 7 of the line)"),
            (5, "the name of a field is expected here (byte 8 of the line)"),
            (9, "the JSON object does not end in its line (byte 7 of the line)"),
        ]
    );
    assert_eq!(parsed.batches[0].column(0).as_primitive::<Int64Type>().values()[..], [1, 1, 1, 5]);
}

#[test]
fn other_fields_are_wrong_only_if_strict() {
    let text = "{\"a\":1,\"new\":2}\n{\"a\":2}\n";
    assert_eq!(parse(text, &one(DataType::Int64), false).rejects, []);
    let strict = parse(text, &one(DataType::Int64), true);
    assert_eq!(strict.rejects[0].column.as_deref(), Some("new"));
    assert_eq!(strict.batches[0].num_rows(), 1);
}

#[test]
fn bytes_that_are_no_utf8_reject_their_line_only() {
    let data = Bytes::from_static(b"{\"b\":\"\xFF\"}\n{\"a\":1}\n");
    let parsed = parse_block(
        &Block { offset: 100, line: 9, first: false, ..Block::whole(data, b'\n') },
        &one(DataType::Int64),
        false,
    );
    assert_eq!(parsed.rejects[0].reason, "the line is not UTF-8 (byte 7 of the line)");
    assert_eq!((parsed.rejects[0].line, parsed.rejects[0].byte_offset, parsed.batches[0].num_rows()), (9, 100, 1));
}

#[test]
fn any_value_is_a_text() {
    let text = "{\"a\":1.50}\n{\"a\":\"x\"}\n{\"a\":[1, {\"b\":null}]}\n{\"a\":null}\n{\"a\":false}\n";
    for kind in [DataType::Utf8, DataType::Utf8View] {
        let parsed = parse(text, &one(kind), false);
        let column = arrow::compute::cast(parsed.batches[0].column(0), &DataType::Utf8).unwrap();
        let column = column.as_string::<i32>();
        let texts: Vec<_> = column.iter().collect();
        assert_eq!(texts, [Some("1.50"), Some("x"), Some("[1, {\"b\":null}]"), None, Some("false")]);
    }
}

#[test]
fn deep_nesting_is_no_crash() {
    let text = format!("{{\"a\":{}}}\n{{\"a\":2}}\n", "[".repeat(100_000));
    let parsed = parse(&text, &one(DataType::Int64), false);
    assert_eq!(parsed.rejects[0].reason, "lists and objects are nested too deep (byte 134 of the line)");
    assert_eq!(parsed.batches[0].num_rows(), 1);
}

#[test]
fn no_columns_count_rows() {
    let parsed = parse("{\"a\":1}\n\n{\"b\":2}\n{\n", &Arc::new(Schema::empty()), false);
    assert_eq!((parsed.batches[0].num_rows(), parsed.rejects.len()), (2, 1));
}

#[test]
fn types_without_json_values_go_through_arrow() {
    let kind = DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None);
    let parsed = parse("{\"a\":\"2024-01-31T10:00:00.5\"}\n{\"a\":\"x\"}\n{}\n", &one(kind), false);
    assert_eq!((parsed.batches[0].num_rows(), parsed.rejects.len()), (2, 1));
    assert_eq!(parsed.rejects[0].reason, "`x` is no timestamp_ns");
}
