//! Reads stored files: ranged reads ahead of the reader, in order, on the network runtime.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::decode::Pieces;
use crate::error::{EngineError, Result};
use crate::network::network;
use crate::progress::Progress;
use crate::store::Location;

/// Size of one ranged read from object storage, and how many are under way: one long GET reaches half the speed.
const REMOTE: (u64, usize) = (8 << 20, 8);
/// The same for files of this machine.
const LOCAL: (u64, usize) = (2 << 20, 4);

/// The chunks of a file, in order, read ahead.
#[derive(Debug)]
pub struct Chunks {
    receiver: mpsc::Receiver<Result<Vec<Bytes>>>,
    /// Parts of the chunk that is handed out.
    parts: std::vec::IntoIter<Bytes>,
    progress: Arc<Progress>,
}

impl Chunks {
    /// Starts to read a file of `size` bytes. Reading stops when this is dropped.
    pub fn open(location: &Location, size: u64, progress: Arc<Progress>) -> Result<Self> {
        let (length, ahead) = if location.file.is_some() { LOCAL } else { REMOTE };
        let (sender, receiver) = mpsc::channel(1);
        let location = location.clone();
        network()?.spawn(async move {
            // The version that the first read meets is the one that all others must meet.
            let location = match (&location.version, location.head().await) {
                (Some(_), _) => location,
                (None, Ok(meta)) => location.pinned(&meta),
                (None, Err(error)) => {
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            let ranges = (0..size.div_ceil(length)).map(|part| part * length..((part + 1) * length).min(size));
            let reads = ranges.map(|range| {
                let location = location.clone();
                // A task of its own: reads go on while the reader is busy.
                tokio::spawn(async move { location.read_parts(range).await })
            });
            let mut reads = futures::stream::iter(reads).buffered(ahead);
            while let Some(read) = reads.next().await {
                let chunk = read.unwrap_or_else(|error| Err(EngineError::internal(error.to_string())));
                let failed = chunk.is_err();
                if sender.send(chunk).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(Self { receiver, parts: Vec::new().into_iter(), progress })
    }
}

impl Pieces for Chunks {
    fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            if let Some(part) = self.parts.next() {
                self.progress.add_read(part.len() as u64);
                return Some(Ok(part));
            }
            match self.receiver.blocking_recv()? {
                Ok(parts) => self.parts = parts.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
