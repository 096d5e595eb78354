//! Batches to Parquet in an upload, within the bytes that the workspace has left.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use karyaksham_engine::sink::{ParallelEncoder, Resources, Upload};
use karyaksham_engine::{EngineError, ErrorClass};
use karyaksham_spec::Output;

use crate::error::{Error, Result};

/// Encodes batches into an upload.
pub struct Writer {
    encoder: ParallelEncoder,
    /// The columns that are written.
    pub target: SchemaRef,
    /// The client's columns in the order in which they are written, if that differs from how they come.
    pub order: Option<Vec<usize>>,
    out: Vec<u8>,
    written: u64,
    most_bytes: u64,
}

impl Writer {
    /// A writer of these columns, of so many bytes at most.
    pub fn new(target: SchemaRef, order: Option<Vec<usize>>, memory_bytes: u64, most_bytes: u64) -> Result<Self> {
        let resources = Resources { memory_limit: Some(memory_bytes) };
        let encoder = ParallelEncoder::new(&Output::default(), &target, resources).map_err(cannot_hold)?;
        Ok(Self { encoder, target, order, out: Vec::new(), written: 0, most_bytes })
    }

    /// Write a batch of the target's columns.
    pub async fn write(&mut self, batch: RecordBatch, upload: &mut Upload) -> Result<()> {
        if batch.num_rows() > 0 {
            self.encoder.write(batch, &mut self.out).await.map_err(cannot_hold)?;
        }
        self.flush(upload).await
    }

    async fn flush(&mut self, upload: &mut Upload) -> Result<()> {
        self.written += self.out.len() as u64;
        fits(self.written, self.most_bytes)?;
        upload.write(&mut self.out).await.map_err(cannot_store)
    }

    /// Write what is left; the upload can be published then.
    pub async fn finish(mut self, upload: &mut Upload) -> Result<()> {
        self.encoder.finish(&mut self.out).await.map_err(cannot_hold)?;
        self.flush(upload).await?;
        upload.finish().await.map_err(cannot_store)
    }
}

/// An error of the encoder: of the data, unless something of the server is short or broken.
fn cannot_hold(error: EngineError) -> Error {
    match error.code().class() {
        ErrorClass::Input | ErrorClass::Spec => {
            let said = error.details().message.trim_start_matches("the Parquet data cannot be read: ");
            Error::InvalidArgument(format!("The table cannot be written as Parquet: {said}"))
        }
        _ => error.into(),
    }
}

/// An error of the storage.
pub fn cannot_store(error: EngineError) -> Error {
    match error.code().class() {
        ErrorClass::Storage | ErrorClass::Input => {
            log::warn!("object storage: {error}");
            Error::Unavailable("The object storage did not take the table. Try again.".into())
        }
        _ => error.into(),
    }
}

fn fits(bytes: u64, most: u64) -> Result<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(Error::Busy(format!(
        "The table takes more than the {most} bytes that the workspace may still store. Delete data sets or jobs, or send \
         fewer rows."
    )))
}
