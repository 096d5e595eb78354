//! Whole files through inspection, preview and a run: an error is fine; a crash, a panic of ours, or a lost row is not.
//!
//! Caveat: `DataFusion`'s own readers of Parquet and Arrow panic on some damaged files; the run ends with `INTERNAL` then, which
//! the target `binary` lets pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use karyaksham_engine::{EngineError, ErrorCode, inspect_blocking, preview_blocking, submit};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::mutate::hash;

/// The first byte chooses the file's name.
pub fn text(input: &[u8]) -> u64 {
    let Some((choice, content)) = input.split_first() else { return 0 };
    let endings = ["csv", "tsv", "ndjson", "log", "txt", "dat"];
    run(content, endings[usize::from(*choice) % endings.len()])
}

/// Likewise.
pub fn binary(input: &[u8]) -> u64 {
    let Some((choice, content)) = input.split_first() else { return 0 };
    run(content, ["parquet", "arrow"][usize::from(*choice) % 2])
}

fn run(content: &[u8], ending: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("file.{ending}"));
    std::fs::write(&path, content).unwrap();
    let outcome = |result| outcome(result, ending);
    let inspected = outcome(value(inspect_blocking(&json!({"input": {"url": path}}).to_string())));
    let request = json!({"spec": {"version": 1, "output": {"format": "ndjson"}}, "inputs": {"input": {"url": path}}, "threads": 2});
    let preview = outcome(value(preview_blocking(&request.to_string(), 5)));
    let mut request = request;
    request["output"] = json!({"url": folder.path().join("out.ndjson")});
    let job = outcome(value(submit(&request.to_string()).and_then(|job| job.wait(None).unwrap())));
    if let (Ok(preview), Ok(report)) = (&preview, &job) {
        assert_eq!(preview["sampled"], json!(false), "a small file is read whole");
        for name in ["rowsIn", "rowsOut", "rowsRejected"] {
            assert_eq!(preview[name], report[name], "{name} of preview and run");
        }
        let lines = std::fs::read(folder.path().join("out.ndjson")).unwrap();
        let lines = lines.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(json!(lines), report["rowsOut"], "rows written");
    }
    let of = |outcome: &Result<Value, String>, names: &[&str]| match outcome {
        Ok(report) => names.iter().map(|name| report[*name].to_string()).collect::<Vec<_>>().join(" "),
        Err(code) => code.clone(),
    };
    let schema = of(&inspected, &["format", "encoding", "dialect"]);
    let types = inspected.as_ref().map_or(String::new(), |report| {
        report["schema"].as_array().unwrap().iter().map(|column| column["type"].to_string()).collect()
    });
    hash(format!("{schema} {types} {} {}", of(&preview, &["rowsRejected"]), of(&job, &["rowsRejected"])).as_bytes())
}

fn value<T: serde::Serialize>(result: Result<T, EngineError>) -> Result<Value, EngineError> {
    result.map(|report| serde_json::to_value(report).unwrap())
}

/// The report, or the code of an error that is none of our own making.
fn outcome(result: Result<Value, EngineError>, ending: &str) -> Result<Value, String> {
    result.map_err(|error| {
        let internal = error.code() == ErrorCode::Internal && !matches!(ending, "parquet" | "arrow");
        assert!(!internal && error.code() != ErrorCode::LedgerMismatch, "{error}");
        error.code().as_str().to_owned()
    })
}

pub fn text_seeds() -> Vec<Vec<u8>> {
    let texts: [(u8, &[u8]); 8] = [
        (0, b"id,name,amount,day\n1,\"a, b\",2.5,2024-01-31\n2,,-3,2024-02-01\n"),
        (0, b"a;b\r\n1;\"x\"\"y\"\r\n007;z\r\n"),
        (1, b"a\tb\n1\t2\n"),
        (2, b"{\"a\":1,\"b\":[1,2],\"c\":{\"d\":\"e\"}}\n{\"a\":2.5,\"b\":null}\n"),
        (3, b"2024-01-01 INFO start\n2024-01-01 ERROR stop\n"),
        (4, b"\xFF\xFEa\0,\0b\0\n\x001\0,\x002\0\n\0"),
        (5, b"\xEF\xBB\xBFa|b|c\n1|2|3\n4|5\n\"6|7|8\n"),
        (0, b"name\nx\n\ny\n"),
    ];
    texts.iter().map(|(choice, text)| [&[*choice], *text].concat()).collect()
}

pub fn binary_seeds() -> Vec<Vec<u8>> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("bb"), None]));
    let lists: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None, Some(vec![])]));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("t", texts), ("l", lists)]).unwrap();
    let mut parquet = vec![0];
    let mut writer = ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut arrow = vec![1];
    let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut arrow, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    vec![parquet, arrow]
}
