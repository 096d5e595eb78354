//! Encoded messages on this machine's disk: what is pulled again is not decoded again, and what a client does not take
//! yet is held by no decoder.
//!
//! A part of a table (a row group, say) becomes one file that has no name, so that it ends with this process, whatever
//! ends that. The page cache makes reading it as fast as memory, without being this process's memory. Stored objects
//! never change, so that a kept part is never stale; one that nobody has asked for in a while is let go.

mod tape;

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_flight::FlightData;

use super::objects::ObjectId;
use crate::error::Result;
use tape::{Buffers, Tape};

pub use tape::Window;

/// A part: the object, and the row group if it has some.
pub type Key = (ObjectId, Option<usize>);

/// A kept part that nobody has asked for in this time is let go.
const IDLE: Duration = Duration::from_mins(10);
/// One that nobody has asked for in this time stays mapped no more: its pages pass for the server's memory.
const MAPPED_IDLE: Duration = Duration::from_secs(30);
/// Parts that are kept at most: each has a file open.
const MOST: usize = 256;
/// Parts that were asked for once are remembered, so many.
const REMEMBERED: usize = 16 * 1024;
/// One part takes no more than this share of the quota.
const SHARES: u64 = 8;
/// How long to wait for another stream that writes the same part.
const PATIENCE: Duration = Duration::from_secs(5);

/// The spool of a server; cloning shares it.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    quota: u64,
    /// Bytes in files, kept or not.
    used: AtomicU64,
    /// Bytes of files that are mapped for whoever reads them next.
    mapped: AtomicU64,
    /// Whether the folder refused a file: said once.
    broken: AtomicBool,
    state: Mutex<State>,
    written: Condvar,
    buffers: Buffers,
}

#[derive(Default)]
struct State {
    /// Whole parts, the one used last in front.
    kept: VecDeque<Kept>,
    /// Parts that were asked for, the last one at the back.
    asked: VecDeque<Key>,
    asked_set: HashSet<Key>,
    writing: HashSet<Key>,
}

struct Kept {
    key: Key,
    part: Arc<Part>,
    used: Instant,
}

/// A part that was written whole.
pub struct Part {
    tape: Tape,
}

/// A part that is being written. Dropped before its end, nothing of it is kept.
pub struct Recording {
    spool: Spool,
    tape: Tape,
    /// The part's name, if it is to be kept.
    key: Option<Key>,
    /// The first message that the client has not got.
    pub sent: usize,
}

impl Spool {
    /// A spool in this folder that takes no more than `quota` bytes of the disk; 0 for none.
    pub fn new(folder: Option<PathBuf>, quota: u64) -> Self {
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        let (state, written) = (Mutex::default(), Condvar::new());
        let (used, mapped, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let buffers = Arc::default();
        Self { shared: Arc::new(Shared { folder, quota, used, mapped, broken, state, written, buffers }) }
    }

    /// Let go what is idle, twice a minute, as long as the spool exists. Must run inside the runtime.
    pub fn sweep(&self) {
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(MAPPED_IDLE).await;
                let Some(shared) = shared.upgrade() else { return };
                while let Some(idle) = shared.pop(|kept| kept.used.elapsed() >= IDLE) {
                    drop(idle);
                }
                shared.unmap(MAPPED_IDLE);
            }
        });
    }

    /// The part, if it is kept.
    pub fn find(&self, key: &Key) -> Option<Arc<Part>> {
        self.shared.state().find(key)
    }

    /// The part, if it is kept; waits for a stream that is about to write it whole. Not for use inside an async task.
    pub fn wait(&self, key: &Key) -> Option<Arc<Part>> {
        let mut state = self.shared.state();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(part) = state.find(key) {
                return Some(part);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !state.writing.contains(key) {
                return None;
            }
            state = self.shared.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Begin to write a part. It is kept if it was asked for before, and no other stream writes it: most are asked for
    /// once, and writing is not free.
    pub fn record(&self, key: &Key) -> Recording {
        let mut state = self.shared.state();
        let keep = state.ask(key) && self.shared.quota > 0 && state.writing.insert(key.clone());
        drop(state);
        let tape = Tape::new(Arc::downgrade(&self.shared), &self.shared.buffers);
        Recording { spool: self.clone(), tape, key: keep.then(|| key.clone()), sent: 0 }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Count so many bytes more, letting go what was used least recently; whether there is room.
    fn reserve(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.quota);
        while self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            let Some(oldest) = self.pop(|_| true) else { return false };
            drop(oldest);
        }
        true
    }

    /// Unmap the parts that were not used in this time.
    fn unmap(&self, idle: Duration) {
        let state = self.state();
        let parts = state.kept.iter().filter(|kept| kept.used.elapsed() >= idle).map(|kept| Arc::clone(&kept.part));
        let parts: Vec<_> = parts.collect();
        // It takes a while.
        drop(state);
        for part in parts {
            part.tape.unmap();
        }
    }

    /// Take out the part that was used least recently, if it is such a one. Dropping it takes a while: not inside here,
    /// where the lock is held.
    fn pop(&self, which: impl FnOnce(&Kept) -> bool) -> Option<Kept> {
        let mut state = self.state();
        if state.kept.back().is_some_and(which) { state.kept.pop_back() } else { None }
    }
}

impl State {
    fn find(&mut self, key: &Key) -> Option<Arc<Part>> {
        let place = self.kept.iter().position(|kept| kept.key == *key)?;
        let mut kept = self.kept.remove(place)?;
        kept.used = Instant::now();
        let part = Arc::clone(&kept.part);
        self.kept.push_front(kept);
        Some(part)
    }

    /// Whether the part was asked for before; from now on it was.
    fn ask(&mut self, key: &Key) -> bool {
        if !self.asked_set.insert(key.clone()) {
            return true;
        }
        self.asked.push_back(key.clone());
        if self.asked.len() > REMEMBERED
            && let Some(oldest) = self.asked.pop_front()
        {
            self.asked_set.remove(&oldest);
        }
        false
    }
}

impl Part {
    /// Its messages.
    pub fn len(&self) -> usize {
        self.tape.len()
    }

    /// One of them.
    pub fn read(&self, index: usize) -> Result<FlightData> {
        self.tape.read(index)
    }

    /// The same without a copy; `window` is what this reader of the part looks at.
    pub fn read_mapped(&self, index: usize, window: &mut Window) -> Result<FlightData> {
        self.tape.read_mapped(index, window)
    }
}

impl Recording {
    /// Whether the part will be kept, so that all its messages must be pushed.
    pub fn keeps(&self) -> bool {
        self.key.is_some()
    }

    /// Whether it holds what the client has not got.
    pub fn is_behind(&self) -> bool {
        self.sent < self.tape.len()
    }

    /// Write a message; false if there is no room for it. Then nothing will be kept, and what was written still reads.
    pub fn push(&mut self, message: &FlightData) -> bool {
        let written = self.tape.push(message);
        if !written {
            self.give_up();
        }
        written
    }

    /// The next message that the client has not got.
    pub fn next(&mut self) -> Result<FlightData> {
        let message = self.tape.read(self.sent)?;
        self.sent += 1;
        Ok(message)
    }

    /// All is written: keep it, if it is to be kept. The part reads on either way.
    pub fn finish(mut self) -> Arc<Part> {
        let part = Arc::new(Part { tape: self.tape.take() });
        if let Some(key) = self.key.take() {
            let mut state = self.spool.shared.state();
            state.writing.remove(&key);
            state.kept.push_front(Kept { key, part: Arc::clone(&part), used: Instant::now() });
            let surplus = if state.kept.len() > MOST { state.kept.pop_back() } else { None };
            drop(state);
            drop(surplus);
            self.spool.shared.written.notify_all();
        }
        part
    }

    fn give_up(&mut self) {
        if let Some(key) = self.key.take() {
            self.spool.shared.state().writing.remove(&key);
            self.spool.shared.written.notify_all();
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, size: usize) -> FlightData {
        FlightData {
            data_header: vec![number; 5].into(),
            data_body: vec![number.wrapping_add(1); size].into(),
            ..FlightData::default()
        }
    }

    fn key(row_group: usize) -> Key {
        (("w/x".into(), 100), Some(row_group))
    }

    /// Write a part of some messages, asked for as often as given.
    fn write(spool: &Spool, row_group: usize, messages: u8, size: usize) -> (bool, Arc<Part>) {
        let mut recording = spool.record(&key(row_group));
        for number in 0..messages {
            recording.push(&message(number, size));
        }
        (recording.keeps(), recording.finish())
    }

    #[test]
    fn what_is_asked_for_again_is_kept_and_reads_as_it_was_written() {
        let spool = Spool::new(None, 1 << 20);
        let (kept, first) = write(&spool, 0, 3, 1000);
        assert!(!kept && spool.find(&key(0)).is_none());
        assert_eq!((first.len(), first.read(2).unwrap()), (3, message(2, 1000)));
        assert!(write(&spool, 0, 3, 1000).0);
        let (part, mut window) = (spool.find(&key(0)).unwrap(), Window::default());
        for number in [0, 1, 2, 1] {
            assert_eq!(part.read(usize::from(number)).unwrap(), message(number, 1000));
            assert_eq!(part.read_mapped(usize::from(number), &mut window).unwrap(), message(number, 1000));
        }
        assert!(part.read(3).is_err() && part.read_mapped(3, &mut window).is_err());
        assert!(spool.find(&key(1)).is_none());
    }

    #[test]
    fn a_part_is_mapped_piece_by_piece_and_what_was_read_outlives_it() {
        let spool = Spool::new(None, 1 << 30);
        let size = 3 << 20;
        let (_, part) = write(&spool, 0, 12, size);
        let mut window = Window::default();
        let read: Vec<_> = (0..12).map(|number| part.read_mapped(number, &mut window).unwrap()).collect();
        drop((part, window));
        spool.shared.state().kept.clear();
        for (number, found) in (0..).zip(read) {
            assert_eq!(found, message(number, size));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn readers_share_what_is_mapped_until_the_part_is_idle() {
        let (spool, size) = (Spool::new(None, 1 << 30), 3 << 20);
        for _ in 0..2 {
            write(&spool, 0, 12, size);
        }
        let part = spool.find(&key(0)).unwrap();
        let read = || {
            let mut window = Window::default();
            (0..12).map(|index| part.read_mapped(index, &mut window).unwrap().data_body).collect::<Vec<_>>()
        };
        let same = |one: &[bytes::Bytes], other: &[bytes::Bytes]| {
            one.iter().zip(other).filter(|(one, other)| one.as_ptr() == other.as_ptr()).count()
        };
        let mapped = || spool.shared.mapped.load(Ordering::Relaxed);
        let first = read();
        assert_eq!(same(&first, &read()), 12);
        assert!(mapped() >= 12 * size as u64);
        spool.shared.unmap(Duration::from_hours(1));
        assert_eq!(same(&first, &read()), 12, "it was in use a moment ago");
        spool.shared.unmap(Duration::ZERO);
        assert_eq!(mapped(), 0);
        // What the first reader still holds stays where it is, and as it was.
        assert_eq!(same(&first, &read()), 0);
        assert!((0..).zip(&first).all(|(number, body)| *body == message(number, size).data_body));

        spool.shared.unmap(Duration::ZERO);
        spool.shared.mapped.store(u64::MAX / 2, Ordering::Relaxed);
        let (one, other) = (read(), read());
        assert_eq!(same(&one, &other), 0, "no room to keep it mapped");
        assert_eq!(mapped(), u64::MAX / 2);
        spool.shared.mapped.store(0, Ordering::Relaxed);
    }

    #[test]
    fn what_is_let_go_is_not_mapped() {
        let spool = Spool::new(None, 1 << 30);
        write(&spool, 0, 1, 3 << 20);
        write(&spool, 0, 1, 3 << 20);
        let part = spool.find(&key(0)).unwrap();
        part.read_mapped(0, &mut Window::default()).unwrap();
        drop(part);
        spool.shared.state().kept.clear();
        assert_eq!(spool.shared.mapped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_least_recently_used_part_makes_room_and_files_in_use_count() {
        let size = 1000;
        let spool = Spool::new(None, 8 * 4 * (size as u64 + 5));
        for row_group in 0..9 {
            write(&spool, row_group, 4, size);
            write(&spool, row_group, 4, size);
            // The first is used all the time.
            assert!(spool.find(&key(0)).is_some());
        }
        assert!(spool.find(&key(1)).is_none() && spool.find(&key(8)).is_some());
        assert!(spool.shared.used.load(Ordering::Relaxed) <= spool.shared.quota);

        let held: Vec<_> = (10..18).map(|row_group| write(&spool, row_group, 4, size).1).collect();
        let mut refused = spool.record(&key(20));
        assert!(!refused.push(&message(0, size)), "all room is in files that are read");
        drop(held);
        assert!(refused.push(&message(0, size)));
    }

    #[test]
    fn one_part_does_not_take_all_the_room() {
        let spool = Spool::new(None, 8000);
        spool.record(&key(0));
        let mut big = spool.record(&key(0));
        assert!(big.keeps() && big.push(&message(0, 900)));
        assert!(!big.push(&message(1, 900)));
        assert!(!big.keeps());
        assert_eq!(big.next().unwrap(), message(0, 900));
    }

    #[test]
    fn only_one_stream_writes_a_part_and_others_wait_for_it() {
        let spool = Spool::new(None, 1 << 20);
        spool.record(&key(0));
        let mut first = spool.record(&key(0));
        assert!(first.keeps());
        assert!(!spool.record(&key(0)).keeps());
        first.push(&message(7, 10));
        let waiting = std::thread::spawn({
            let spool = spool.clone();
            move || spool.wait(&key(0)).map(|part| part.read(0).unwrap())
        });
        std::thread::sleep(Duration::from_millis(20));
        first.finish();
        assert_eq!(waiting.join().unwrap(), Some(message(7, 10)));

        // One that vanishes lets the others go on at once.
        spool.record(&key(1));
        let gone = spool.record(&key(1));
        let waiting = std::thread::spawn({
            let spool = spool.clone();
            move || spool.wait(&key(1)).is_none()
        });
        drop(gone);
        assert!(waiting.join().unwrap());
        assert!(spool.record(&key(1)).keeps());
    }

    #[test]
    fn a_spool_without_room_or_folder_keeps_nothing_and_says_so() {
        for spool in [Spool::new(None, 0), Spool::new(Some("/nonexistent/spool".into()), 1 << 20)] {
            spool.record(&key(0));
            let mut recording = spool.record(&key(0));
            assert!(!recording.push(&message(0, 10)) && !recording.keeps());
            assert_eq!(recording.finish().len(), 0);
            assert!(spool.find(&key(0)).is_none());
        }
    }

    #[test]
    fn what_is_let_go_frees_its_room() {
        let spool = Spool::new(None, 1 << 20);
        write(&spool, 0, 2, 1000);
        write(&spool, 0, 2, 1000);
        assert_eq!(spool.shared.used.load(Ordering::Relaxed), 2 * 1005);
        spool.shared.state().kept.clear();
        assert_eq!(spool.shared.used.load(Ordering::Relaxed), 0);
    }
}
