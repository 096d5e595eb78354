//! Limits of statements, as `flight/__init__.py` gives them.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// What one statement, and all together, may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SqlLimits {
    /// Memory that one statement may use, in bytes; what is beyond it spills to disk.
    pub memory_limit_bytes: u64,
    /// Disk that one statement may use for that, in bytes.
    pub spill_limit_bytes: u64,
    /// Seconds of work on one statement; waiting for a slow client does not count.
    pub time_limit_seconds: u64,
    /// Statements that run at once.
    pub max_statements: usize,
    /// Longest text of a statement, in bytes.
    pub max_statement_bytes: usize,
    /// Where statements spill; the system's temporary folder if absent.
    pub spill_dir: Option<PathBuf>,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            memory_limit_bytes: 512 << 20,
            spill_limit_bytes: 32 << 30,
            time_limit_seconds: 300,
            max_statements: 4,
            max_statement_bytes: 256 << 10,
            spill_dir: None,
        }
    }
}

impl SqlLimits {
    /// The time that work on one statement may take.
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(self.time_limit_seconds)
    }
}
