//! One stored object, read by ranges: from the storage, or from a copy of it on this machine.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path as LocalPath;
use std::sync::Arc;

use bytes::Bytes;
use karyaksham_engine::sink::LocalCopy;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::ticket::File;

/// What names the content of an object that is written once: key and size.
pub type ObjectId = (Path, u64);

/// An object of known size. Cloning shares the connection pool.
#[derive(Clone)]
pub struct Object {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Size in bytes, as the ticket says.
    pub size: u64,
    /// The copy that the worker left that wrote it, if that was on this machine.
    copy: Option<LocalCopy>,
}

impl Object {
    /// The object of a ticket's file.
    pub fn new(store: &Arc<dyn ObjectStore>, file: &File) -> Result<Self> {
        let path = Path::parse(&file.key).map_err(|error| {
            log::error!("a signed ticket holds an unusable key: {error}");
            Error::Internal("The ticket names an object that cannot exist. Tell the administrator.".into())
        })?;
        Ok(Self { store: Arc::clone(store), path, size: file.size_bytes, copy: None })
    }

    /// The same, read from its copy in this folder if there is one: objects are written once, under keys that are used
    /// once, so that a copy of that name and size is the object.
    #[must_use]
    pub fn with_copy(self, folder: Option<&LocalPath>) -> Self {
        let copy = folder.and_then(|folder| LocalCopy::find(folder, &self.path, self.size));
        Self { copy, ..self }
    }

    /// A name for caches.
    pub fn id(&self) -> ObjectId {
        (self.path.clone(), self.size)
    }

    /// Read exactly this range.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start >= range.end || range.end > self.size {
            return Err(Error::Corrupt(format!(
                "The file points to bytes {}..{} of {}: it is damaged.",
                range.start, range.end, self.size
            )));
        }
        if let Some(bytes) = self.read_copy(range.clone()).await {
            return Ok(bytes);
        }
        let wanted = range.end - range.start;
        let bytes = self.store.get_range(&self.path, range).await?;
        if bytes.len() as u64 != wanted {
            return Err(Error::Corrupt("The stored object is shorter than its table says: it is damaged.".into()));
        }
        Ok(bytes)
    }

    /// The range from the copy; `None` if there is none that can be read.
    async fn read_copy(&self, range: Range<u64>) -> Option<Bytes> {
        let copy = self.copy.clone()?;
        match tokio::task::spawn_blocking(move || copy.read(range)).await.ok()? {
            Ok(bytes) => {
                METRICS.copied.inc_by(bytes.len() as u64);
                Some(bytes)
            }
            // It was idle for long, or others need its room.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                log::warn!("the copy of {} cannot be read, the storage is asked: {error}", self.path);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    async fn stored(text: &'static str) -> (Arc<dyn ObjectStore>, File) {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        store.put(&"w/x".into(), text.into()).await.unwrap();
        (store, File { key: "w/x".into(), size_bytes: text.len() as u64, rows: None })
    }

    #[tokio::test]
    async fn a_copy_of_the_right_size_is_read_instead() {
        let (store, file) = stored("of the storage").await;
        let folder = tempfile::tempdir().unwrap();
        let object = || Object::new(&store, &file).unwrap().with_copy(Some(folder.path()));
        assert_eq!(object().read(3..6).await.unwrap(), "the");
        std::fs::create_dir(folder.path().join("w")).unwrap();
        for (copy, seen) in [("shorter", "the"), ("of THE storage", "THE")] {
            std::fs::write(folder.path().join("w/x"), copy).unwrap();
            assert_eq!(object().read(3..6).await.unwrap(), seen);
        }
        assert_eq!(Object::new(&store, &file).unwrap().read(3..6).await.unwrap(), "the");
        assert!(matches!(object().read(3..15).await, Err(Error::Corrupt(_))));
    }

    #[tokio::test]
    async fn a_copy_that_goes_or_breaks_is_left_for_the_storage() {
        let (store, file) = stored("of the storage").await;
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("w/x");
        std::fs::create_dir(folder.path().join("w")).unwrap();
        std::fs::write(&copy, "of THE storage").unwrap();
        let object = Object::new(&store, &file).unwrap().with_copy(Some(folder.path()));
        assert_eq!(object.read(3..6).await.unwrap(), "THE");
        std::fs::write(&copy, "of TH").unwrap();
        assert_eq!(object.read(3..6).await.unwrap(), "the");
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(object.read(3..6).await.unwrap(), "the");
    }
}
