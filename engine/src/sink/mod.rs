//! Writes results: encoders for each format over uploads that show nothing until they are published.
//!
//! All formats are encoded on the job's threads side by side, and come out in order: Parquet by columns, the others by
//! batches. What is on its way is bounded.

mod arrow_ipc;
mod copy;
mod csv;
pub(crate) mod hive;
mod number;
mod ordered;
mod parquet;
mod plain;
mod spool;
mod text;
mod upload;

use std::sync::Arc;

use ::arrow::array::{Array, AsArray, RecordBatch};
use ::arrow::datatypes::{DataType, SchemaRef};
use karyaksham_spec::{Output, OutputCompression, OutputFormat};

pub use copy::LocalCopy;
pub(crate) use csv::write_text;
pub use plain::{plain_batch, plain_schema};
pub(crate) use spool::{Ready, Spool};
pub use upload::{Target, Upload};

use crate::error::Result;
use ordered::{Rows, Stream};

/// What an encoder may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// The job's memory limit in bytes; none if absent.
    pub memory_limit: Option<u64>,
}

impl Resources {
    /// The `n`th part of the memory limit, if there is one.
    fn share(self, n: u64) -> Option<usize> {
        self.memory_limit.map(|limit| usize::try_from(limit / n).unwrap_or(usize::MAX))
    }
}

/// Bytes of a batch's rows by themselves: of buffers shared with other batches only what these rows use.
pub(crate) fn logical_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|array| array_bytes(array.as_ref())).sum()
}

/// Bytes of rows that are encoded at one go, at most, if it is not a single row: a small file may hold a long text once,
/// and name it in each row.
const SLICE_BYTES: usize = 32 << 20;

/// The rows of a batch from `start` on that are encoded at one go: `most` of them, or fewer if they are long; and their
/// bytes.
pub(crate) fn slice(batch: &RecordBatch, start: usize, most: usize) -> (RecordBatch, usize) {
    let mut rows = most.min(batch.num_rows() - start);
    loop {
        let part = batch.slice(start, rows);
        let bytes = logical_bytes(&part);
        if rows <= 1 || bytes <= SLICE_BYTES {
            return (part, bytes);
        }
        rows /= 2;
    }
}

fn array_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let values = array.as_any_dictionary().values();
            array.len() * (array_bytes(values.as_ref()) / values.len().max(1) + size_of::<u32>())
        }
        DataType::Utf8View => view_bytes(array.as_string_view().views()),
        DataType::BinaryView => view_bytes(array.as_binary_view().views()),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
    }
}

fn view_bytes(views: &[u128]) -> usize {
    // The low half of the low word is the length.
    #[expect(clippy::cast_possible_truncation, reason = "that half is meant")]
    let length = |view: &u128| *view as u32 as usize;
    size_of_val(views) + views.iter().map(length).filter(|length| *length > 12).sum::<usize>()
}

/// The ending of the file's name, with that of the compression.
pub fn extension(output: &Output) -> String {
    let mut name = output.format.extension().to_owned();
    if !matches!(output.format, OutputFormat::Parquet | OutputFormat::Arrow) {
        match output.compression {
            Some(OutputCompression::Gzip) => name.push_str(".gz"),
            Some(OutputCompression::Zstd) => name.push_str(".zst"),
            _ => {}
        }
    }
    name
}

/// Encodes batches to bytes in one thread: what results of many files use.
pub trait Encoder: Send {
    /// Appends a batch to `out`.
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Appends what ends the file to `out`.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;

    /// Appends what is held back to `out`, as far as that can be done before the end.
    fn flush(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    /// Memory in bytes that the encoder holds, about.
    fn memory(&self) -> usize {
        0
    }

    /// Encoded bytes that are held back, about.
    fn unwritten(&self) -> usize {
        0
    }
}

/// The encoder in one thread for an output. Zero rows make a valid file too.
pub fn encoder(output: &Output, schema: SchemaRef) -> Result<Box<dyn Encoder>> {
    if output.format == OutputFormat::Parquet {
        return Ok(Box::new(parquet::ParquetEncoder::new(output, schema)?));
    }
    let (rows, stream) = halves(output, &schema)?;
    Ok(Box::new(ordered::InTurn::new(rows, stream)))
}

/// The two halves of an encoder whose batches are encoded each by itself.
fn halves(output: &Output, schema: &SchemaRef) -> Result<(Box<dyn Rows>, Box<dyn Stream>)> {
    let rows: Box<dyn Rows> = match output.format {
        OutputFormat::Tsv => csv::rows(output, b'\t', schema),
        OutputFormat::Ndjson => Box::new(text::Ndjson),
        OutputFormat::Lines => Box::new(text::Lines),
        OutputFormat::Arrow => {
            let stream = arrow_ipc::ArrowStream::new(schema)?;
            return Ok((stream.rows(), Box::new(stream)));
        }
        OutputFormat::Csv | OutputFormat::Parquet => csv::rows(output, b',', schema),
    };
    Ok((rows, text::stream(output)?))
}

/// Encodes batches to bytes on the job's threads. Must be used on a tokio runtime; dropping it stops its work.
pub struct ParallelEncoder(Kind);

enum Kind {
    Parquet(Box<parquet::ParquetSink>),
    Ordered(ordered::OrderedSink),
}

impl ParallelEncoder {
    /// The encoder for an output. Zero rows make a valid file too.
    pub fn new(output: &Output, schema: &SchemaRef, resources: Resources) -> Result<Self> {
        if output.format == OutputFormat::Parquet {
            let sink = parquet::ParquetSink::new(output, Arc::clone(schema), resources)?;
            return Ok(Self(Kind::Parquet(Box::new(sink))));
        }
        let (rows, stream) = halves(output, schema)?;
        Ok(Self(Kind::Ordered(ordered::OrderedSink::new(rows, stream))))
    }

    /// Takes a batch, and appends to `out` what is ready. Waits while too much is on its way.
    pub async fn write(&mut self, batch: RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Parquet(sink) => sink.write(&batch, out).await,
            Kind::Ordered(sink) => sink.write(batch, out).await,
        }
    }

    /// Appends to `out` all that is left and what ends the file.
    pub async fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Parquet(sink) => sink.finish(out).await,
            Kind::Ordered(sink) => sink.finish(out).await,
        }
    }
}
