//! Where bytes go: a local file or an object; invisible until published.

use std::io::Write;
use std::path::PathBuf;

use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use tempfile::NamedTempFile;

use super::copy::Copy;
use crate::error::{EngineError, ErrorCode, Result};
use crate::request::CopyRequest;
use crate::store::Location;

/// Size of the parts of an upload. 10,000 of them make 156 GiB.
pub(super) const PART_BYTES: usize = 16 << 20;
/// Parts under way at one time.
const PARTS_IN_FLIGHT: usize = 3;
/// Bytes gathered before they go to a local file.
const FILE_BYTES: usize = 256 << 10;

/// A place to write to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where.
    pub location: Location,
    /// Whether something that stands there may be replaced.
    pub overwrite: bool,
    /// A copy of the object on this machine, if one is wanted.
    pub copy: Option<CopyRequest>,
}

impl Target {
    /// Refuses to go on if something stands here that may not be replaced.
    pub async fn check(&self) -> Result<()> {
        if !self.overwrite && self.location.exists().await? {
            return Err(exists(&self.location));
        }
        Ok(())
    }

    /// Begins a copy for what has so many bytes by now, if one is wanted.
    fn copy(&self, bytes: usize) -> Option<Copy> {
        let wanted = self.copy.as_ref().filter(|wanted| bytes as u64 >= wanted.min_bytes)?;
        Copy::begin(wanted, &self.location.path)
    }

    /// Begins to write.
    pub fn create(&self) -> Result<Upload> {
        let to = match &self.location.file {
            Some(path) => {
                let folder = path.parent().unwrap_or(path);
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let file = tempfile::Builder::new()
                    .prefix(&format!(".{name}."))
                    .suffix(".partial")
                    .tempfile_in(folder)
                    .map_err(|error| cannot_write(&self.location, error))?;
                To::File { file, path: path.clone() }
            }
            None => To::Object { parts: None, copy: None },
        };
        Ok(Upload { target: self.clone(), to, buffer: Vec::new(), written: 0 })
    }
}

/// Bytes on their way to a target.
#[derive(Debug)]
pub struct Upload {
    target: Target,
    to: To,
    buffer: Vec<u8>,
    written: u64,
}

#[derive(Debug)]
enum To {
    File { file: NamedTempFile, path: PathBuf },
    Object { parts: Option<WriteMultipart>, copy: Option<Copy> },
}

impl Upload {
    /// Takes all of `bytes`, leaving it empty.
    pub async fn write(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        self.written += bytes.len() as u64;
        if self.buffer.is_empty() {
            std::mem::swap(&mut self.buffer, bytes);
        } else {
            self.buffer.append(bytes);
        }
        let enough = if matches!(self.to, To::File { .. }) { FILE_BYTES } else { PART_BYTES };
        if self.buffer.len() >= enough {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        match &mut self.to {
            To::File { file, .. } => {
                file.write_all(&self.buffer).map_err(|error| cannot_write(&self.target.location, error))?;
                self.buffer.clear();
            }
            To::Object { parts, copy } => {
                let upload = match parts {
                    Some(upload) => upload,
                    None => {
                        let location = &self.target.location;
                        let upload = location.store.put_multipart(&location.path).await?;
                        *copy = self.target.copy(self.buffer.len());
                        parts.insert(WriteMultipart::new_with_chunk_size(upload, PART_BYTES))
                    }
                };
                copy.take_if(|copy| !copy.push(&self.buffer));
                upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
                upload.put(std::mem::take(&mut self.buffer).into());
            }
        }
        Ok(())
    }

    /// The file of this machine that the bytes go to, for a writer that writes to places in it, behind what was written
    /// so far; `None` for other targets. The writer tells its size by [`Self::set_written`] at the end.
    pub(crate) fn file(&mut self) -> Result<Option<std::fs::File>> {
        let To::File { file, .. } = &mut self.to else { return Ok(None) };
        let handle = file.write_all(&self.buffer).and_then(|()| file.as_file().try_clone());
        self.buffer.clear();
        handle.map(Some).map_err(|error| cannot_write(&self.target.location, error))
    }

    /// The size of a file that was written by the handle that [`Self::file`] gave.
    pub(crate) fn set_written(&mut self, bytes: u64) {
        self.written = bytes;
    }

    /// The error of a writer that writes to places in the file.
    pub(crate) fn cannot_write(&self, error: std::io::Error) -> EngineError {
        cannot_write(&self.target.location, error)
    }

    /// Sends what is left; nothing shows yet.
    pub async fn finish(&mut self) -> Result<()> {
        if !self.buffer.is_empty() && (matches!(self.to, To::File { .. } | To::Object { parts: Some(_), .. })) {
            self.flush().await?;
        }
        if let To::File { file, .. } = &mut self.to {
            file.flush().map_err(|error| cannot_write(&self.target.location, error))?;
        }
        Ok(())
    }

    /// Makes the whole visible at once; returns its size in bytes.
    pub async fn publish(self) -> Result<u64> {
        let location = &self.target.location;
        let copy = match self.to {
            To::File { file, path } => {
                let placed = if self.target.overwrite { file.persist(&path) } else { file.persist_noclobber(&path) };
                let placed = placed.map_err(|error| match error.error.kind() {
                    std::io::ErrorKind::AlreadyExists => exists(location),
                    _ => cannot_write(location, error.error),
                })?;
                permissions_of_a_new_file(&placed)?;
                None
            }
            To::Object { parts: Some(parts), copy } => {
                parts.finish().await?;
                copy
            }
            To::Object { parts: None, .. } => {
                let copy = self.target.copy(self.buffer.len());
                let copy = copy.and_then(|mut copy| copy.push(&self.buffer).then_some(copy));
                location.store.put(&location.path, PutPayload::from(self.buffer)).await?;
                copy
            }
        };
        if let Some(copy) = copy {
            copy.keep();
        }
        Ok(self.written)
    }

    /// Throws everything away.
    pub async fn abort(self) {
        // A local file goes when it is dropped.
        if let To::Object { parts: Some(parts), .. } = self.to
            && let Err(error) = parts.abort().await
        {
            log::warn!("an upload could not be aborted, the sweep will: {error}");
        }
    }

    /// Where it goes.
    pub fn location(&self) -> &Location {
        &self.target.location
    }
}

/// Temporary files are made readable for their owner only; results should be as other new files are.
#[cfg(unix)]
pub(super) fn permissions_of_a_new_file(file: &std::fs::File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.set_permissions(std::fs::Permissions::from_mode(0o644))?)
}

#[cfg(not(unix))]
pub(super) fn permissions_of_a_new_file(_: &std::fs::File) -> Result<()> {
    Ok(())
}

pub(super) fn exists(location: &Location) -> EngineError {
    EngineError::new(ErrorCode::OutputExists, format!("{} exists already", location.display()))
        .hint("choose another name, or ask for it to be overwritten")
}

pub(super) fn cannot_write(location: &Location, error: std::io::Error) -> EngineError {
    let cause = EngineError::from(error);
    let code = match cause.code() {
        ErrorCode::InputNotFound => ErrorCode::OutputNotWritable,
        other => other,
    };
    EngineError::new(code, format!("{} cannot be written: {}", location.display(), cause.details().message))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::{ObjectStore, path};

    use super::super::LocalCopy;
    use super::*;

    /// An upload of these bytes with a copy in this folder, of 1000 bytes at least and `most` at most.
    async fn upload(store: &Arc<dyn ObjectStore>, folder: &std::path::Path, bytes: &[u8], most: u64) -> Upload {
        let url = "s3://bucket/w/x".parse().unwrap();
        let location = Location { store: Arc::clone(store), path: "w/x".into(), url, file: None, version: None };
        let copy = CopyRequest { folder: folder.to_str().unwrap().to_owned(), min_bytes: 1000, max_bytes: most };
        let mut upload = Target { location, overwrite: true, copy: Some(copy) }.create().unwrap();
        for piece in bytes.chunks(5 << 20) {
            upload.write(&mut piece.to_vec()).await.unwrap();
        }
        upload
    }

    #[tokio::test]
    async fn the_copy_of_an_object_is_the_object_of_whatever_size() {
        let all: Vec<u8> = (0..=250).cycle().take(2 * PART_BYTES + 5).collect();
        let key = path::Path::from("w/x");
        for (size, most) in [(1000, 1000), (PART_BYTES, u64::MAX), (all.len(), u64::MAX)] {
            let (store, folder): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
            let mut written = upload(&store, folder.path(), &all[..size], most).await;
            written.finish().await.unwrap();
            assert!(LocalCopy::find(folder.path(), &key, size as u64).is_none());
            assert_eq!(written.publish().await.unwrap(), size as u64);
            assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), all[..size]);
            let copy = LocalCopy::find(folder.path(), &key, size as u64).unwrap();
            assert_eq!(copy.read(0..size as u64).unwrap(), all[..size]);
        }
    }

    #[tokio::test]
    async fn what_is_too_small_too_large_or_thrown_away_has_no_copy() {
        let all = vec![7; PART_BYTES + 5];
        let key = path::Path::from("w/x");
        let (store, folder): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
        for (size, most) in [(999, u64::MAX), (1001, 1000), (all.len(), 10), (all.len(), PART_BYTES as u64 + 4)] {
            let mut written = upload(&store, folder.path(), &all[..size], most).await;
            written.finish().await.unwrap();
            written.publish().await.unwrap();
            assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), all[..size]);
        }
        upload(&store, folder.path(), &all, u64::MAX).await.abort().await;
        assert_eq!(std::fs::read_dir(folder.path().join("w")).unwrap().count(), 0);
    }
}
