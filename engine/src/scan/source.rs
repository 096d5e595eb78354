//! Reads stored files: ranged reads ahead of the reader, in order, on the network runtime.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, ObjectStoreExt};
use tokio::sync::mpsc;

use super::decode::Pieces;
use crate::error::{EngineError, ErrorCode, Result};
use crate::progress::Progress;
use crate::store::{self, Location};

/// Size of one ranged read from object storage, and how many are under way: one long GET reaches half the speed.
const REMOTE: (u64, usize) = (8 << 20, 8);
/// The same for files of this machine.
const LOCAL: (u64, usize) = (2 << 20, 4);

/// The chunks of a file, in order, read ahead.
#[derive(Debug)]
pub struct Chunks {
    receiver: mpsc::Receiver<Result<Bytes>>,
    progress: Arc<Progress>,
}

impl Chunks {
    /// Starts to read a file of `size` bytes. Reading stops when this is dropped.
    pub fn open(location: &Location, size: u64, progress: Arc<Progress>) -> Result<Self> {
        let (length, ahead) = if location.file.is_some() { LOCAL } else { REMOTE };
        let (sender, receiver) = mpsc::channel(1);
        let location = location.clone();
        store::network()?.spawn(async move {
            // The version that the first read meets is the one that all others must meet.
            let version = match location.head().await {
                Ok(meta) => meta.e_tag,
                Err(error) => {
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            let ranges = (0..size.div_ceil(length)).map(|part| part * length..((part + 1) * length).min(size));
            let reads = ranges.map(|range| {
                let (location, version) = (location.clone(), version.clone());
                // A task of its own: reads go on while the reader is busy.
                tokio::spawn(async move { read_version(&location, range, version).await })
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
        Ok(Self { receiver, progress })
    }
}

impl Pieces for Chunks {
    fn next(&mut self) -> Option<Result<Bytes>> {
        let chunk = self.receiver.blocking_recv()?;
        if let Ok(chunk) = &chunk {
            self.progress.add_read(chunk.len() as u64);
        }
        Some(chunk)
    }
}

async fn read_version(location: &Location, range: Range<u64>, version: Option<String>) -> Result<Bytes> {
    let options = GetOptions { range: Some(range.clone().into()), if_match: version, ..GetOptions::default() };
    let result = match location.store.get_opts(&location.path, options).await {
        Ok(result) => result,
        Err(object_store::Error::Precondition { .. }) => return Err(changed(location)),
        Err(error) => return Err(error.into()),
    };
    let bytes = result.bytes().await?;
    if bytes.len() as u64 != range.end - range.start {
        return Err(changed(location));
    }
    Ok(bytes)
}

fn changed(location: &Location) -> EngineError {
    EngineError::new(ErrorCode::InputChanged, format!("{} changed while it was read", location.display()))
        .hint("run the job again when nothing writes to the file")
}

/// Reads one range.
pub async fn read_range(location: &Location, range: Range<u64>) -> Result<Bytes> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    Ok(location.store.get_range(&location.path, range).await?)
}
