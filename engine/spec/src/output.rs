//! What is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The result's format.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// The file format; Parquet if absent.
    #[serde(default)]
    pub format: OutputFormat,
    /// Parquet: `zstd` (default), `snappy`, `lz4`, `gzip` or `none`. Text formats: `none` (default), `gzip` or `zstd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<OutputCompression>,
    /// The level of zstd (1 to 22, default 1) or gzip (1 to 9, default 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i32>,
    /// Columns whose values name the folders that the result is split into: `country=India/part-00000.parquet`. The
    /// files do not hold these columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// A file that reaches this size in bytes is ended, and `part-00001` is begun, and so on. One file if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 65536))]
    pub max_file_bytes: Option<u64>,
    /// CSV: the field delimiter, one ASCII character; a comma if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// CSV: whether the column names are written as first row; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// CSV and TSV: write an apostrophe before texts that a spreadsheet would take for a formula: those that begin with
    /// `=`, `+`, `-`, `@`, a tab or a line end and are no numbers. They are not read back as they were; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape_formulas: Option<bool>,
}

/// Formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputFormat {
    /// CSV, UTF-8, RFC 4180 quoting, `\n` line ends; null is empty, the empty text is `""`.
    Csv,
    /// As CSV, with tabs.
    Tsv,
    /// One JSON object a line, nulls written out.
    Ndjson,
    /// Apache Parquet.
    #[default]
    Parquet,
    /// Arrow IPC file.
    Arrow,
    /// Plain text of the one text column.
    Lines,
}

impl OutputFormat {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Lines => "lines",
        }
    }

    /// The usual ending of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Lines => "txt",
            other => other.as_str(),
        }
    }
}

/// Compression of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputCompression {
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy (Parquet only).
    Snappy,
    /// LZ4 (Parquet only).
    Lz4,
}

impl OutputCompression {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
        }
    }
}
