//! One stored object, read by ranges.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
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
}

impl Object {
    /// The object of a ticket's file.
    pub fn new(store: &Arc<dyn ObjectStore>, file: &File) -> Result<Self> {
        let path = Path::parse(&file.key).map_err(|error| {
            log::error!("a signed ticket holds an unusable key: {error}");
            Error::Internal("The ticket names an object that cannot exist. Tell the administrator.".into())
        })?;
        Ok(Self { store: Arc::clone(store), path, size: file.size_bytes })
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
        let wanted = range.end - range.start;
        let bytes = self.store.get_range(&self.path, range).await?;
        if bytes.len() as u64 != wanted {
            return Err(Error::Corrupt("The stored object is shorter than its table says: it is damaged.".into()));
        }
        Ok(bytes)
    }
}
