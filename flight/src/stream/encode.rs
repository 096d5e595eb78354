//! Record batches to Flight messages.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_flight::{FlightData, SchemaAsIpc, SchemaResult};
use bytes::Bytes;

use crate::error::Result;
use crate::schema::{split, to_schema};

/// A schema as `FlightInfo.schema` and `SchemaResult.schema` carry it.
pub fn schema_bytes(schema: &Schema) -> Result<Bytes> {
    let result: SchemaResult = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into()?;
    Ok(result.schema)
}

/// Encodes the batches of one stream.
///
/// Not `FlightDataEncoder`: that one runs inside the gRPC task (we encode on the decoding thread) and misjudges the size
/// of slices (arrow-rs#3478).
pub struct Encoder {
    schema: SchemaRef,
    target_bytes: usize,
    generator: IpcDataGenerator,
    tracker: DictionaryTracker,
    context: IpcWriteContext,
    options: IpcWriteOptions,
    pieces: Vec<RecordBatch>,
    /// Rows encoded so far.
    pub rows: u64,
}

impl Encoder {
    /// An encoder for batches of this schema (plain types only), split at `target_bytes`.
    pub fn new(schema: SchemaRef, target_bytes: usize) -> Self {
        Self {
            schema,
            target_bytes,
            generator: IpcDataGenerator::default(),
            // Plain schemas hold no dictionaries, so that nothing is ever tracked.
            tracker: DictionaryTracker::new(false),
            context: IpcWriteContext::default(),
            options: IpcWriteOptions::default(),
            pieces: Vec::new(),
            rows: 0,
        }
    }

    /// The schema of all batches that go out.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The stream's first message.
    pub fn schema_message(&self) -> FlightData {
        SchemaAsIpc::new(&self.schema, &self.options).into()
    }

    /// A message without rows that carries this for the client.
    pub fn empty_message(&mut self, metadata: Bytes) -> Result<FlightData> {
        let none = RecordBatch::new_empty(Arc::clone(&self.schema));
        let (_, data) = self.generator.encode(&none, &mut self.tracker, &self.options, &mut self.context)?;
        Ok(FlightData::from(data).with_app_metadata(metadata))
    }

    /// Split batches at so many bytes from now on.
    pub fn set_target(&mut self, bytes: usize) {
        self.target_bytes = bytes;
    }

    /// Encode one batch into messages of about the target size; none for an empty batch.
    pub fn encode(&mut self, batch: &RecordBatch, out: &mut impl Extend<FlightData>) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = to_schema(batch, &Arc::clone(&self.schema))?;
        self.rows += batch.num_rows() as u64;
        split(batch, self.target_bytes, &mut self.pieces);
        for piece in self.pieces.drain(..) {
            let (_, data) = self.generator.encode(&piece, &mut self.tracker, &self.options, &mut self.context)?;
            out.extend([FlightData::from(data)]);
        }
        Ok(())
    }
}
