//! `DoGet`: from stored objects to Flight messages, in bounded memory.
//!
//! One task or thread per stream decodes and encodes, and hands messages to gRPC through a short channel: when a client
//! does not read, the channel is full and the producer waits; when a client vanishes, the channel is closed and the
//! producer ends at its next message, which frees everything it holds.

mod arrow_ipc;
mod encode;
mod objects;
mod parquet;
mod ranges;
mod stored;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use object_store::ObjectStore;
use tokio::sync::mpsc;

use crate::config::{Limits, StorageConfig};
use crate::error::{Error, Result};
use crate::ticket::{Format, Ticket};

pub use encode::{Encoder, schema_bytes};

/// Messages that wait in a stream's channel: with two, encoding overlaps sending, and a slow client holds 4 MB.
const MESSAGES_AHEAD: usize = 2;

/// What a stream's consumer gets.
pub type Messages = mpsc::Receiver<Result<FlightData>>;

/// Opens tables for reading.
#[derive(Clone)]
pub struct Streams {
    store: Arc<dyn ObjectStore>,
    limits: Limits,
    footers: Arc<parquet::Footers>,
    /// The bucket's address, which the engine shows in its log.
    bucket: url::Url,
    /// Streams that run now.
    running: Arc<AtomicUsize>,
}

/// What is known of a table before its first row.
pub struct Table {
    /// The schema of every stream of it.
    pub schema: SchemaRef,
    /// Rows, if known.
    pub rows: Option<u64>,
    /// Ranges that may be pulled in parallel; in order.
    pub parts: Vec<crate::ticket::Narrowing>,
}

impl Streams {
    /// Streams from this bucket.
    pub fn open_storage(storage: &StorageConfig, limits: Limits) -> Result<Self> {
        let bucket = url::Url::parse(&format!("s3://{}/", storage.bucket))
            .map_err(|error| Error::Config(format!("S3_BUCKET '{}' is no bucket name: {error}.", storage.bucket)))?;
        Ok(Self { store: storage.open()?, limits, footers: Arc::default(), bucket, running: Arc::default() })
    }

    /// Schema, rows and parallel parts of the ticket's table.
    pub async fn describe(&self, ticket: &Ticket) -> Result<Table> {
        match ticket.claims.format {
            Format::Parquet => parquet::describe(self, ticket).await,
            Format::Arrow => arrow_ipc::describe(self, ticket).await,
            Format::Csv | Format::Ndjson | Format::Lines => text::describe(ticket),
        }
    }

    /// Start a stream: the schema is its first message, also for a table without rows.
    pub async fn open(&self, ticket: &Ticket) -> Result<Messages> {
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
        let sink = Sink { sender, batch_bytes: self.limits.batch_bytes, share: Share::new(self) };
        match ticket.claims.format {
            Format::Parquet => parquet::start(self, ticket, sink).await?,
            Format::Arrow => arrow_ipc::start(self, ticket, sink).await?,
            Format::Csv | Format::Ndjson | Format::Lines => text::start(self, ticket, sink)?,
        }
        Ok(receiver)
    }
}

/// The sending end of a stream that has not begun.
pub struct Sink {
    sender: mpsc::Sender<Result<FlightData>>,
    batch_bytes: usize,
    share: Share,
}

/// A running stream's claim on the memory for fetching ahead.
struct Share {
    running: Arc<AtomicUsize>,
    most: usize,
    total: usize,
}

impl Share {
    fn new(streams: &Streams) -> Self {
        streams.running.fetch_add(1, Ordering::Relaxed);
        let limits = &streams.limits;
        Self { running: Arc::clone(&streams.running), most: limits.prefetch_bytes, total: limits.prefetch_total_bytes }
    }

    /// Bytes that this stream may hold now; less while others run.
    fn bytes(&self) -> u64 {
        let running = self.running.load(Ordering::Relaxed).max(1);
        self.most.min(self.total / running) as u64
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sink {
    /// Run a producer on a thread of its own. Its error, or panic, is the stream's last item.
    fn run_blocking(self, schema: SchemaRef, produce: impl FnOnce(&mut Output) -> Result<()> + Send + 'static) {
        let Self { sender, batch_bytes, share } = self;
        let last_word = sender.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let mut output = Output { encoder: Encoder::new(schema, batch_bytes), sender, queue: Vec::new(), share };
            let first = output.encoder.schema_message();
            output.send(first)?;
            produce(&mut output)
        });
        tokio::spawn(async move {
            let error = match thread.await {
                Ok(Ok(()) | Err(Error::Gone)) => return,
                Ok(Err(error)) => error,
                Err(panic) => {
                    log::error!("a stream's decoder panicked: {panic}");
                    Error::Corrupt("The stored data cannot be decoded: it is damaged.".into())
                }
            };
            // Nobody listening any more is fine.
            let _ = last_word.send(Err(error)).await;
        });
    }
}

/// Where a producer puts its batches; waits while the client does not read.
pub struct Output {
    encoder: Encoder,
    sender: mpsc::Sender<Result<FlightData>>,
    queue: Vec<FlightData>,
    share: Share,
}

impl Output {
    /// Stored bytes that may be held ahead of the decoder now.
    fn prefetch_bytes(&self) -> u64 {
        self.share.bytes()
    }

    /// Encode and send one batch; `Gone` when the client has left.
    fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut queue = std::mem::take(&mut self.queue);
        self.encoder.encode(batch, &mut queue)?;
        for message in queue.drain(..) {
            self.send(message)?;
        }
        self.queue = queue;
        Ok(())
    }

    fn send(&self, message: FlightData) -> Result<()> {
        self.sender.blocking_send(Ok(message)).map_err(|_| Error::Gone)
    }
}
