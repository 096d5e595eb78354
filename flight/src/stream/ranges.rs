//! Windows over the column chunks of one row group: fetched ahead, in parallel, read synchronously.
//!
//! Parquet's synchronous reader (the fast one) asks for pages; this gives it slices of windows. A row group that fits
//! into the budget is fetched whole, all windows at once. A bigger one (foreign files may have one of many GB) is read
//! through a sliding window per column: a window is fetched when its predecessor is touched, and dropped once
//! passed, so that memory stays near the budget whatever the file looks like.

use std::io::Read as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::objects::Object;
use crate::error::{Error, Result};

/// Size of one ranged GET, in bytes.
const WINDOW: u64 = 8 * 1024 * 1024;
/// A column of a big row group gets windows no smaller than this.
const SMALLEST: u64 = 64 * 1024;
/// What a first batch needs of a column, mostly: its dictionary and a page.
const HEAD: u64 = 512 * 1024;

/// The windows of one row group; a cheap handle.
#[derive(Clone)]
pub struct Windows {
    shared: Arc<Shared>,
}

struct Shared {
    object: Object,
    runtime: Handle,
    /// Sorted by start, not overlapping.
    spans: Vec<Span>,
    states: Mutex<Vec<State>>,
    /// Whether windows slide (big row group) or are all held (small one).
    sliding: bool,
    /// A permit for each head that is here.
    heads: Arc<Semaphore>,
}

struct Span {
    range: Range<u64>,
    /// The column chunk, so that windows are dropped and fetched ahead within it.
    column: usize,
    /// How many heads must be here before it is fetched; 0 if it is one, or if there are none.
    after: u32,
}

enum State {
    Absent,
    Coming(JoinHandle<Result<Bytes>>),
    Here(Bytes),
}

impl Drop for State {
    fn drop(&mut self) {
        if let Self::Coming(task) = self {
            task.abort();
        }
    }
}

impl Windows {
    /// Prepare windows over column chunks (byte ranges in any order) and start fetching. Must run inside the runtime.
    ///
    /// `hurry`: the beginning of each column comes before all else, so that the first batch needs not wait for the rest.
    pub fn new(object: Object, columns: impl IntoIterator<Item = Range<u64>>, budget: u64, hurry: bool) -> Self {
        let mut columns: Vec<_> = columns.into_iter().filter(|range| !range.is_empty()).collect();
        columns.sort_by_key(|range| range.start);
        let total: u64 = columns.iter().map(|range| range.end - range.start).sum();
        let sliding = total > budget;
        let mut spans = Vec::new();
        if sliding {
            // Two windows per column: the current one and the next.
            let size = (budget / (2 * columns.len().max(1) as u64)).clamp(SMALLEST, WINDOW);
            for (column, range) in columns.into_iter().enumerate() {
                cut(range, size, column, 0, &mut spans);
            }
        } else {
            let head = if hurry { HEAD } else { u64::MAX };
            let runs = runs(columns, head);
            let heads = runs.iter().filter(|(_, rest)| !rest).map(|(range, _)| pieces(range)).sum();
            for (range, rest) in runs {
                cut(range, WINDOW, 0, if rest { heads } else { 0 }, &mut spans);
            }
        }
        let states = Mutex::new(spans.iter().map(|_| State::Absent).collect());
        let (runtime, heads) = (Handle::current(), Arc::new(Semaphore::new(0)));
        let windows = Self { shared: Arc::new(Shared { object, runtime, spans, states, sliding, heads }) };
        if !sliding {
            for index in 0..windows.shared.spans.len() {
                windows.shared.start(index);
            }
        }
        windows
    }

    /// Bytes `start..start + length`, waiting for them. Not for use inside an async task.
    pub fn read(&self, start: u64, length: usize) -> Result<Bytes> {
        let damaged = || Error::Corrupt("The Parquet file points outside its column chunks: it is damaged.".into());
        let end = start.checked_add(length as u64).ok_or_else(damaged)?;
        let mut at = start;
        let mut parts: Vec<Bytes> = Vec::with_capacity(1);
        while at < end {
            let index = self.shared.find(at).ok_or_else(damaged)?;
            let span = &self.shared.spans[index].range;
            let bytes = self.shared.get(index)?;
            let stop = end.min(span.end);
            parts.push(bytes.slice(offset(at - span.start)..offset(stop - span.start)));
            at = stop;
        }
        Ok(match parts.len() {
            0 => Bytes::new(),
            1 => parts.swap_remove(0),
            _ => parts
                .iter()
                .fold(BytesMut::with_capacity(length), |mut all, part| {
                    all.extend_from_slice(part);
                    all
                })
                .freeze(),
        })
    }
}

impl Windows {
    /// All bytes of a range: without a copy if they lie in one window; otherwise copied window by window, so that those
    /// that slide are not all held.
    pub fn whole(&self, range: &Range<u64>) -> Result<Bytes> {
        let (start, length) = (range.start, offset(range.end.saturating_sub(range.start)));
        let fits = |index: usize| self.shared.spans[index].range.end >= range.end;
        if !self.shared.sliding || self.shared.find(start).is_none_or(fits) {
            return self.read(start, length);
        }
        let mut all = vec![0; length];
        self.reader(start).read_exact(&mut all).map_err(|error| match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => Error::Corrupt(format!("The stored object ends before its table does: {error}.")),
        })?;
        Ok(all.into())
    }

    /// A reader from this offset on, for formats that read a file from front to back.
    pub fn reader(&self, start: u64) -> WindowReader {
        WindowReader { windows: self.clone(), at: start, current: Bytes::new() }
    }
}

/// Runs of neighbouring chunks, so that 1,000 small columns are not 1,000 requests; the first `head` bytes of each chunk
/// apart from the rest, which is marked.
fn runs(columns: Vec<Range<u64>>, head: u64) -> Vec<(Range<u64>, bool)> {
    let mut runs: Vec<(Range<u64>, bool)> = Vec::new();
    let ends = |range: Range<u64>| {
        let middle = range.end.min(range.start.saturating_add(head));
        [(range.start..middle, false), (middle..range.end, true)]
    };
    for (range, rest) in columns.into_iter().flat_map(ends).filter(|(range, _)| !range.is_empty()) {
        match runs.last_mut() {
            Some((last, same)) if *same == rest && range.start <= last.end => last.end = last.end.max(range.end),
            // Damage only: chunks do not overlap.
            Some((last, _)) if range.start < last.end => {
                if range.end > last.end {
                    let range = last.end..range.end;
                    runs.push((range, rest));
                }
            }
            _ => runs.push((range, rest)),
        }
    }
    runs
}

/// Windows that a run is cut into.
fn pieces(range: &Range<u64>) -> u32 {
    u32::try_from((range.end - range.start).div_ceil(WINDOW)).unwrap_or(u32::MAX)
}

fn cut(range: Range<u64>, size: u64, column: usize, after: u32, spans: &mut Vec<Span>) {
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + size);
        spans.push(Span { range: start..end, column, after });
        start = end;
    }
}

/// Offsets inside a window fit: a window is at most 8 MiB.
fn offset(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Shared {
    fn find(&self, at: u64) -> Option<usize> {
        let index = self.spans.partition_point(|span| span.range.end <= at);
        self.spans.get(index).filter(|span| span.range.contains(&at)).map(|_| index)
    }

    fn start(&self, index: usize) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state @ State::Absent) = states.get_mut(index) {
            let (object, heads) = (self.object.clone(), Arc::clone(&self.heads));
            let Span { range, after, .. } = &self.spans[index];
            let (range, after) = (range.clone(), *after);
            *state = State::Coming(self.runtime.spawn(async move {
                // Closed never; a head that failed counts as well.
                let _ = heads.acquire_many(after).await;
                let read = object.read(range).await;
                if after == 0 {
                    heads.add_permits(1);
                }
                read
            }));
        }
    }

    /// The bytes of a window. One thread reads a row group, so that waiting outside the lock races with nobody.
    fn get(&self, index: usize) -> Result<Bytes> {
        self.start(index);
        if self.sliding {
            let column = self.spans[index].column;
            if self.spans.get(index + 1).is_some_and(|next| next.column == column) {
                self.start(index + 1);
            }
            // A page header may lie in the window before the one its body starts in: keep one behind.
            if let Some(passed) = index.checked_sub(2).filter(|passed| self.spans[*passed].column == column) {
                self.put(passed, State::Absent);
            }
        }
        let state = {
            let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            if let State::Here(bytes) = &states[index] {
                return Ok(bytes.clone());
            }
            std::mem::replace(&mut states[index], State::Absent)
        };
        let bytes = wait(&self.runtime, state)?;
        self.put(index, State::Here(bytes.clone()));
        Ok(bytes)
    }

    fn put(&self, index: usize, state: State) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)[index] = state;
    }
}

fn wait(runtime: &Handle, mut state: State) -> Result<Bytes> {
    match &mut state {
        State::Coming(task) => runtime
            .block_on(task)
            .map_err(|error| Error::Internal(format!("Reading from the object storage was interrupted: {error}")))?,
        State::Here(bytes) => Ok(bytes.clone()),
        State::Absent => Err(Error::Internal("A window was not started.".into())),
    }
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Length for Windows {
    fn len(&self) -> u64 {
        self.shared.object.size
    }
}

impl ChunkReader for Windows {
    type T = WindowReader;

    fn get_read(&self, start: u64) -> ParquetResult<WindowReader> {
        Ok(self.reader(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.read(start, length).map_err(external)
    }
}

/// Reads on from an offset, across windows.
pub struct WindowReader {
    windows: Windows,
    at: u64,
    current: Bytes,
}

impl std::io::Read for WindowReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.current.is_empty() {
            let Some(index) = self.windows.shared.find(self.at) else {
                return Ok(0);
            };
            let range = &self.windows.shared.spans[index].range;
            let bytes = self.windows.shared.get(index).map_err(std::io::Error::other)?;
            self.current = bytes.slice(offset(self.at - range.start)..);
        }
        let length = into.len().min(self.current.len());
        into[..length].copy_from_slice(&self.current.split_to(length));
        self.at += length as u64;
        Ok(length)
    }
}

impl std::io::Seek for WindowReader {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        use std::io::SeekFrom;
        let place = match to {
            SeekFrom::Start(start) => Some(start),
            SeekFrom::End(back) => self.windows.shared.object.size.checked_add_signed(back),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        self.current = Bytes::new();
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::File;
    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt};
    use std::io::{Seek as _, SeekFrom};
    use tokio::runtime::Runtime;

    fn content(size: usize) -> Vec<u8> {
        (0..=250_u8).cycle().take(size).collect()
    }

    /// Windows over columns of an object of this size; the runtime must outlive them.
    fn windows(runtime: &Runtime, size: usize, columns: impl IntoIterator<Item = Range<u64>>, budget: u64) -> Windows {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        runtime.block_on(store.put(&"w/x".into(), content(size).into())).unwrap();
        let file = File { key: "w/x".into(), size_bytes: size as u64, rows: None };
        let object = Object::new(&store, &file).unwrap();
        let _inside = runtime.enter();
        Windows::new(object, columns, budget, false)
    }

    fn held(windows: &Windows) -> u64 {
        let states = windows.shared.states.lock().unwrap();
        let taken = states.iter().zip(&windows.shared.spans).filter(|(state, _)| !matches!(state, State::Absent));
        taken.map(|(_, span)| span.range.end - span.range.start).sum()
    }

    #[test]
    fn reads_across_windows_and_columns() {
        let runtime = Runtime::new().unwrap();
        let size = 20 << 20;
        let all = content(size);
        let columns = [0..5_000_000, 5_000_000..17_000_000, 17_000_000..size as u64];
        for budget in [64 << 20, 1 << 20] {
            let windows = windows(&runtime, size, columns.clone(), budget);
            for (start, length) in [(0, 10), (8_388_600, 20), (4_999_990, 20), (16_000_000, 3_000_000), (size - 1, 1)] {
                let got = windows.read(start as u64, length).unwrap();
                assert_eq!(got, all[start..start + length], "{start}+{length} with {budget}");
            }
        }
    }

    #[test]
    fn a_range_is_read_whole_with_windows_that_slide_too() {
        let runtime = Runtime::new().unwrap();
        let size = 20 << 20;
        let all = content(size);
        for budget in [64 << 20, 1 << 20] {
            let windows = windows(&runtime, size, std::iter::once(0..size as u64), budget);
            for range in [0..10, 500_000..600_000, 600_000..9_000_000, size - 1..size] {
                let got = windows.whole(&(range.start as u64..range.end as u64)).unwrap();
                assert_eq!(got, all[range.clone()], "{range:?} with {budget}");
            }
            assert!(matches!(windows.whole(&(size as u64 - 5..size as u64 + 5)), Err(Error::Corrupt(_))));
        }
        let beyond = windows(&runtime, 1 << 20, std::iter::once(0..2 << 20), 512 << 10);
        assert!(matches!(beyond.whole(&(0..2 << 20)), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_big_row_group_slides_and_stays_near_its_budget() {
        let runtime = Runtime::new().unwrap();
        let size = 40 << 20;
        let columns: Vec<_> = (0..4).map(|i| (i * 10) << 20..((i + 1) * 10) << 20).collect();
        let budget = 8 << 20;
        let windows = windows(&runtime, size, columns.clone(), budget);
        let mut most = 0;
        for step in 0..100_u64 {
            for column in &columns {
                let start = column.start + step * 104_857;
                windows.read(start, 100_000).unwrap();
                most = most.max(held(&windows));
            }
        }
        // One window behind, the current and the next for each column.
        assert!(most <= budget * 3 / 2, "{most}");
        assert!(most >= budget / 2, "{most}");
    }

    #[test]
    fn a_small_row_group_is_fetched_at_once_in_few_requests() {
        let runtime = Runtime::new().unwrap();
        let columns: Vec<_> = (0..1000).map(|i| i * 1000..(i + 1) * 1000).collect();
        let windows = windows(&runtime, 1_000_000, columns, 8 << 20);
        assert_eq!(windows.shared.spans.len(), 1);
        assert_eq!(held(&windows), 1_000_000);
    }

    #[test]
    fn in_a_hurry_the_beginning_of_each_column_comes_first_and_all_of_it_after() {
        let runtime = Runtime::new().unwrap();
        let size = 20 << 20;
        let all = content(size);
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        runtime.block_on(store.put(&"w/x".into(), all.clone().into())).unwrap();
        let file = File { key: "w/x".into(), size_bytes: size as u64, rows: None };
        let columns = [0..1000, 1000..2000, 2000..6_000_000, 6_000_000..6_000_100, 6_000_100..size as u64];
        let _inside = runtime.enter();
        let windows = Windows::new(Object::new(&store, &file).unwrap(), columns, 64 << 20, true);
        let spans: Vec<_> = windows.shared.spans.iter().map(|span| (span.range.clone(), span.after)).collect();
        let (first, second) = (2000 + HEAD, 6_000_100 + HEAD);
        assert_eq!(spans[..3], [(0..first, 0), (first..6_000_000, 2), (6_000_000..second, 0)]);
        assert_eq!(spans[3..], [(second..second + WINDOW, 2), (second + WINDOW..size as u64, 2)]);
        for (start, length) in
            [(0, 10), (first - 10, 20), (5_999_990, 20), (second - 1, 9_000_000), (size as u64 - 1, 1)]
        {
            let from = usize::try_from(start).unwrap();
            assert_eq!(windows.read(start, length).unwrap(), all[from..from + length], "{start}+{length}");
        }
    }

    #[test]
    fn chunks_that_overlap_do_not_make_windows_that_do() {
        let spans = runs(vec![0..10_000_000, 100..2000, 9_000_000..9_900_000, 9_999_000..11_000_000], HEAD);
        assert!(spans.windows(2).all(|pair| pair[0].0.end <= pair[1].0.start), "{spans:?}");
        assert_eq!(spans.last().map(|(range, _)| range.end), Some(11_000_000));
    }

    #[test]
    fn reading_outside_the_columns_is_damage() {
        let runtime = Runtime::new().unwrap();
        let windows = windows(&runtime, 1000, [100..200, 300..400], 1 << 20);
        for (start, length) in [(0, 10), (150, 100), (395, 10), (u64::MAX, 2), (999, 1)] {
            assert!(matches!(windows.read(start, length), Err(Error::Corrupt(_))), "{start}+{length}");
        }
        assert!(windows.read(150, 0).unwrap().is_empty());
    }

    #[test]
    fn a_column_beyond_the_end_of_the_object_is_damage() {
        let runtime = Runtime::new().unwrap();
        let windows = windows(&runtime, 1000, std::iter::once(900..2000), 1 << 20);
        assert!(matches!(windows.read(950, 10), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_reader_goes_front_to_back_and_seeks() {
        let runtime = Runtime::new().unwrap();
        let size = 3 << 20;
        let windows = windows(&runtime, size, std::iter::once(0..size as u64), 512 << 10);
        let mut all = Vec::new();
        windows.reader(0).read_to_end(&mut all).unwrap();
        assert_eq!(all, content(size));
        let mut reader = windows.reader(0);
        assert_eq!(reader.seek(SeekFrom::End(-5)).unwrap(), size as u64 - 5);
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).unwrap();
        assert_eq!(tail, content(size)[size - 5..]);
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
    }
}
