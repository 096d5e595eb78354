//! Counters that a job keeps while it runs; read without locks from any thread.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Stage {
    /// Opening and inspecting inputs, planning.
    Planning = 0,
    /// Reading, computing, writing.
    Running = 1,
    /// Closing and publishing outputs.
    Finishing = 2,
    /// Ended, well or not.
    Done = 3,
}

/// The counters of one job. Bytes are bytes of the stored (maybe compressed) files.
#[derive(Debug, Default)]
pub struct Progress {
    bytes_read: AtomicU64,
    bytes_total: AtomicU64,
    rows_read: AtomicU64,
    rows_rejected: AtomicU64,
    rows_filtered: AtomicU64,
    /// Read by DataFusion's own readers: set from their metrics, not booked.
    bytes_scanned: AtomicU64,
    rows_scanned: AtomicU64,
    rows_out: AtomicU64,
    bytes_written: AtomicU64,
    stage: AtomicU8,
}

/// A copy of the counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Bytes read from the inputs' files so far.
    pub bytes_read: u64,
    /// Size of the inputs' files.
    pub bytes_total: u64,
    /// Rows read, rejected ones included.
    pub rows_in: u64,
    /// Rows handed to the output.
    pub rows_out: u64,
    /// Rows left out by filters and limits.
    pub rows_filtered: u64,
    /// Rows rejected.
    pub rows_rejected: u64,
    /// Bytes written to the output.
    pub bytes_written: u64,
    /// What is being done.
    pub stage: Stage,
}

impl Progress {
    /// A file of this size will be read.
    pub fn add_total(&self, bytes: u64) {
        self.bytes_total.fetch_add(bytes, Relaxed);
    }

    /// Bytes were read.
    pub fn add_read(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Relaxed);
    }

    /// Rows were read: good ones and rejected ones.
    pub fn add_rows(&self, good: u64, rejected: u64) {
        self.rows_read.fetch_add(good + rejected, Relaxed);
        self.rows_rejected.fetch_add(rejected, Relaxed);
    }

    /// Rows that were read as good ones were rejected by a step.
    pub fn add_rejected(&self, rows: u64) {
        self.rows_rejected.fetch_add(rows, Relaxed);
    }

    /// The number of rows left out by filters so far.
    pub fn set_filtered(&self, rows: u64) {
        self.rows_filtered.store(rows, Relaxed);
    }

    /// What DataFusion's readers of Parquet and Arrow read so far.
    pub fn set_scanned(&self, bytes: u64, rows: u64) {
        self.bytes_scanned.store(bytes, Relaxed);
        self.rows_scanned.store(rows, Relaxed);
    }

    /// Rows booked by our own scanner: good ones and rejected ones.
    pub fn booked(&self) -> u64 {
        self.rows_read.load(Relaxed)
    }

    /// Rows went to the output.
    pub fn add_out(&self, rows: u64) {
        self.rows_out.fetch_add(rows, Relaxed);
    }

    /// Bytes went to the output.
    pub fn add_written(&self, bytes: u64) {
        self.bytes_written.fetch_add(bytes, Relaxed);
    }

    /// The job enters a stage.
    pub fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// Back to zero, for another attempt; the total stays as files are known.
    pub fn restart(&self) {
        for counter in [
            &self.bytes_read,
            &self.bytes_total,
            &self.rows_read,
            &self.rows_rejected,
            &self.rows_filtered,
            &self.bytes_scanned,
            &self.rows_scanned,
            &self.rows_out,
            &self.bytes_written,
        ] {
            counter.store(0, Relaxed);
        }
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            bytes_read: self.bytes_read.load(Relaxed) + self.bytes_scanned.load(Relaxed),
            bytes_total: self.bytes_total.load(Relaxed),
            rows_in: self.rows_read.load(Relaxed) + self.rows_scanned.load(Relaxed),
            rows_out: self.rows_out.load(Relaxed),
            rows_filtered: self.rows_filtered.load(Relaxed),
            rows_rejected: self.rows_rejected.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            stage: match self.stage.load(Relaxed) {
                0 => Stage::Planning,
                1 => Stage::Running,
                2 => Stage::Finishing,
                _ => Stage::Done,
            },
        }
    }
}
