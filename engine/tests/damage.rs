//! Damaged Parquet and Arrow files: a job ends well with all rows, or with an error of the input; never with a bug's error,
//! never with fewer rows.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test damage` goes on for longer.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use karyaksham_engine::{ErrorClass, preview_blocking, submit, submit_profile};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const ROWS: usize = 3000;

/// One column of each kind.
fn batch(dictionary: bool) -> RecordBatch {
    let numbers = 0..i64::try_from(ROWS).unwrap();
    let text = |number: i64| (number % 7 != 0).then(|| format!("text number {}", number * number));
    let mut lists = ListBuilder::new(StringBuilder::new());
    for number in numbers.clone() {
        (0..number % 4).for_each(|item| lists.values().append_value(item.to_string()));
        lists.append(number % 11 != 0);
    }
    let halves: ArrayRef = Arc::new(
        numbers
            .clone()
            .map(|n| (n % 5 != 0).then_some(f64::from(i32::try_from(n).unwrap()) / 2.0))
            .collect::<Float64Array>(),
    );
    let inner = StructArray::from(vec![(Arc::new(Field::new("half", DataType::Float64, true)), Arc::clone(&halves))]);
    let few = numbers.clone().map(|number| ["red", "green", "blue"][usize::try_from(number % 3).unwrap()]);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(numbers.clone()))),
        ("small", Arc::new(numbers.clone().map(|n| Some(i32::try_from(n % 100).unwrap())).collect::<Int32Array>())),
        ("half", halves),
        ("even", Arc::new(numbers.clone().map(|n| Some(n % 2 == 0)).collect::<BooleanArray>())),
        ("text", Arc::new(numbers.clone().map(text).collect::<StringArray>())),
        ("few", Arc::new(StringArray::from_iter_values(few.clone()))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(numbers.map(|n| n * 1_000_000)))),
        ("list", Arc::new(lists.finish())),
        ("inner", Arc::new(inner)),
    ];
    if dictionary {
        columns.push(("coded", Arc::new(few.map(Some).collect::<DictionaryArray<Int32Type>>())));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet(properties: WriterProperties) -> Vec<u8> {
    let batch = batch(false);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow(compression: Option<CompressionType>) -> Vec<u8> {
    let batch = batch(true);
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    for start in (0..ROWS).step_by(1000) {
        writer.write(&batch.slice(start, 1000)).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Good files: each with its format.
fn files() -> &'static [(&'static str, Vec<u8>)] {
    static FILES: OnceLock<Vec<(&'static str, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::LZ4_RAW,
            Compression::LZ4,
            Compression::ZSTD(ZstdLevel::default()),
        ];
        let mut files = Vec::new();
        for (number, codec) in codecs.into_iter().enumerate() {
            let properties = WriterProperties::builder()
                .set_compression(codec)
                .set_writer_version(if number % 2 == 0 {
                    WriterVersion::PARQUET_1_0
                } else {
                    WriterVersion::PARQUET_2_0
                })
                .set_max_row_group_row_count(Some(1024))
                .set_data_page_row_count_limit(300)
                .set_write_batch_size(100)
                .set_dictionary_enabled(number != 3)
                .set_statistics_enabled(if number == 4 { EnabledStatistics::None } else { EnabledStatistics::Page });
            let properties = match number {
                3 => properties.set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY),
                _ => properties,
            };
            files.push(("parquet", parquet(properties.build())));
        }
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            files.push(("arrow", arrow(compression)));
        }
        files
    })
}

/// How bytes go wrong.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Overwrite(Index, Vec<u8>),
    Cut(Index),
    Remove(Index, Index),
    Copy(Index, Index, usize),
    /// At the end, where the footer is.
    FlipNearEnd(usize, u8),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            3 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Self::Overwrite(at, bytes)),
            1 => any::<Index>().prop_map(Self::Cut),
            1 => (any::<Index>(), any::<Index>()).prop_map(|(at, to)| Self::Remove(at, to)),
            1 => (any::<Index>(), any::<Index>(), 1..200_usize).prop_map(|(from, to, count)| Self::Copy(from, to, count)),
            6 => (0..4000_usize, 0..8_u8).prop_map(|(back, bit)| Self::FlipNearEnd(back, bit)),
        ]
    }

    fn apply(&self, data: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        let length = data.len();
        match self {
            Self::Flip(at, bit) => data[at.index(length)] ^= 1 << bit,
            Self::Overwrite(at, bytes) => {
                let at = at.index(length);
                let count = bytes.len().min(length - at);
                data[at..at + count].copy_from_slice(&bytes[..count]);
            }
            Self::Cut(at) => data.truncate(at.index(length)),
            Self::Remove(a, b) => {
                let (a, b) = (a.index(length), b.index(length));
                data.drain(a.min(b)..a.max(b));
            }
            Self::Copy(from, to, count) => {
                let (from, to) = (from.index(length), to.index(length));
                let count = (*count).min(length - from.max(to));
                data.copy_within(from..from + count, to);
            }
            Self::FlipNearEnd(back, bit) => data[length - 1 - back.min(&(length - 1))] ^= 1 << bit,
        }
    }
}

/// The kinds of jobs: all rows, those of a filter, and one that looks at some columns only.
fn specs() -> [Value; 3] {
    [
        json!({"version": 1, "output": {"format": "ndjson"}}),
        json!({"version": 1, "steps": [{"filter": {"where": "small < 50 AND half IS NOT NULL"}}], "output": {"format": "parquet"}}),
        json!({"version": 1, "steps": [{"aggregate": {"groupBy": ["few"], "aggregates": [{"name": "n", "expr": "count(*)"}]}}], "output": {"format": "csv"}}),
    ]
}

/// Runs a job; gives its counts, or the error's text.
fn job(folder: &Path, format: &str, data: &[u8], spec: &Value) -> Result<Value, String> {
    let source = folder.join(format!("in.{format}"));
    std::fs::write(&source, data).unwrap();
    let request = json!({
        "spec": spec,
        "inputs": {"input": {"url": source}},
        "output": {"url": folder.join("out"), "overwrite": true},
        "threads": 2,
        "memoryLimitBytes": 256 << 20,
    });
    match submit(&request.to_string()).unwrap().wait(None).unwrap() {
        Ok(report) => Ok(serde_json::to_value(report).unwrap()),
        Err(error) if error.code().class() == ErrorClass::Internal => panic!("{error}"),
        Err(error) => Err(error.to_string()),
    }
}

fn check(folder: &Path, format: &str, data: &[u8]) {
    for spec in &specs() {
        if let Ok(report) = job(folder, format, data, spec) {
            assert_eq!(report["rowsIn"].as_u64(), Some(ROWS as u64), "{spec}");
            let counted = ["rowsOut", "rowsFiltered", "rowsRejected"].map(|name| report[name].as_u64().unwrap());
            if !spec.to_string().contains("aggregate") {
                assert_eq!(counted.iter().sum::<u64>(), ROWS as u64, "{spec}");
            }
        }
    }
}

#[test]
fn good_files_have_all_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    for (format, data) in files() {
        for spec in &specs() {
            assert_eq!(
                job(folder.path(), format, data, spec).unwrap()["rowsIn"].as_u64(),
                Some(ROWS as u64),
                "{format} {spec}"
            );
        }
    }
}

#[test]
fn cut_off_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    for (format, data) in files() {
        for part in 0..40 {
            let error = job(folder.path(), format, &data[..data.len() * part / 40], &specs()[0]).unwrap_err();
            assert!(error.starts_with("INPUT_"), "{error}");
        }
    }
}

#[test]
fn a_footer_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    for (format, data) in files() {
        let end = data.len() - if *format == "parquet" { 8 } else { 10 };
        for length in [0, 1, 100, u32::try_from(data.len()).unwrap() + 1, 1 << 30, i32::MAX.unsigned_abs(), u32::MAX] {
            let mut data = data.clone();
            data[end..end + 4].copy_from_slice(&length.to_le_bytes());
            let error = job(folder.path(), format, &data, &specs()[0]).unwrap_err();
            assert!(error.starts_with("INPUT_FORMAT"), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(160) })]

    #[test]
    fn damaged_anywhere(file in any::<Index>(), damage in prop::collection::vec(Damage::any(), 1..3)) {
        let (format, data) = file.get(files());
        let mut data = data.clone();
        for damage in &damage {
            damage.apply(&mut data);
        }
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), format, &data);

        // The looks at a file take the same care.
        let input = json!({"url": folder.path().join(format!("in.{format}"))});
        let internal = |class: ErrorClass| class == ErrorClass::Internal;
        let looked = preview_blocking(&json!({"spec": {"version": 1}, "inputs": {"input": input}}).to_string(), 10);
        prop_assert!(!looked.as_ref().is_err_and(|error| internal(error.code().class())), "{looked:?}");
        let profiled = submit_profile(&json!({"input": input}).to_string()).unwrap().wait(None).unwrap();
        prop_assert!(!profiled.as_ref().is_err_and(|error| internal(error.code().class())), "{profiled:?}");
    }
}
