//! What a job reports at its end.

use serde::Serialize;

use crate::types::ColumnSchema;

/// The report of a job that succeeded.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Rows read, rejected ones included.
    pub rows_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Rows left out by filters, samples, limits and `distinct`.
    pub rows_filtered: u64,
    /// Rows rejected.
    pub rows_rejected: u64,
    /// Bytes read from the inputs' files.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Wall time.
    pub seconds: f64,
    /// The most memory that the process had at one time (resident), if the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The files' columns: the result's without those that it is partitioned by.
    pub schema: Vec<ColumnSchema>,
    /// The files written.
    pub files: Vec<FileReport>,
    /// The file of rejected rows, if there are any.
    pub rejects: Option<RejectsReport>,
    /// Each step, and the rows after it where they are known.
    pub steps: Vec<StepReport>,
    /// The engine's version.
    pub engine_version: &'static str,
}

/// The value of a column that a file was partitioned by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionValue {
    /// The column; the file does not hold it.
    pub column: String,
    /// The value as text; absent if it is null.
    pub value: Option<String>,
}

/// A written file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileReport {
    /// Its address.
    pub url: String,
    /// Its name; in a result of several folders with these, e.g. `country=India/part-00000.parquet`.
    pub name: String,
    /// Its format.
    pub format: &'static str,
    /// Its size.
    pub size_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The values of the columns that the result is partitioned by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partition: Vec<PartitionValue>,
}

/// The file of rejected rows: CSV with `line`, `byte_offset`, `column`, `reason`, `raw`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectsReport {
    /// Its address.
    pub url: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub size_bytes: u64,
}

/// A step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The step's name.
    pub step: &'static str,
    /// Rows after it; absent where DataFusion merged it with others.
    pub rows_out: Option<u64>,
    /// `expect`: the expectation's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<String>,
    /// `expect`: rows for which it is not true, whatever became of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_broken: Option<u64>,
    /// `sample`: the seed, given or chosen: with it the same input gives the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The most memory that this process had at one time.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Starts the count of [`peak_memory_bytes`] anew, so that a process that runs many jobs tells them apart.
pub fn reset_peak_memory() {
    // Only a figure in the report: a system that does not know this gives the peak of the process's life.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
