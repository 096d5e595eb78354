//! Finds out what a file is: format, compression, encoding, dialect, column types, with the reasons.
//!
//! Types are decided on a sample: the whole file up to 8 MiB, else its first 8 MiB and four pieces of 1 MiB each further
//! on; an inspection of a file of this machine looks at all of it. A job that meets a value which does not fit what the
//! sample said reads the file once for its types and starts again; a row that does not fit a declared or fixed type is
//! rejected with line and reason, never turned to null.

mod cells;
mod columns;
mod dialect;
mod drift;
mod encoding;
mod infer;
mod json;
mod names;
mod preview;
mod report;
mod sample;
mod sniff;
mod start;
mod whole;

pub(crate) use drift::check_header;
pub use drift::{DiffRequest, Retyped, SchemaDiff, schema_diff};
pub use infer::{ColumnReason, Decision, Evidence, Example};
pub use preview::rows_json;
pub use report::{InspectRequest, Report, inspect};
pub use sample::Sample;
pub(crate) use whole::{Widen, widened};

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use karyaksham_spec::{Compression, Encoding, Format, InputOverride};

use crate::error::{EngineError, ErrorCode, Result};
use crate::open::{ArrowFile, ParquetFile};
use crate::scan::{Content, Dialect, TextFile};
use crate::sink::plain_schema;
use crate::store::Location;

/// What is known of a file before it is looked at.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The name that the user gave the file; its ending is a hint.
    pub file_name: Option<String>,
    /// What the user declared.
    pub declared: InputOverride,
}

/// What a file is.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Its format; a TSV file is CSV with a tab as delimiter.
    pub format: Format,
    /// Its dialect; of CSV only, other text files have only compression and encoding in it.
    pub dialect: Dialect,
    /// Its columns, with plain types.
    pub schema: SchemaRef,
    /// For each column, why it has its type.
    pub reasons: Vec<String>,
    /// For each column of delimited text, values that do not fit the type that it nearly has.
    pub examples: Vec<Vec<Example>>,
    /// Columns whose types were declared.
    pub declared: Vec<String>,
    /// Stored size in bytes.
    pub size: u64,
    /// Number of rows, if known, and whether it is exact.
    pub rows: Option<(u64, bool)>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// The beginning of the decoded text (text formats).
    pub head: Bytes,
}

impl Inspected {
    /// The file as a text file, with text columns as views or plain.
    pub fn text_file(&self, location: &Location, views: bool) -> TextFile {
        text_file(location, self.size, self.format, &self.dialect, &self.declared, &self.schema, views)
    }
}

/// A text file of known dialect and schema.
pub fn text_file(
    location: &Location,
    size: u64,
    format: Format,
    dialect: &Dialect,
    declared: &[String],
    schema: &SchemaRef,
    views: bool,
) -> TextFile {
    let content = match format {
        Format::Ndjson => Content::Ndjson(dialect.compression, dialect.encoding),
        Format::Lines => Content::Lines(dialect.compression, dialect.encoding),
        _ => Content::Csv(dialect.clone(), declared.to_vec()),
    };
    TextFile { location: location.clone(), size, content, schema: all_nullable(schema, views) }
}

/// The columns of a text file: whatever it claims, a null in it is no reason to fail. Texts come as `views` or plain.
pub(crate) fn all_nullable(schema: &SchemaRef, views: bool) -> SchemaRef {
    let nullable = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::Utf8View if views => DataType::Utf8View,
            other => other.clone(),
        };
        Field::new(field.name(), kind, true)
    });
    Arc::new(Schema::new(nullable.collect::<Vec<_>>()))
}

/// Looks at a file.
pub async fn look(location: &Location, known: &Known) -> Result<Inspected> {
    let size = location.head().await?.size;
    if size == 0 {
        return Err(empty(location));
    }
    let sample = Sample::read(location, size, &known.declared).await?;
    let format = sniff::format(&sample, known)?;
    match format {
        Format::Parquet => parquet(location, size).await,
        Format::Arrow => arrow_file(location, size).await,
        Format::Csv | Format::Tsv | Format::Ndjson | Format::Lines => text(location, &sample, format, known),
    }
}

fn empty(location: &Location) -> EngineError {
    EngineError::new(ErrorCode::InputEmpty, format!("the file {} is empty", location.file_name()))
        .hint("upload the file again: it holds no bytes, or nothing but line ends")
}

async fn parquet(location: &Location, size: u64) -> Result<Inspected> {
    let file = ParquetFile::new(location.clone(), size);
    let metadata = file.metadata().await?;
    let description = metadata.file_metadata();
    let schema = file.schema().await?;
    let rows = u64::try_from(description.num_rows()).unwrap_or_default();
    Ok(binary(Format::Parquet, &schema, size, Some((rows, true))))
}

async fn arrow_file(location: &Location, size: u64) -> Result<Inspected> {
    let file = ArrowFile::open(location, Some(size)).await?;
    let rows = file.rows().await?;
    Ok(binary(Format::Arrow, &file.schema(), size, Some((rows, true))))
}

fn binary(format: Format, schema: &Schema, size: u64, rows: Option<(u64, bool)>) -> Inspected {
    let schema = plain_schema(&Schema::new(schema.fields().clone()));
    Inspected {
        format,
        dialect: Dialect::default(),
        reasons: vec![format!("declared in the {} file", format.as_str()); schema.fields().len()],
        declared: Vec::new(),
        examples: Vec::new(),
        schema,
        size,
        rows,
        warnings: Vec::new(),
        head: Bytes::new(),
    }
}

fn text(location: &Location, sample: &Sample, format: Format, known: &Known) -> Result<Inspected> {
    let (encoding, warning) = encoding::encoding(sample, known)?;
    let decoded = sample.decode(encoding)?;
    if decoded.head.iter().all(|byte| matches!(byte, b'\n' | b'\r')) && format != Format::Lines
        || decoded.head.is_empty()
    {
        return Err(empty(location));
    }
    let base = Dialect { compression: sample.compression, encoding, ..Dialect::default() };
    let mut inspected = match format {
        Format::Ndjson => json::look(&decoded, base)?,
        Format::Lines => {
            let schema = Arc::new(Schema::new(vec![Field::new("line", DataType::Utf8, true)]));
            let lines = |piece: &[u8]| memchr::memchr_iter(b'\n', piece).count() as u64;
            let mut rows = lines(&decoded.head);
            if decoded.whole && !decoded.head.ends_with(b"\n") {
                rows += 1;
            }
            Inspected {
                format,
                dialect: base,
                schema,
                reasons: vec!["plain text: one column for the line".to_owned()],
                examples: Vec::new(),
                declared: Vec::new(),
                size: sample.size,
                rows: decoded.estimate(rows),
                warnings: Vec::new(),
                head: decoded.head.clone(),
            }
        }
        _ => names::look_csv(&decoded, &base, format, known)?,
    };
    inspected.warnings.extend(warning);
    if encoding == Encoding::Latin1 {
        inspected.warnings.push("latin-1 is read as windows-1252, as browsers do".to_owned());
    }
    infer::apply_declared(&mut inspected, &known.declared)?;
    Ok(inspected)
}

/// The compression that a dialect object would leave unsaid.
pub(crate) fn is_plain(dialect: &Dialect) -> bool {
    dialect.compression == Compression::None && dialect.encoding == Encoding::Utf8
}
