//! Overrides of what detection finds about an input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to believe about one input; every field left out is detected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InputOverride {
    /// The input's name; `input` is the main one.
    pub name: String,
    /// The file format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// CSV: the field delimiter, up to 8 bytes, e.g. `;` or `||`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// CSV: the quote, one ASCII character; an empty text means that nothing is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// CSV: the escape inside quotes, one ASCII character; by default a quote is escaped by doubling it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escape: Option<String>,
    /// CSV: whether the first row holds the column names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// CSV: the number of records that hold the column names, one below the other; 0: there is no header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_rows: Option<u32>,
    /// CSV: lines before the header, or before the first record, that are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_rows: Option<u64>,
    /// CSV: what lines that are no records begin with, e.g. `#`; an empty text means that there are no such lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// CSV: the order of day and month in dates with slashes, dots or dashes whose year stands last, e.g. `31/01/2024`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// CSV: the sign between the whole part of a number and its decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// The text encoding. Needed for encodings without a byte order mark that are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// The compression of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// CSV: unquoted fields equal to one of these are null, e.g. `["NA", "\\N"]`. An empty unquoted field always is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_values: Vec<String>,
    /// Types of columns, instead of the detected ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnType>,
}

/// A column and its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ColumnType {
    /// The column.
    pub name: String,
    /// The type, e.g. `int64`, `float64`, `decimal(12,2)`, `boolean`, `date`, `timestamp`, `timestamp(UTC)`, `utf8`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The order of day and month in a date whose year stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DateOrder {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// The sign between the whole part of a number and its decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Decimal {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

/// Formats of files that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// Delimited text, of any dialect.
    Csv,
    /// Delimited text whose delimiter is a tab.
    Tsv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
    /// Plain text; one column `line`.
    Lines,
}

impl Format {
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
}

/// Text encodings that can be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8, with or without byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little endian.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big endian.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// ISO 8859-1, read as Windows-1252 as browsers do.
    #[serde(rename = "latin-1")]
    Latin1,
    /// ISO 8859-2, Central European.
    #[serde(rename = "iso-8859-2")]
    Iso8859_2,
    /// ISO 8859-15, Western European with the euro sign.
    #[serde(rename = "iso-8859-15")]
    Iso8859_15,
    /// Windows, Central European.
    #[serde(rename = "windows-1250")]
    Windows1250,
    /// Windows, Cyrillic.
    #[serde(rename = "windows-1251")]
    Windows1251,
    /// Windows, Western European.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// Windows, Greek.
    #[serde(rename = "windows-1253")]
    Windows1253,
    /// Windows, Turkish.
    #[serde(rename = "windows-1254")]
    Windows1254,
    /// Windows, Hebrew.
    #[serde(rename = "windows-1255")]
    Windows1255,
    /// Windows, Arabic.
    #[serde(rename = "windows-1256")]
    Windows1256,
    /// Windows, Baltic.
    #[serde(rename = "windows-1257")]
    Windows1257,
    /// Windows, Vietnamese.
    #[serde(rename = "windows-1258")]
    Windows1258,
    /// KOI8-R, Cyrillic.
    #[serde(rename = "koi8-r")]
    Koi8R,
    /// Mac OS Roman.
    #[serde(rename = "macintosh")]
    Macintosh,
    /// Shift JIS, Japanese.
    #[serde(rename = "shift-jis")]
    ShiftJis,
    /// EUC-JP, Japanese.
    #[serde(rename = "euc-jp")]
    EucJp,
    /// GB 18030, Chinese; holds GBK and GB 2312.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// Big5, Chinese.
    #[serde(rename = "big5")]
    Big5,
    /// EUC-KR, Korean.
    #[serde(rename = "euc-kr")]
    EucKr,
}

impl Encoding {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Latin1 => "latin-1",
            Self::Iso8859_2 => "iso-8859-2",
            Self::Iso8859_15 => "iso-8859-15",
            Self::Windows1250 => "windows-1250",
            Self::Windows1251 => "windows-1251",
            Self::Windows1252 => "windows-1252",
            Self::Windows1253 => "windows-1253",
            Self::Windows1254 => "windows-1254",
            Self::Windows1255 => "windows-1255",
            Self::Windows1256 => "windows-1256",
            Self::Windows1257 => "windows-1257",
            Self::Windows1258 => "windows-1258",
            Self::Koi8R => "koi8-r",
            Self::Macintosh => "macintosh",
            Self::ShiftJis => "shift-jis",
            Self::EucJp => "euc-jp",
            Self::Gb18030 => "gb18030",
            Self::Big5 => "big5",
            Self::EucKr => "euc-kr",
        }
    }
}

/// Compression of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
    /// bzip2, one member or several.
    Bzip2,
    /// xz, one stream or several.
    Xz,
}

impl Compression {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}
