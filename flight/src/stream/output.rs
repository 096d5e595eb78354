//! Where a producer puts its batches: to the client, or into the spool and from there to the client.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::encode::Encoder;
use super::parquet::Pool;
use super::ranges::Windows;
use super::spool::{Key, Recording, Spool, Window};
use super::{MESSAGES_AHEAD, Share};
use crate::error::{Error, Result};
use crate::metrics::METRICS;

/// The output of one producer; waits while the client does not read.
pub struct Output {
    pub(super) encoder: Encoder,
    pub(super) sender: mpsc::Sender<Result<FlightData>>,
    pub(super) queue: VecDeque<FlightData>,
    pub(super) share: Share,
    pub(super) spool: Spool,
    /// The part that is produced now, if some of it is or will be spooled.
    pub(super) recording: Option<Recording>,
    pub(super) decoders: Arc<Semaphore>,
    /// Its place among those that decode.
    pub(super) place: Option<OwnedSemaphorePermit>,
    pub(super) runtime: Handle,
    /// Memory of messages that were sent.
    pub(super) pool: Arc<Pool>,
}

impl Output {
    /// Stored bytes that may be held ahead of the decoder now.
    pub fn prefetch_bytes(&self) -> u64 {
        self.share.prefetch_bytes()
    }

    /// The same for one part: half for it, half for the next, which in a crowd is not fetched ahead.
    pub fn part_bytes(&self) -> u64 {
        if self.share.crowded() { self.prefetch_bytes() } else { self.prefetch_bytes() / 2 }
    }

    /// The size of batches now.
    pub fn batch_bytes(&self) -> usize {
        self.share.batch_bytes()
    }

    /// Memory for the bodies of messages.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Send one part of the table: from the spool if it is there, from `produce` otherwise.
    ///
    /// `ahead` lets the producer go on while its client does not read: for those that hold much while they wait.
    pub fn part(&mut self, key: &Key, ahead: bool, produce: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let kept = if self.share.crowded() { self.spool.wait(key) } else { self.spool.find(key) };
        if let Some(part) = kept {
            let mut window = Window::default();
            for index in 0..part.len() {
                // In a crowd, what is mapped would add up.
                let mapped = !self.share.crowded();
                self.replay(|| if mapped { part.read_mapped(index, &mut window) } else { part.read(index) })?;
            }
            return Ok(());
        }
        self.recording = Some(self.spool.record(key)).filter(|recording| ahead || recording.keeps());
        self.enter()?;
        produce(self)?;
        self.place = None;
        if let Some(recording) = self.recording.take() {
            let sent = recording.sent;
            let part = recording.finish();
            for index in sent..part.len() {
                self.replay(|| part.read(index))?;
            }
        }
        Ok(())
    }

    /// Send a message of the spool, read when the client takes it.
    fn replay(&self, read: impl FnOnce() -> Result<FlightData>) -> Result<()> {
        // In a crowd, one message waits for each client and no more: kept ones may have been made as large as they get.
        let room = if self.share.crowded() { MESSAGES_AHEAD } else { 1 };
        let mut room = self.runtime.block_on(self.sender.reserve_many(room)).map_err(|_| Error::Gone)?;
        let Some(room) = room.next() else { return Err(Error::Gone) };
        room.send(Ok(replayed(read()?)));
        Ok(())
    }

    /// Encode and send one batch; `Gone` when the client has left.
    pub fn batch(&mut self, batch: RecordBatch) -> Result<()> {
        self.encoder.set_target(self.batch_bytes());
        self.encoder.encode(&batch, &mut self.queue)?;
        // What is encoded is a copy: waiting for the client needs not hold both.
        drop(batch);
        while let Some(message) = self.queue.pop_front() {
            self.message(message)?;
        }
        Ok(())
    }

    /// The schema of what is sent.
    pub fn schema(&self) -> &SchemaRef {
        self.encoder.schema()
    }

    /// Send a batch that is encoded already, with `schema` and without dictionaries.
    pub fn message(&mut self, message: FlightData) -> Result<()> {
        let Some(recording) = &mut self.recording else { return self.send(message) };
        let behind = recording.is_behind();
        if behind || recording.keeps() {
            if !recording.push(&message) {
                return self.give_up(message);
            }
            if behind {
                return self.catch_up();
            }
        }
        match self.sender.try_send(Ok(message)) {
            Ok(()) => self.passed(),
            Err(TrySendError::Closed(_)) => return Err(Error::Gone),
            Err(TrySendError::Full(message)) => return self.full(message?),
        }
        Ok(())
    }

    /// The client got the message that was made last.
    fn passed(&mut self) {
        if let Some(recording) = self.recording.as_mut().filter(|recording| recording.keeps()) {
            recording.sent += 1;
        }
    }

    /// The client does not keep up: go on into the spool if others want to decode, wait for it otherwise.
    fn full(&mut self, message: FlightData) -> Result<()> {
        if self.share.crowded()
            && let Some(recording) = &mut self.recording
            // One that keeps all has it already.
            && (recording.keeps() || recording.push(&message))
        {
            return Ok(());
        }
        self.send(message)?;
        self.passed();
        Ok(())
    }

    /// Send what is spooled as long as the client takes it.
    fn catch_up(&mut self) -> Result<()> {
        while let Some(recording) = self.recording.as_mut().filter(|recording| recording.is_behind()) {
            match self.sender.try_reserve() {
                Ok(room) => room.send(Ok(replayed(recording.next()?))),
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => return Err(Error::Gone),
            }
        }
        Ok(())
    }

    /// The spool has no room for this message: send what it holds, then this, and the rest of the part without it.
    fn give_up(&mut self, message: FlightData) -> Result<()> {
        if let Some(mut recording) = self.recording.take() {
            self.place = None;
            while recording.is_behind() {
                self.replay(|| recording.next())?;
            }
            self.enter()?;
        }
        self.send(message)
    }

    /// Send a message, however long the client takes.
    fn send(&mut self, message: FlightData) -> Result<()> {
        match self.sender.try_send(Ok(message)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Error::Gone),
            Err(TrySendError::Full(message)) => {
                self.place = None;
                self.sender.blocking_send(message).map_err(|_| Error::Gone)?;
                self.enter()
            }
        }
    }

    /// Wait for a place among those that decode.
    pub fn enter(&mut self) -> Result<()> {
        if self.place.is_none() {
            let place = self.runtime.block_on(Arc::clone(&self.decoders).acquire_owned());
            self.place = Some(place.map_err(|_| Error::Gone)?);
        }
        Ok(())
    }
}

/// The bytes of the part that comes next, on their way while one is sent.
#[derive(Default)]
pub struct Ahead(Option<(Key, Windows)>);

impl Ahead {
    /// Those of this part, if they are on their way.
    pub fn take(&mut self, key: &Key) -> Option<Windows> {
        self.0.take().filter(|(coming, _)| coming == key).map(|(_, windows)| windows)
    }

    /// Fetch a part, unless the spool has it, or in a crowd: that holds nothing for later.
    pub fn start(&mut self, key: Key, out: &Output, fetch: impl FnOnce() -> Windows) {
        if !out.share.crowded() && out.spool.find(&key).is_none() {
            self.0 = Some((key, fetch()));
        }
    }
}

/// Count a message of the spool.
fn replayed(message: FlightData) -> FlightData {
    METRICS.replayed.inc_by(message.data_body.len() as u64);
    message
}
