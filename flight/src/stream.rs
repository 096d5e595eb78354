//! `DoGet`: from stored objects to Flight messages, in bounded memory.
//!
//! One task or thread per stream decodes and encodes, and hands messages to gRPC through a short channel: when a client
//! does not read, the channel is full and the producer waits; when a client vanishes, the channel is closed and the
//! producer ends at its next message, which frees everything it holds.
//!
//! Memory is bounded over all streams: they share what is fetched ahead and what waits to be sent, so that each gets
//! less while many run, and only a few decode at one time. When more want to, one whose client does not keep up goes on
//! to the end of its part at once, into the spool on disk, and sends it from there: a decoder that waits for a client
//! would hold its dictionaries and pages all the while.

mod arrow_ipc;
mod encode;
mod objects;
mod output;
mod parquet;
mod ranges;
mod spool;
mod stored;
mod text;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use object_store::ObjectStore;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::config::{Limits, StorageConfig};
use crate::error::{Error, Result};
use crate::ticket::{Format, Ticket};
use output::Output;
use parquet::Pool;
use spool::Spool;

pub use encode::{Encoder, schema_bytes};

/// Messages that wait in a stream's channel: with two, encoding overlaps sending, and a slow client holds 4 MB.
const MESSAGES_AHEAD: usize = 2;

/// Streams that decode at one time: one waits for the storage while another computes.
const DECODERS_PER_CORE: usize = 2;
/// A stream's batches are no smaller than this, however many there are: smaller ones cost too much each.
const LEAST_BATCH: usize = 256 * 1024;

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
    /// Places of those that decode now.
    decoders: Arc<Semaphore>,
    /// How many those are.
    places: usize,
    spool: Spool,
    pool: Arc<Pool>,
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
        let places = DECODERS_PER_CORE * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let spool = Spool::new(limits.spool_dir.clone(), limits.spool_bytes);
        spool.sweep();
        Ok(Self {
            store: storage.open(Handle::current())?,
            limits,
            footers: Arc::default(),
            bucket,
            running: Arc::default(),
            decoders: Arc::new(Semaphore::new(places)),
            places,
            spool,
            pool: Arc::default(),
        })
    }

    /// The bounds of streams.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The bucket's address, and the store that reads it.
    pub fn storage(&self) -> (url::Url, Arc<dyn ObjectStore>) {
        (self.bucket.clone(), Arc::clone(&self.store))
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
        let share = Share::new(self);
        let sink = Sink {
            sender,
            share,
            decoders: Arc::clone(&self.decoders),
            spool: self.spool.clone(),
            pool: Arc::clone(&self.pool),
        };
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
    share: Share,
    decoders: Arc<Semaphore>,
    spool: Spool,
    pool: Arc<Pool>,
}

/// A running stream's claim on the memory for fetching ahead, and for batches.
struct Share {
    running: Arc<AtomicUsize>,
    /// How many decode at one time.
    places: usize,
    limits: Limits,
}

impl Share {
    fn new(streams: &Streams) -> Self {
        streams.running.fetch_add(1, Ordering::Relaxed);
        Self { running: Arc::clone(&streams.running), places: streams.places, limits: streams.limits.clone() }
    }

    /// Whether more streams run than may decode at one time.
    fn crowded(&self) -> bool {
        self.running() > self.places
    }

    /// Stored bytes that this stream may hold now; less while others decode.
    fn prefetch_bytes(&self) -> u64 {
        let decoding = self.running().min(self.places);
        self.limits.prefetch_bytes.min(self.limits.prefetch_total_bytes / decoding) as u64
    }

    /// The size of its batches now.
    fn batch_bytes(&self) -> usize {
        let most = self.limits.batch_bytes;
        most.min((self.limits.batch_total_bytes / self.running()).max(LEAST_BATCH))
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed).max(1)
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
        let Self { sender, share, decoders, spool, pool } = self;
        let last_word = sender.clone();
        let runtime = Handle::current();
        let thread = tokio::task::spawn_blocking(move || {
            let encoder = Encoder::new(schema, share.batch_bytes());
            let (queue, recording, place) = (VecDeque::new(), None, None);
            let mut output = Output { encoder, sender, queue, share, spool, recording, decoders, place, runtime, pool };
            output.sender.blocking_send(Ok(output.encoder.schema_message())).map_err(|_| Error::Gone)?;
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
