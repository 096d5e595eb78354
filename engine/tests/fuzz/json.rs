//! JSON lines against `serde_json`, with borders of pieces anywhere.

use super::mutate::hash;
use super::oracle::{expected, same, scan};

pub const WORDS: &[&[u8]] = &[
    b"\"i\":",
    b"\"f\":",
    b"\"s\":",
    b"\"b\":",
    b"\"o\":",
    b"\"l\":",
    b"\"x\":",
    b"null",
    b"true",
    b"false",
    b"{}",
    b"[]",
    b"\n",
    b"\\u",
    b"\\ud83d\\ude00",
    b"\\\"",
    b"\\\\",
    b"1e3",
    b"-0",
    b"1.5",
    b"007",
    b",",
    b" ",
    b"\r\n",
    b"\xEF\xBB\xBF",
    b"\xC3\xA9",
    b"\xED\xA0\x80",
    b"9223372036854775807",
    b"9223372036854775808",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "{\"i\":1,\"f\":2.5,\"s\":\"a\",\"b\":true,\"o\":{\"x\":1,\"y\":\"z\"},\"l\":[1,2]}\n",
        "{\"s\":\"\\u00e9\\ud83d\\ude00\\n\", \"i\" : null }\r\n\n{\"l\":[],\"o\":{}}\n",
        "{\"i\":\"12\",\"b\":\"FALSE\",\"f\":\"1e3\",\"s\":{\"a\":[1,{\"b\":null}]}}",
        "{\"i\":1}\n{\"i\":1\n{\"i\":}\n{\"i\":1}}\n[1]\n{\"i\":1,}\n",
        "",
    ];
    texts.iter().map(|text| [&[7, 3], text.as_bytes()].concat()).collect()
}

/// Two bytes choose the borders.
pub fn run(input: &[u8]) -> u64 {
    let Some((borders, text)) = input.split_first_chunk::<2>() else { return 0 };
    // Where `serde_json` draws other lines: the depth of nesting, and floats beyond the largest.
    let nested = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    let mut digits = 0;
    let huge = text.iter().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits > 100
    });
    let exponent = text
        .windows(2)
        .any(|pair| matches!(pair[0], b'e' | b'E') && (pair[1].is_ascii_digit() || matches!(pair[1], b'+' | b'-')))
        && text.windows(3).any(|three| three.iter().all(u8::is_ascii_digit));
    if nested > 100 || huge || exponent {
        return 1;
    }
    let want = expected(text);
    let sizes = [1 << 20, usize::from(borders[0]) + 1, usize::from(borders[1]) + 1];
    for size in sizes {
        let got = scan(text, size);
        assert!(same(&got, &want), "pieces of {size}: {}\n{got:?}\n{want:?}", String::from_utf8_lossy(text));
    }
    // Which kinds of values and reasons there are, not how many.
    let mut kinds: Vec<u8> = want.rows.iter().flat_map(|row| row.as_object().unwrap().values().map(kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut reasons = want.reasons;
    reasons.sort_unstable();
    reasons.dedup();
    hash(&[&kinds[..kinds.len().min(4)], &[0xFF], &reasons[..reasons.len().min(2)]].concat())
}

fn kind(value: &serde_json::Value) -> u8 {
    match value {
        serde_json::Value::Null => 0,
        serde_json::Value::Bool(_) => 1,
        serde_json::Value::Number(number) if number.is_f64() => 2,
        serde_json::Value::Number(_) => 3,
        serde_json::Value::String(text) => 4 + u8::from(text.is_empty()) + 2 * u8::from(!text.is_ascii()),
        serde_json::Value::Array(items) => 9 + u8::try_from(items.len().min(3)).unwrap(),
        serde_json::Value::Object(_) => 8,
    }
}
