//! Arrow IPC files.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::FileWriter;

use super::ordered::{Encoded, Rows, Stream};
use super::{plain_batch, plain_schema};
use crate::error::Result;

pub(super) struct ArrowStream {
    schema: SchemaRef,
    writer: FileWriter<Vec<u8>>,
}

impl ArrowStream {
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        let schema = plain_schema(schema);
        let writer = FileWriter::try_new(Vec::new(), &schema)?;
        Ok(Self { schema, writer })
    }

    /// The part that turns views to plain texts.
    pub(super) fn rows(&self) -> Box<dyn Rows> {
        Box::new(PlainRows(std::sync::Arc::clone(&self.schema)))
    }
}

impl Stream for ArrowStream {
    fn append(&mut self, next: Encoded, out: &mut Vec<u8>) -> Result<()> {
        match next {
            Encoded::Batch(batch) => {
                self.writer.write(&batch)?;
                out.append(self.writer.get_mut());
            }
            Encoded::Text(mut bytes) => out.append(&mut bytes),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish()?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

struct PlainRows(SchemaRef);

impl Rows for PlainRows {
    fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        Ok(Encoded::Batch(plain_batch(batch, &self.0)?))
    }
}
