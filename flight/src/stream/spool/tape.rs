//! The file of a part: messages behind each other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow_flight::FlightData;
use bytes::Bytes;
#[cfg(target_os = "linux")]
use memmap2::{Advice, Mmap, MmapOptions};

use super::{SHARES, Shared};
use crate::error::{Error, Result};
use crate::metrics::METRICS;

/// Buffers that wait to be read into again.
const SPARE: usize = 16;
/// Bytes of a file that are mapped by one call, about.
const MAPPED: u64 = 16 * 1024 * 1024;
/// Bytes of all files that stay mapped for the next reader, at most.
const KEPT_MAPPED: u64 = 2 << 30;

/// Buffers to read into, shared by all tapes of a spool.
pub(super) type Buffers = Arc<Mutex<Vec<Vec<u8>>>>;

/// Where a message is in its file: the header, and behind it the body.
#[derive(Clone, Copy)]
struct Place {
    start: u64,
    header: usize,
    body: usize,
}

/// The bytes of a file, counted as long as it is open.
pub(super) struct Tape {
    shared: Weak<Shared>,
    file: Option<File>,
    places: Vec<Place>,
    bytes: u64,
    buffers: Buffers,
    /// What is mapped of it, by where it starts, for who reads it next: to map and populate is a fifth of what sending costs.
    mapped: Mutex<BTreeMap<u64, Bytes>>,
}

/// What was read; its buffer is used again when nobody looks at it any more.
struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Tape {
    /// One without a file yet. Its bytes are counted there, if anywhere.
    pub(super) fn new(shared: Weak<Shared>, buffers: &Buffers) -> Self {
        let (places, mapped) = (Vec::new(), Mutex::default());
        Self { shared, file: None, places, bytes: 0, buffers: Arc::clone(buffers), mapped }
    }

    /// Take its place by an empty one.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(Weak::new(), &self.buffers);
        std::mem::replace(self, empty)
    }

    /// Its messages.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Write a message at the end; whether there was room.
    pub(super) fn push(&mut self, message: &FlightData) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let place = Place { start: self.bytes, header: message.data_header.len(), body: message.data_body.len() };
        let size = (place.header + place.body) as u64;
        if self.bytes + size > shared.quota / SHARES || !shared.reserve(size) {
            return false;
        }
        // From here on the bytes are counted, written or not.
        self.bytes += size;
        METRICS.spooled.inc_by(i64::try_from(size).unwrap_or(0));
        match self.write(&shared, place, message) {
            Ok(()) => {
                self.places.push(place);
                true
            }
            Err(error) => {
                if !shared.broken.swap(true, Ordering::Relaxed) {
                    log::warn!("the spool in {} cannot be used, streams go without: {error}", shared.folder.display());
                }
                false
            }
        }
    }

    fn write(&mut self, shared: &Shared, place: Place, message: &FlightData) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile_in(&shared.folder)?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        file.write_all_at(&message.data_header, place.start)?;
        file.write_all_at(&message.data_body, place.start + place.header as u64)
    }

    pub(super) fn read(&self, index: usize) -> Result<FlightData> {
        let (place, file) = self.place(index)?;
        let mut buffer = Buffer::of(place.header + place.body, &self.buffers);
        let bytes = &mut buffer.bytes[..buffer.length];
        file.read_exact_at(bytes, place.start).map_err(|error| lost(&error.to_string()))?;
        let mut data_body = Bytes::from_owner(buffer);
        let data_header = data_body.split_to(place.header);
        Ok(FlightData { data_header, data_body, ..FlightData::default() })
    }

    /// The same without a copy, through `window`: what this reader looks at. Not before all is written.
    pub(super) fn read_mapped(&self, index: usize, window: &mut Window) -> Result<FlightData> {
        let (place, file) = self.place(index)?;
        let size = place.header + place.body;
        if !window.holds(place.start, size) {
            *window = match self.mapped_window(place.start, size) {
                Some(known) => known,
                None => match self.map_window(file, place.start, size)? {
                    Some(mapped) => mapped,
                    None => return self.read(index),
                },
            };
        }
        let start = usize::try_from(place.start - window.start).map_err(|_| lost("a message is too far."))?;
        let mut data_body = window.bytes.slice(start..start + size);
        let data_header = data_body.split_to(place.header);
        Ok(FlightData { data_header, data_body, ..FlightData::default() })
    }

    /// What is mapped already of the file there.
    fn mapped_window(&self, start: u64, size: usize) -> Option<Window> {
        let mapped = self.mapped();
        let (first, bytes) = mapped.range(..=start).next_back()?;
        let known = Window { start: *first, bytes: bytes.clone() };
        known.holds(start, size).then_some(known)
    }

    /// Map the file from there on, as much as is worth a call, and keep it if there is room; none where the system cannot.
    fn map_window(&self, file: &File, start: u64, size: usize) -> Result<Option<Window>> {
        let bytes = (size as u64).max(MAPPED).min(self.bytes - start);
        let length = usize::try_from(bytes).map_err(|_| lost("a message is too large."))?;
        let mapped = map(file, start, length).map_err(|error| lost(&error.to_string()))?;
        let Some(window) = mapped.map(|mapped| Window { start, bytes: Bytes::from_owner(mapped) }) else {
            return Ok(None);
        };
        let fits = |kept: u64| kept.checked_add(bytes).filter(|kept| *kept <= KEPT_MAPPED);
        if let Some(shared) = self.shared.upgrade()
            && shared.mapped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
            && let Some(before) = self.mapped().insert(start, window.bytes.clone())
        {
            // Another reader was as fast.
            shared.mapped.fetch_sub(before.len() as u64, Ordering::Relaxed);
        }
        Ok(Some(window))
    }

    /// Keep nothing mapped but what is being sent.
    pub(super) fn unmap(&self) {
        let mapped = std::mem::take(&mut *self.mapped());
        if let Some(shared) = self.shared.upgrade() {
            let bytes = mapped.values().map(|bytes| bytes.len() as u64).sum();
            shared.mapped.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn mapped(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, index: usize) -> Result<(Place, &File)> {
        let found = self.places.get(index).copied().zip(self.file.as_ref());
        found.ok_or_else(|| lost(&format!("it has no message {index}.")))
    }
}

/// A piece of a file, in memory as long as anybody looks at it.
#[derive(Default)]
pub struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn holds(&self, start: u64, size: usize) -> bool {
        start >= self.start && start + size as u64 <= self.start + self.bytes.len() as u64
    }
}

/// Bytes of the file as they lie in the page cache, all of them there; none where the system cannot say that they are.
#[cfg(target_os = "linux")]
fn map(file: &File, start: u64, length: usize) -> io::Result<Option<Mmap>> {
    let mut options = MmapOptions::new();
    options.offset(start).len(length);
    #[expect(unsafe_code, reason = "a mapping is only as good as who else may write to the file")]
    // SAFETY: the file has no name and was opened here, so that nobody else has it; it is written no more, and never
    // made shorter. Its bytes stay what they are as long as the mapping exists.
    let mapped = unsafe { options.map(file) }?;
    // What the disk cannot read is an error here, and a signal that ends the process wherever it is met later. And to
    // wait for the disk is for this thread, not for one that sends.
    match mapped.advise(Advice::PopulateRead) {
        Ok(()) => Ok(Some(mapped)),
        // Linux before 5.14.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn map(_: &File, _: u64, _: usize) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

fn lost(what: &str) -> Error {
    Error::Internal(format!("The server's spool cannot be read: {what}"))
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.unmap();
        METRICS.spooled.dec_by(i64::try_from(self.bytes).unwrap_or(0));
        if let Some(shared) = self.shared.upgrade() {
            shared.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Buffer {
    /// One of at least this length; what is in it means nothing.
    fn of(length: usize, home: &Buffers) -> Self {
        let spare = home.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = spare.unwrap_or_default();
        if bytes.len() < length {
            // Not resized: what it holds need not be copied.
            bytes = vec![0; length];
        }
        Self { bytes, length, home: Arc::clone(home) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}
