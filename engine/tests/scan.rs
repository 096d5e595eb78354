//! The scanner against the `csv-core` crate, and against itself whatever the borders of chunks and blocks.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use bytes::Bytes;
use karyaksham_engine::scan::{
    Block, BlockParser, BlockReader, Column, CsvParser, Dialect, FieldReader, Index, Reject, Separators,
};
use proptest::prelude::*;

/// What the scanner makes of a text: rows of texts, and rejects with their lines in the file.
#[derive(Debug, PartialEq)]
struct Scanned {
    rows: Vec<Vec<Option<String>>>,
    rejects: Vec<Reject>,
}

/// The blocks as one thread gets them when the text comes in pieces of this size.
fn blocks(text: &[u8], separators: Separators, piece: usize) -> Vec<Block> {
    let reader = BlockReader::of_text(Bytes::copy_from_slice(text), separators, piece);
    let mut index = Index::default();
    std::iter::from_fn(|| reader.next(&mut index, || Ok(())).unwrap()).collect()
}

fn scan(text: &[u8], dialect: &Dialect, width: usize, kind: &DataType, piece: usize) -> Scanned {
    let columns = (0..width)
        .map(|index| Column { name: format!("c{index}"), kind: kind.clone(), index, declared: true })
        .collect();
    let parser = CsvParser::new(dialect.clone(), width, columns);
    let mut scanned = Scanned { rows: Vec::new(), rejects: Vec::new() };
    let mut index = Index::default();
    let reader = BlockReader::of_text(Bytes::copy_from_slice(text), Separators::of(dialect), piece);
    while let Some(block) = reader.next(&mut index, || Ok(())).unwrap() {
        let parsed = parser.parse(&block, &mut index).unwrap();
        for batch in &parsed.batches {
            scanned.rows.extend(rows(batch));
        }
        scanned.rejects.extend(parsed.rejects);
    }
    scanned
}

fn rows(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let columns: Vec<_> = batch.columns().iter().map(|c| arrow::compute::cast(c, &DataType::Utf8).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned()))
                .collect()
        })
        .collect()
}

/// All records by csv-core, of a text that ends with a line end; an empty text for null.
fn oracle(text: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut input, mut output, mut ends) = (text, vec![0; text.len() + 64], vec![0; text.len() + 64]);
    let mut records = Vec::new();
    loop {
        let (result, read, _, fields) = reader.read_record(input, &mut output, &mut ends);
        input = &input[read..];
        match result {
            csv_core::ReadRecordResult::Record => {
                let mut start = 0;
                let texts = ends[..fields].iter().map(|end| {
                    let text = String::from_utf8(output[start..*end].to_vec()).unwrap();
                    start = *end;
                    text
                });
                records.push(texts.collect());
            }
            csv_core::ReadRecordResult::InputEmpty => assert!(input.is_empty()),
            csv_core::ReadRecordResult::End => return records,
            other => panic!("{other:?}"),
        }
    }
}

/// A field as a well-behaved writer writes it.
fn written(field: &str, quoted: bool, delimiter: char) -> String {
    let special = |c: char| c == delimiter || c == '"' || c == '\n' || c == '\r';
    if quoted || field.contains(special) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

prop_compose! {
    /// A table of 2 to 4 columns in a well-behaved file, with its delimiter and width.
    fn table()(
        width in 2_usize..5,
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        last in any::<bool>(),
        cells in prop::collection::vec(prop::collection::vec(("[a-z,;\"\n\t é]{0,6}", any::<bool>()), 4), 0..30),
    ) -> (String, char, usize) {
        let lines: Vec<String> = cells
            .iter()
            .map(|row| row[..width].iter().map(|(f, q)| written(f, *q, delimiter)).collect::<Vec<_>>().join(&delimiter.to_string()))
            .collect();
        let mut text = lines.join(end);
        if last && !text.is_empty() {
            text.push_str(end);
        }
        (text, delimiter, width)
    }
}

fn dialect(delimiter: char) -> Dialect {
    Dialect { delimiter: u8::try_from(delimiter).unwrap().into(), header: false, ..Dialect::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn well_behaved_files_read_as_csv_core_reads_them((text, delimiter, width) in table()) {
        let scanned = scan(text.as_bytes(), &dialect(delimiter), width, &DataType::Utf8View, 1 << 20);
        prop_assert_eq!(scanned.rejects, vec![]);
        let ours: Vec<Vec<String>> =
            scanned.rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect();
        // A blank line at the end is no record to either.
        let text = format!("{text}\n");
        prop_assert_eq!(ours, oracle(text.as_bytes(), u8::try_from(delimiter).unwrap()));
    }

    #[test]
    fn any_text_reads_the_same_whatever_the_borders(
        text in "[a1\",\n\r]{0,200}",
        escape in prop::sample::select(vec![None, Some(b'a')]),
        piece in 1_usize..150,
    ) {
        let dialect = Dialect { header: false, escape, ..Dialect::default() };
        let whole = scan(text.as_bytes(), &dialect, 2, &DataType::Utf8View, 1 << 20);
        let pieces = scan(text.as_bytes(), &dialect, 2, &DataType::Utf8View, piece);
        prop_assert_eq!(&whole, &pieces);
        let plain = scan(text.as_bytes(), &dialect, 2, &DataType::Utf8, piece);
        prop_assert_eq!(whole, plain);
    }

    #[test]
    fn every_record_is_a_row_or_a_reject(text in "[0-9x\",\n]{0,80}", block in 1_usize..30) {
        let dialect = Dialect { header: false, ..Dialect::default() };
        let mut reader = FieldReader::new(text.as_bytes(), &dialect);
        let mut records = 0;
        let mut fields = Vec::new();
        while reader.next_fields(2, &mut fields).is_some() {
            records += 1;
        }
        let scanned = scan(text.as_bytes(), &dialect, 2, &DataType::Int64, block);
        prop_assert_eq!(scanned.rows.len() + scanned.rejects.len(), records);
        for reject in &scanned.rejects {
            let start = usize::try_from(reject.byte_offset).unwrap();
            prop_assert!(text[start..].starts_with(&reject.raw));
            prop_assert_eq!(reject.line, text[..start].matches('\n').count() as u64 + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The vector code and the parity of quotes against a reader that goes byte by byte and knows no shortcut.
    #[test]
    fn the_index_finds_what_the_rules_say(
        text in "[a,;\"\n\r]{0,300}",
        quote in prop::sample::select(vec![None, Some(b'"'), Some(b';')]),
        escape in prop::sample::select(vec![None, Some(b'a')]),
    ) {
        let separators = Separators { delimiter: b',', terminator: b'\n', quote, escape, odd: None };
        let mut index = Index::default();
        index.build(text.as_bytes(), separators);
        let (seps, ends, unclosed) = by_the_rules(text.as_bytes(), separators);
        prop_assert_eq!(&index.seps, &seps);
        prop_assert_eq!(&index.ends, &ends);
        prop_assert_eq!(index.unclosed, unclosed);
    }

    /// However many threads take blocks, they get the same ones.
    #[test]
    fn threads_share_the_same_blocks(
        text in "[a,\"\n]{0,400}",
        piece in 1_usize..40,
        threads in prop::sample::select(vec![1_usize, 2, 7]),
    ) {
        let separators = Separators { delimiter: b',', terminator: b'\n', quote: Some(b'"'), escape: None, odd: None };
        let expected: Vec<(u64, Bytes, u64)> =
            blocks(text.as_bytes(), separators, piece).into_iter().map(|b| (b.offset, b.data, b.line)).collect();
        let reader = BlockReader::of_text(Bytes::from(text.clone().into_bytes()), separators, piece);
        let mut found = std::thread::scope(|scope| {
            let take = || {
                let mut index = Index::default();
                std::iter::from_fn(|| reader.next(&mut index, || Ok(())).unwrap()).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).map(|b| (b.offset, b.data, b.line)).collect::<Vec<_>>()
        });
        found.sort_by_key(|block| block.0);
        prop_assert_eq!(&found, &expected);
        let joined: Vec<u8> = found.iter().flat_map(|block| block.1.to_vec()).collect();
        prop_assert_eq!(joined, text.into_bytes());
    }

    #[test]
    fn a_block_comes_with_its_index(text in "[a,\"\n\ré]{0,400}|(a{0,70},\"?[b,]{0,9}\"?\n){0,30}", piece in 1_usize..300) {
        let separators = Separators { delimiter: b',', terminator: b'\n', quote: Some(b'"'), escape: None, odd: None };
        let reader = BlockReader::of_text(Bytes::from(text.into_bytes()), separators, piece);
        let (mut index, mut anew) = (Index::default(), Index::default());
        while let Some(block) = reader.next(&mut index, || Ok(())).unwrap() {
            index.of(&block, separators);
            anew.build(&block.data, separators);
            prop_assert_eq!((&index.seps, &index.ends, index.unclosed), (&anew.seps, &anew.ends, anew.unclosed));
            // Bytes that belong to the next block may have been looked at too: less may be known, but nothing false.
            prop_assert!(anew.ascii || !index.ascii);
            prop_assert!(index.loose || !anew.loose);
        }
    }
}

/// Separators, record ends and an unclosed quote, by the rules of the module's documentation.
fn by_the_rules(text: &[u8], separators: Separators) -> (Vec<u32>, Vec<u32>, Option<u32>) {
    let (mut seps, mut ends, mut opened) = (Vec::new(), Vec::new(), None);
    let (mut at, mut start, mut inside) = (0, true, false);
    while at < text.len() {
        let (byte, position) = (text[at], u32::try_from(at).unwrap());
        at += 1;
        if inside {
            if Some(byte) == separators.escape.filter(|escape| Some(*escape) != separators.quote) {
                at += 1;
            } else if Some(byte) == separators.quote {
                if separators.escape.is_none() && text.get(at) == Some(&byte) {
                    at += 1;
                } else {
                    inside = false;
                }
            }
        } else if start && Some(byte) == separators.quote {
            (inside, opened, start) = (true, Some(position), false);
        } else if byte == separators.delimiter || byte == separators.terminator {
            if byte == separators.terminator {
                ends.push(u32::try_from(seps.len()).unwrap());
            }
            seps.push(position);
            start = true;
        } else {
            start = false;
        }
    }
    let open_record = ends.last().map_or(0, |end| seps[*end as usize] as usize + 1) < text.len();
    if open_record {
        ends.push(u32::try_from(seps.len()).unwrap());
        seps.push(u32::try_from(text.len()).unwrap());
    }
    (seps, ends, opened.filter(|_| inside))
}

#[test]
fn all_types_keep_their_values_or_reject() {
    let text = b"1,x\n,y\n\"\",z\n 3 ,w\n1.5,v\n";
    let dialect = Dialect { header: false, ..Dialect::default() };
    let columns = vec![Column { name: "n".into(), kind: DataType::Int64, index: 0, declared: false }];
    let parser: Arc<dyn BlockParser> = Arc::new(CsvParser::new(dialect, 2, columns));
    let parsed = parser.parse(&Block::whole(Bytes::from_static(text), b'\n'), &mut Index::default()).unwrap();
    let found: Vec<_> = parsed.batches.iter().flat_map(rows).map(|mut row| row.remove(0)).collect();
    assert_eq!(found, [Some("1".to_owned()), None, None, Some("3".to_owned())]);
    assert_eq!(parsed.rejects.len(), 1);
    assert_eq!((parsed.rejects[0].line, parsed.rejects[0].raw.as_str()), (5, "1.5,v"));
}
