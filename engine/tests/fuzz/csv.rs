//! Delimited text of any dialect: our scanner against a reader that goes byte by byte, and that one against `csv-core`; with
//! borders of pieces anywhere, and several threads.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use bytes::Bytes;
use karyaksham_engine::scan::{
    BlockParser, BlockReader, Column, CsvParser, Dialect, Index, LineEnding, Parsed, Separators,
};

use super::mutate::hash;

pub const WORDS: &[&[u8]] = &[
    b"\"",
    b"\"\"",
    b"\"a,b\"",
    b"\",\"",
    b"\n",
    b"\r\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b"\\\"",
    b"\\",
    b"'",
    b"''",
    b"\n\n",
    b"\"\n\"",
    b"\xC3\xA9",
    b"\xFF",
    b"a,\"b\nc\",d\n",
    b" \"x\"",
    b"\"x\" ",
    b"007",
    b"\xEF\xBB\xBF",
    b"\0",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "a,b,c\n1,\"x, y\",3\n4,\"say \"\"hi\"\"\",6\n",
        "a,b\r\n\"1\r\n2\",3\r\n\n4,5",
        "a;b\n'x;\\'y';2\n3;'open\n5;6\n",
        "a,b\nx\"y,\"z\"w\n\"\",\n1,2,3\n",
        "",
    ];
    let choices: [[u8; 4]; 3] = [[0, 1, 1, 40], [0, 2, 0, 3], [1, 7, 2, 90]];
    texts.iter().flat_map(|text| choices.iter().map(|choice| [&choice[..], text.as_bytes()].concat())).collect()
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    start: usize,
    /// The texts, and whether they were quoted.
    fields: Vec<(Vec<u8>, bool)>,
    unclosed: bool,
}

/// Reads byte by byte, by the rules that `scan` states.
fn reference(text: &[u8], dialect: &Dialect) -> Vec<Record> {
    let end = if dialect.line_ending == LineEnding::Cr { b'\r' } else { b'\n' };
    let escape = dialect.escape.filter(|escape| Some(*escape) != dialect.quote);
    let mut records = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let mut record = Record { start: at, fields: Vec::new(), unclosed: false };
        loop {
            let mut field = Vec::new();
            let quoted = at < text.len() && Some(text[at]) == dialect.quote;
            if quoted {
                at += 1;
                loop {
                    match text.get(at) {
                        None => {
                            record.unclosed = true;
                            break;
                        }
                        Some(byte) if Some(*byte) == escape => {
                            field.extend(text.get(at + 1));
                            at += 2;
                        }
                        Some(byte) if Some(*byte) == dialect.quote => {
                            at += 1;
                            if escape.is_some() || text.get(at).copied() != dialect.quote {
                                break;
                            }
                            field.push(*byte);
                            at += 1;
                        }
                        Some(byte) => {
                            field.push(*byte);
                            at += 1;
                        }
                    }
                }
                at = at.min(text.len());
            }
            let mut rest = Vec::new();
            while at < text.len() && text[at] != dialect.delimiter.first() && text[at] != end {
                rest.push(text[at]);
                at += 1;
            }
            let last = at >= text.len() || text[at] == end;
            if last && end == b'\n' && rest.last() == Some(&b'\r') {
                rest.pop();
            }
            field.extend(rest);
            record.fields.push((field, quoted));
            at += 1;
            if last {
                break;
            }
        }
        records.push(record);
    }
    records
}

/// What must come out: rows, and line and offset of each reject.
type Read = (Vec<Vec<Option<String>>>, Vec<(u64, u64)>);

fn expected(text: &[u8], dialect: &Dialect, width: usize) -> Read {
    let end = if dialect.line_ending == LineEnding::Cr { b'\r' } else { b'\n' };
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    let mut header = dialect.header;
    for record in reference(text, dialect) {
        let empty = !record.unclosed && record.fields.len() == 1 && record.fields[0] == (Vec::new(), false);
        if header {
            header = empty;
            continue;
        }
        if empty && width != 1 {
            continue;
        }
        let texts: Option<Vec<Option<String>>> =
            record
                .fields
                .iter()
                .map(|(field, quoted)| {
                    if field.is_empty() && !quoted {
                        Some(None)
                    } else {
                        String::from_utf8(field.clone()).ok().map(Some)
                    }
                })
                .collect();
        match texts {
            Some(texts) if !record.unclosed && texts.len() == width => rows.push(texts),
            _ => {
                let line = text[..record.start].iter().filter(|byte| **byte == end).count() + 1;
                rejects.push((line as u64, record.start as u64));
            }
        }
    }
    (rows, rejects)
}

fn scan(text: &[u8], dialect: &Dialect, width: usize, kind: &DataType, piece: usize, threads: usize) -> Read {
    let columns = (0..width)
        .map(|index| Column { name: format!("c{index}"), kind: kind.clone(), index, declared: true })
        .collect();
    let parser = CsvParser::new(dialect.clone(), width, columns);
    let reader = BlockReader::of_text(Bytes::copy_from_slice(text), Separators::of(dialect), piece);
    let work = || {
        let mut index = Index::default();
        let mut parsed: Vec<(u64, Parsed)> = Vec::new();
        while let Some(block) = reader.next(&mut index, || Ok(())).unwrap() {
            parsed.push((block.offset, parser.parse(&block, &mut index).unwrap()));
        }
        parsed
    };
    let mut blocks: Vec<(u64, Parsed)> = if threads == 1 {
        work()
    } else {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            all.into_iter().flat_map(|one| one.join().unwrap()).collect()
        })
    };
    blocks.sort_by_key(|(offset, _)| *offset);
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    for (_, parsed) in blocks {
        for batch in &parsed.batches {
            let arrays: Vec<_> =
                batch.columns().iter().map(|array| arrow::compute::cast(array, &DataType::Utf8).unwrap()).collect();
            rows.extend((0..batch.num_rows()).map(|row| {
                let text = |array: &Arc<dyn Array>| {
                    array.is_valid(row).then(|| array.as_string::<i32>().value(row).to_owned())
                };
                arrays.iter().map(text).collect::<Vec<_>>()
            }));
        }
        rejects.extend(parsed.rejects.iter().map(|reject| (reject.line, reject.byte_offset)));
    }
    (rows, rejects)
}

/// All records by `csv-core`; empty lines are none.
fn by_csv_core(text: &[u8], dialect: &Dialect) -> Vec<Vec<Vec<u8>>> {
    let escape = dialect.escape.filter(|escape| Some(*escape) != dialect.quote);
    let mut builder = csv_core::ReaderBuilder::new();
    let end = if dialect.line_ending == LineEnding::Cr { b'\r' } else { b'\n' };
    builder.delimiter(dialect.delimiter.first()).terminator(csv_core::Terminator::Any(end)).escape(escape);
    builder.quoting(dialect.quote.is_some()).quote(dialect.quote.unwrap_or(b'"')).double_quote(escape.is_none());
    let mut reader = builder.build();
    // With a terminator at the end, no record is spread over two calls.
    let text = if text.last().is_none_or(|last| *last == end) { text.to_vec() } else { [text, &[end]].concat() };
    let (mut input, mut output, mut ends) = (&text[..], vec![0; text.len() + 64], vec![0; text.len() + 64]);
    let mut records = Vec::new();
    loop {
        let (result, read, _, fields) = reader.read_record(input, &mut output, &mut ends);
        input = &input[read..];
        match result {
            csv_core::ReadRecordResult::Record => {
                let mut start = 0;
                let record = ends[..fields].iter().map(|end| {
                    let field = output[start..*end].to_vec();
                    start = *end;
                    field
                });
                records.push(record.collect());
            }
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::End => return records,
            other => panic!("{other:?}"),
        }
    }
}

/// Four bytes choose the dialect, the width and the borders.
pub fn run(input: &[u8]) -> u64 {
    let Some((choice, text)) = input.split_first_chunk::<4>() else { return 0 };
    let [kind, width, quoting, piece] = choice.map(usize::from);
    let (quote, escape) =
        [(Some(b'"'), None), (Some(b'\''), None), (Some(b'"'), Some(b'\\')), (Some(b'\''), Some(b'\\')), (None, None)]
            [quoting % 5];
    let dialect = Dialect {
        delimiter: [b',', b';', b'\t', b'|', b' ', 1][kind % 6].into(),
        quote,
        escape,
        header: kind & 64 != 0,
        line_ending: if kind & 128 == 0 { LineEnding::Lf } else { LineEnding::Cr },
        ..Dialect::default()
    };
    let width = width % 9 + 1;
    let want = expected(text, &dialect, width);
    let eighth = text.len() / 7 + 1;
    for (size, threads) in [(1 << 20, 1), (text.len() / 2 + 1, 2), (eighth, 3), (piece + 1, 1), (1, 1)] {
        for kind in [DataType::Utf8View, DataType::Utf8] {
            let got = scan(text, &dialect, width, &kind, size, threads);
            assert_eq!(
                got,
                want,
                "{dialect:?}, {width} columns, pieces of {size}: {:?}",
                String::from_utf8_lossy(text)
            );
        }
    }
    let records = reference(text, &dialect);
    // `csv-core` knows no carriage return before the end of a record here, takes the end of the file for a closing quote,
    // and leaves out a byte order mark, which does not reach our scanner.
    let marked = text.starts_with(b"\xEF\xBB\xBF");
    if !text.contains(&b'\r') && !marked && records.last().is_none_or(|record| !record.unclosed) {
        let empty = |record: &&Record| record.fields.len() != 1 || record.fields[0] != (Vec::new(), false);
        let ours: Vec<Vec<Vec<u8>>> = records
            .iter()
            .filter(empty)
            .map(|record| record.fields.iter().map(|(field, _)| field.clone()).collect())
            .collect();
        assert_eq!(ours, by_csv_core(text, &dialect), "{dialect:?}: {:?}", String::from_utf8_lossy(text));
    }
    // Whether there are none, one or more, not how many.
    let small = |count: usize| u8::try_from(count.min(3)).unwrap();
    let count = |wanted: fn(&Record) -> bool| small(records.iter().filter(|record| wanted(record)).count() + 1);
    let quoted = |record: &Record| record.fields.iter().any(|(_, quoted)| *quoted);
    let escaped = |record: &Record| record.fields.iter().any(|(field, quoted)| *quoted && field.contains(&b'\n'));
    let shapes = [count(|_| true), count(quoted), count(escaped), count(|record| record.fields.len() > 2)];
    let outcome =
        [small(want.0.len() + 1), small(want.1.len() + 1), u8::from(records.last().is_some_and(|last| last.unclosed))];
    let setting = [u8::try_from(quoting % 5).unwrap(), u8::from(text.contains(&b'\r')), u8::from(text.is_ascii())];
    hash(&[&shapes[..], &outcome, &setting].concat())
}
