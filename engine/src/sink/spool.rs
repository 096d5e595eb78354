//! Files of a result of many files: each gathers on disk, without a file handle, until all are complete.
//!
//! For a local folder the temporary files lie in it, hidden, so that publishing is renaming. For object storage they
//! lie in the spill directory, are sent when all is computed, and appear when all are sent: files of several parts are
//! completed, smaller ones are put.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::upload::{PART_BYTES, Target, Upload, cannot_write, exists, permissions_of_a_new_file};
use crate::error::Result;

/// Bytes of a file, on their way.
#[derive(Debug)]
pub(crate) struct Spool {
    target: Target,
    folder: PathBuf,
    file: Option<TempPath>,
    pub(crate) bytes: u64,
}

impl Spool {
    /// A file that will be `target`; its bytes lie in `folder` until then.
    pub(crate) fn new(target: Target, folder: &Path) -> Self {
        Self { target, folder: folder.to_owned(), file: None, bytes: 0 }
    }

    /// Where it will be.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Takes all of `bytes`, leaving it empty.
    pub(crate) fn append(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let failed = |error| cannot_write(&self.target.location, error);
        match &self.file {
            Some(path) => {
                OpenOptions::new()
                    .append(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(bytes))
                    .map_err(failed)?;
            }
            None => {
                let mut builder = tempfile::Builder::new();
                let file = builder.prefix(".part.").suffix(".partial").tempfile_in(&self.folder).map_err(failed)?;
                file.as_file().write_all(bytes).map_err(failed)?;
                self.file = Some(file.into_temp_path());
            }
        }
        self.bytes += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }

    /// Sends what must be sent before publishing.
    pub(crate) async fn send(self) -> Result<Ready> {
        if self.target.location.file.is_some() || self.bytes < PART_BYTES as u64 {
            return Ok(Ready::Waiting(self));
        }
        let upload = self.upload().await?;
        Ok(Ready::Sent(upload))
    }

    async fn upload(self) -> Result<Upload> {
        let mut upload = self.target.create()?;
        let sent = async {
            let Some(path) = &self.file else { return Ok(()) };
            let mut file = std::fs::File::open(path)?;
            loop {
                let mut piece = Vec::new();
                if (&mut file).take(PART_BYTES as u64).read_to_end(&mut piece)? == 0 {
                    return upload.finish().await;
                }
                upload.write(&mut piece).await?;
            }
        };
        match sent.await {
            Ok(()) => Ok(upload),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    fn place(self) -> Result<u64> {
        let Self { target, file, bytes, .. } = self;
        let location = &target.location;
        let (Some(path), Some(file)) = (&location.file, file) else { return Ok(0) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| cannot_write(location, error))?;
        }
        permissions_of_a_new_file(&std::fs::File::open(&file)?)?;
        let placed = if target.overwrite { file.persist(path) } else { file.persist_noclobber(path) };
        placed.map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(location),
            _ => cannot_write(location, error.error),
        })?;
        Ok(bytes)
    }
}

/// A complete file that does not show yet.
#[derive(Debug)]
pub(crate) enum Ready {
    /// On this machine.
    Waiting(Spool),
    /// At the storage, as parts of an upload.
    Sent(Upload),
}

impl Ready {
    /// Makes it visible; returns its size in bytes.
    pub(crate) async fn publish(self) -> Result<u64> {
        match self {
            Self::Waiting(spool) if spool.target.location.file.is_some() => spool.place(),
            Self::Waiting(spool) => spool.upload().await?.publish().await,
            Self::Sent(upload) => upload.publish().await,
        }
    }

    /// Throws it away. Files of this machine go when they are dropped.
    pub(crate) async fn abort(self) {
        if let Self::Sent(upload) = self {
            upload.abort().await;
        }
    }
}
