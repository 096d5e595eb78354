//! What a caller asks for, as JSON.

use std::collections::BTreeMap;

use karyaksham_spec::{Format, InputOverride};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{EngineError, ErrorCode, Result};
use crate::scan::Dialect;
use crate::store::StorageOptions;
use crate::types::ColumnSchema;

/// One input.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputRequest {
    /// `s3://bucket/key`, `file:///path` or a plain path.
    pub url: String,
    /// The name that the user gave the file; its ending is a hint for detection.
    #[serde(default)]
    pub file_name: Option<String>,
    /// The format, if known.
    #[serde(default)]
    pub format: Option<Format>,
    /// The size in bytes, if known; another size on storage is an error.
    #[serde(default)]
    pub size_bytes: Option<u64>,
    /// What an inspection found, if there was one.
    #[serde(default)]
    pub dialect: Option<Dialect>,
    /// The columns that an inspection found, if there was one.
    #[serde(default)]
    pub schema: Option<Vec<ColumnSchema>>,
}

impl InputRequest {
    /// What the caller says about the file, for detection.
    pub fn declared(&self) -> InputOverride {
        InputOverride { format: self.format, ..InputOverride::default() }
    }
}

/// A job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunRequest {
    /// The pipeline.
    pub spec: Value,
    /// The inputs by name.
    pub inputs: BTreeMap<String, InputRequest>,
    /// Where the result goes; a preview has none.
    #[serde(default)]
    pub output: Option<OutputRequest>,
    /// Keys of the storage.
    #[serde(default)]
    pub storage: Option<StorageOptions>,
    /// The memory that the job may use, about; no limit if absent.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// Where intermediate data goes that does not fit into memory; the system's temporary folder if absent.
    #[serde(default)]
    pub spill_dir: Option<String>,
    /// Bytes that intermediate data may take there at one time; what the disk has if absent.
    #[serde(default)]
    pub spill_limit_bytes: Option<u64>,
    /// Threads for computing; all cores if absent.
    #[serde(default)]
    pub threads: Option<usize>,
}

/// Where a result goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputRequest {
    /// A folder (the address ends with `/`), or one file.
    pub url: String,
    /// Whether something that stands there may be replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// A copy for readers on this machine, of a table in a format that they read by ranges; none if absent.
    #[serde(default)]
    pub copy: Option<CopyRequest>,
}

/// A copy of an object on this machine: a file in `folder`, named by the object's key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopyRequest {
    /// An absolute path; the folder is made if it is missing.
    pub folder: String,
    /// Bytes of one file at least: a smaller one is soon read from anywhere.
    pub min_bytes: u64,
    /// Bytes of one file at most: a larger one has no copy.
    pub max_bytes: u64,
}

/// Parses a request.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| EngineError::new(ErrorCode::InvalidRequest, format!("the request is wrong: {error}")))
}
