//! Parquet in one thread, for results of many files: their many encoders keep to a budget together.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use karyaksham_spec::Output;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use super::properties::{Known, Layout};
use super::{DICTIONARY_BYTES, finished};
use crate::error::Result;
use crate::sink::Encoder;

pub(in crate::sink) struct ParquetEncoder {
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetEncoder {
    pub(in crate::sink) fn new(output: &Output, schema: SchemaRef) -> Result<Self> {
        let properties = Layout::new(output, &schema, DICTIONARY_BYTES)?.properties(&schema, &Known::default());
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        Ok(Self { writer: Some(ArrowWriter::try_new_with_options(Vec::new(), schema, options)?) })
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer.as_mut().ok_or_else(finished)?;
        writer.write(batch)?;
        out.append(writer.inner_mut());
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer.as_mut().ok_or_else(finished)?;
        writer.flush()?;
        out.append(writer.inner_mut());
        Ok(())
    }

    fn memory(&self) -> usize {
        self.writer.as_ref().map_or(0, ArrowWriter::memory_size)
    }

    fn unwritten(&self) -> usize {
        self.writer.as_ref().map_or(0, ArrowWriter::in_progress_size)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut rest = self.writer.take().ok_or_else(finished)?.into_inner()?;
        out.append(&mut rest);
        Ok(())
    }
}
