//! A copy on this machine of an object that is being written: who reads the object next, and is here, reads the copy.
//!
//! It is a cache, never a place of its own: what goes wrong with it is told in the log and harms no job.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::Bytes;
use object_store::path::Path as Key;
use tempfile::NamedTempFile;

use crate::local::read_at;
use crate::request::CopyRequest;

/// A copy that does not show yet. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Copy {
    file: NamedTempFile,
    place: PathBuf,
    /// Bytes that it may still take.
    left: u64,
}

/// Where the copy of an object is, if there is one.
fn place(folder: &Path, key: &Key) -> PathBuf {
    // Keys have no empty parts and none of dots alone: they lead nowhere else.
    key.parts().fold(folder.to_owned(), |place, part| place.join(part.as_ref()))
}

/// The copy of an object, to be read. No file is kept open: there may be thousands, and one may go at any time.
#[derive(Debug, Clone)]
pub struct LocalCopy {
    place: PathBuf,
    size: u64,
}

impl LocalCopy {
    /// The copy of an object of this size, if there is one, and notes that it was used.
    pub fn find(folder: &Path, key: &Key, size: u64) -> Option<Self> {
        let copy = Self { place: place(folder, key), size };
        // For whoever clears the folder of what is idle.
        copy.open().and_then(|file| file.set_modified(SystemTime::now())).ok()?;
        Some(copy)
    }

    /// A range of it, whole.
    pub fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = self.open()?;
        let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
        if read_at(&file, &mut bytes, range.start)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes.into())
    }

    fn open(&self) -> io::Result<File> {
        let file = File::open(&self.place)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() == self.size && is_ours(&metadata) {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// Whether a file belongs to this process's user: where others may write too, they could leave rows of their own.
#[cfg(target_os = "linux")]
fn is_ours(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    static USER: LazyLock<Option<u32>> = LazyLock::new(|| Some(std::fs::metadata("/proc/self").ok()?.uid()));
    *USER == Some(metadata.uid())
}

/// Elsewhere no copies are kept.
#[cfg(not(target_os = "linux"))]
fn is_ours(_: &Metadata) -> bool {
    true
}

impl Copy {
    /// Begins a copy, if that can be.
    pub(super) fn begin(request: &CopyRequest, key: &Key) -> Option<Self> {
        let place = place(Path::new(&request.folder), key);
        let begun = place.parent().ok_or(io::ErrorKind::InvalidInput.into()).and_then(|folder| {
            private(folder)?;
            tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(folder)
        });
        match begun {
            Ok(file) => Some(Self { file, place, left: request.max_bytes }),
            Err(error) => {
                log::warn!("no copy of {key} is kept on this machine: {error}");
                None
            }
        }
    }

    /// Adds bytes; `false` if there is no room for them: the copy is of no use then.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else { return false };
        self.left = left;
        let written = self.file.write_all(bytes);
        if let Err(error) = &written {
            log::warn!("no copy of a result is kept on this machine: {error}");
        }
        written.is_ok()
    }

    /// Shows the copy, now that the object is whole.
    pub(super) fn keep(self) {
        if let Err(error) = self.file.persist(&self.place) {
            log::warn!("no copy of a result is kept on this machine: {}", error.error);
        }
    }
}

/// Makes a folder, and those above it, for this user alone.
fn private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(folder: &Path, max_bytes: u64) -> CopyRequest {
        CopyRequest { folder: folder.to_str().unwrap().to_owned(), min_bytes: 0, max_bytes }
    }

    fn files(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }

    #[test]
    fn a_copy_shows_when_it_is_whole_and_only_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::from("w/jobs/1/part a=%2F.parquet");
        let mut copy = Copy::begin(&request(folder.path(), 100), &key).unwrap();
        assert!(copy.push(b"one, ") && copy.push(b"two"));
        assert!(LocalCopy::find(folder.path(), &key, 8).is_none());
        copy.keep();
        assert!(LocalCopy::find(folder.path(), &key, 7).is_none());
        assert!(LocalCopy::find(folder.path(), &Key::from("w/jobs"), 8).is_none());
        let found = LocalCopy::find(folder.path(), &key, 8).unwrap();
        assert_eq!(found.read(0..8).unwrap(), "one, two");
        assert_eq!(found.read(3..7).unwrap(), ", tw");
        assert!(found.read(3..9).is_err());
        std::fs::remove_dir_all(folder.path().join("w")).unwrap();
        assert_eq!(found.read(0..8).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_copy_that_is_too_large_or_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::from("w/x");
        let mut copy = Copy::begin(&request(folder.path(), 5), &key).unwrap();
        assert!(copy.push(b"12345") && !copy.push(b"6"));
        drop(copy);
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_error() {
        let file = NamedTempFile::new().unwrap();
        assert!(Copy::begin(&request(file.path(), 5), &Key::from("w/x")).is_none());
        assert!(LocalCopy::find(file.path(), &Key::from("w/x"), 5).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn others_can_neither_read_copies_nor_leave_some() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (kept, key) = (folder.path().join("kept"), Key::from("w/x"));
        Copy::begin(&request(&kept, 5), &key).unwrap().keep();
        assert!(LocalCopy::find(&kept, &key, 0).is_some());
        for (path, mode) in [(kept.clone(), 0o700), (kept.join("w"), 0o700), (kept.join("w/x"), 0o600)] {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
        // Only root may give a file away.
        if std::os::unix::fs::chown(kept.join("w/x"), Some(4321), None).is_ok() {
            assert!(LocalCopy::find(&kept, &key, 0).is_none());
        }
    }
}
