//! A ticket's files as the engine opens them.

use std::sync::Arc;

use karyaksham_engine::open::{Format as EngineFormat, StoredFile};
use karyaksham_engine::store::Location;

use super::objects::Object;
use super::{Streams, text};
use crate::error::{Error, Result};
use crate::ticket::{File, Format, Ticket};

impl Streams {
    /// The files of the ticket's table, in order.
    pub fn stored(&self, ticket: &Ticket) -> Result<Vec<StoredFile>> {
        let format = match ticket.claims.format {
            Format::Parquet => EngineFormat::Parquet,
            Format::Arrow => EngineFormat::Arrow,
            Format::Csv | Format::Ndjson | Format::Lines => return text::files(self, ticket, &text::schema(ticket)?),
        };
        let stored = ticket.files().map(|(_, file)| {
            let object = self.object(file)?;
            Ok(StoredFile { size: Some(object.size), ..StoredFile::new(self.location(&object)?, format) })
        });
        stored.collect()
    }

    /// The object of a ticket's file, and its copy if this machine has one.
    pub(super) fn object(&self, file: &File) -> Result<Object> {
        Ok(Object::new(&self.store, file)?.with_copy(self.limits.copies_dir.as_deref()))
    }

    /// An object as the engine reads it.
    pub(super) fn location(&self, object: &Object) -> Result<Location> {
        let (path, _) = object.id();
        let mut url = self.bucket.clone();
        // As segments, so that percent signs in names of partitions stay what they are.
        url.path_segments_mut()
            .map_err(|()| Error::Internal("The bucket's address has no path.".into()))?
            .clear()
            .extend(path.as_ref().split('/'));
        Ok(Location { store: Arc::clone(&self.store), path, url, file: None, version: None })
    }
}
