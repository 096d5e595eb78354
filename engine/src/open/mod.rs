//! Opens a stored file of any format as a stream of batches in bounded memory: what Flight serves.
//!
//! ```no_run
//! # async fn example() -> karyaksham_engine::Result<()> {
//! use futures::StreamExt;
//! use karyaksham_engine::{open, store::Stores};
//! use karyaksham_spec::Format;
//!
//! let stores = Stores::new(None);
//! let file = open::StoredFile::new(stores.locate("result.parquet")?, Format::Parquet);
//! let mut batches = open::stream(&file).await?;
//! println!("{}", batches.schema());
//! while let Some(batch) = batches.next().await {
//!     println!("{} rows", batch?.num_rows());
//! }
//! # Ok(())
//! # }
//! ```

mod arrow_block;
mod arrow_file;
mod arrow_table;
mod footer;
mod pages;
mod parquet_file;
mod parquet_layout;
mod parquet_table;
mod table;
mod thrift;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use karyaksham_spec::{Compression, Encoding};
use parquet::arrow::ParquetRecordBatchStreamBuilder;

pub use arrow_file::ArrowFile;
pub(crate) use arrow_table::ArrowTable;
pub use karyaksham_spec::Format;
pub use parquet_file::{ParquetFile, parquet_metadata};
pub(crate) use parquet_table::parquet_table;
pub use table::table;

use crate::error::{EngineError, ErrorCode, Result};
use crate::guard::{guarded, guarded_work};
use crate::scan::{Content, Dialect, Ledger, Mark, TextFile, projected_stream};
use crate::sink::{plain_batch, plain_schema};
use crate::store::Location;

/// Rows in a batch of Parquet, at most.
const BATCH_ROWS: usize = 8192;

/// A stored file and what is known of it.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Where it is.
    pub location: Location,
    /// Its format.
    pub format: Format,
    /// Its size in bytes, if known (saves a request).
    pub size: Option<u64>,
    /// Its columns. CSV and NDJSON need them; of Parquet and Arrow they are in the file.
    pub schema: Option<SchemaRef>,
    /// CSV, NDJSON, lines: how it is written; our own way if absent.
    pub dialect: Option<Dialect>,
    /// Parquet: only these row groups.
    pub row_groups: Option<Vec<usize>>,
}

impl StoredFile {
    /// A file of which nothing more is known.
    pub fn new(location: Location, format: Format) -> Self {
        Self { location, format, size: None, schema: None, dialect: None, row_groups: None }
    }
}

/// The file's rows, view types turned to plain ones. Must be called on a tokio runtime.
///
/// A row of a text file that does not fit the schema ends the stream with [`ErrorCode::BadRow`].
pub async fn stream(file: &StoredFile) -> Result<SendableRecordBatchStream> {
    let stream = match file.format {
        Format::Parquet => guarded_work(file.location.file_name(), parquet_stream(file)).await?,
        Format::Arrow => arrow_stream(file).await?,
        Format::Csv | Format::Tsv | Format::Ndjson | Format::Lines => text_stream(file).await?,
    };
    let schema = plain_schema(&stream.schema());
    if schema == stream.schema() {
        return Ok(stream);
    }
    let target = Arc::clone(&schema);
    let plain = stream.map(move |batch| Ok(plain_batch(&batch?, &target)?));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, plain)))
}

async fn size_of(file: &StoredFile) -> Result<u64> {
    match file.size {
        Some(size) => Ok(size),
        None => Ok(file.location.head().await?.size),
    }
}

async fn parquet_stream(file: &StoredFile) -> Result<SendableRecordBatchStream> {
    let reader = ParquetFile::new(file.location.clone(), size_of(file).await?);
    let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await?.with_batch_size(BATCH_ROWS);
    if let Some(groups) = &file.row_groups {
        let count = builder.metadata().num_row_groups();
        if let Some(group) = groups.iter().find(|group| **group >= count) {
            let message = format!("there is no row group {group}: the file has {count}");
            return Err(EngineError::new(ErrorCode::InvalidRequest, message));
        }
        builder = builder.with_row_groups(groups.clone());
    }
    let schema = Arc::clone(builder.schema());
    // The stream's own schema leaves out the file's metadata; batches carry none either.
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    let stream = guarded(builder.build()?, file.location.file_name()).map(|batch| batch.map_err(DataFusionError::from));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

async fn arrow_stream(file: &StoredFile) -> Result<SendableRecordBatchStream> {
    let opened = ArrowFile::open(&file.location, file.size).await?;
    let schema = opened.schema();
    let stream = opened.into_stream().map(|batch| batch.map_err(DataFusionError::from));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

async fn text_stream(file: &StoredFile) -> Result<SendableRecordBatchStream> {
    let text = text_file(file, size_of(file).await?)?;
    projected_stream(&text, None, Arc::new(Ledger::strict()))
}

/// The file, which is text, as the scanner takes it.
fn text_file(file: &StoredFile, size: u64) -> Result<TextFile> {
    let dialect = file.dialect.clone().unwrap_or_default();
    let (compression, encoding): (Compression, Encoding) = (dialect.compression, dialect.encoding);
    let (schema, content) = match file.format {
        Format::Lines => {
            let schema = Arc::new(Schema::new(vec![Field::new("line", DataType::Utf8, true)]));
            (schema, Content::Lines(compression, encoding))
        }
        format => {
            let schema = file.schema.clone().ok_or_else(|| {
                EngineError::new(ErrorCode::InvalidRequest, format!("a {} file needs its schema", format.as_str()))
            })?;
            let content = if format == Format::Ndjson {
                Content::Ndjson(compression, encoding)
            } else {
                let names = schema.fields().iter().map(|field| field.name().clone()).collect();
                Content::Csv(Dialect { delimiter: delimiter(file), ..dialect }, names)
            };
            (schema, content)
        }
    };
    Ok(TextFile { location: file.location.clone(), size, content, schema })
}

fn delimiter(file: &StoredFile) -> Mark {
    match (&file.dialect, file.format) {
        (Some(dialect), _) => dialect.delimiter,
        (None, Format::Tsv) => b'\t'.into(),
        (None, _) => b','.into(),
    }
}
