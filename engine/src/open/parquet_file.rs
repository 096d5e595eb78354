//! Reads Parquet from a [`Location`], and checks what a file claims before it is believed.
//!
//! The decoder of the `parquet` crate makes room for what a file says that it holds. So all that it gets to see went
//! through [`Layout`]: footer, indexes and the headers of pages.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use tokio::sync::OnceCell;

use super::footer::{MAX_FOOTER_BYTES, check_footer};
use super::parquet_layout::Layout;
use crate::error::{EngineError, ErrorCode, Result};
use crate::guard::{caught, damaged_input};
use crate::store::Location;

/// How much of the file's end is read at once in the hope that it holds all metadata.
const FOOTER_BYTES: u64 = 64 << 10;
/// The footer's length, and the magic bytes.
const TRAILER_BYTES: u64 = 8;
/// Memory for the bytes of a row group and one page of each column, if nothing else is said.
const MAX_DECODING_BYTES: u64 = 1 << 30;

/// A Parquet file in a store. Clones share its metadata, which is read once.
#[derive(Debug, Clone)]
pub struct ParquetFile {
    location: Location,
    size: u64,
    layout: Arc<OnceCell<Layout>>,
    most_bytes: u64,
    read: Option<Count>,
}

impl ParquetFile {
    /// A file of `size` bytes.
    pub fn new(location: Location, size: u64) -> Self {
        Self { location, size, layout: Arc::default(), most_bytes: MAX_DECODING_BYTES, read: None }
    }

    /// The same with a bound for the bytes of memory that decoding takes at one time.
    #[must_use]
    pub fn with_most_bytes(self, bytes: u64) -> Self {
        Self { most_bytes: bytes.min(MAX_DECODING_BYTES), ..self }
    }

    /// The same; what is read is added to `count`.
    #[must_use]
    pub(crate) fn counted(self, count: Count) -> Self {
        Self { read: Some(count), ..self }
    }

    /// Reads the metadata only. [`ErrorCode::InputFormat`] if it is damaged.
    pub async fn metadata(&self) -> Result<Arc<ParquetMetaData>> {
        Ok(Arc::clone(&self.layout().await?.metadata))
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> String {
        self.location.file_name()
    }

    async fn layout(&self) -> Result<&Layout> {
        self.layout.get_or_try_init(|| self.read_layout()).await
    }

    async fn read_layout(&self) -> Result<Layout> {
        read_layout(&self.name(), self.size, |range| self.get(range)).await
    }

    async fn get(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start > range.end || range.end > self.size {
            return Err(self.damaged("a part of it lies outside of the file"));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.location.read(range).await
    }

    async fn read(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        if ranges.iter().any(|range| range.start > range.end || range.end > self.size) {
            return Err(self.damaged("a part of it lies outside of the file"));
        }
        let bytes = ranges.iter().fold(0_u64, |bytes, range| bytes.saturating_add(range.end - range.start));
        self.fits(bytes)?;
        let parts = match ranges.as_slice() {
            [range] => vec![self.get(range.clone()).await?],
            _ => self.location.read_many(&ranges).await?,
        };
        if let Some(count) = &self.read {
            count.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        let layout = self.layout().await?;
        let mut memory: u64 = 0;
        for (range, part) in ranges.iter().zip(&parts) {
            let needed = layout.check(range.start, part).map_err(|what| self.damaged(&what))?;
            memory = memory.saturating_add(needed);
            self.fits(memory)?;
        }
        Ok(parts)
    }

    fn fits(&self, bytes: u64) -> Result<()> {
        if bytes <= self.most_bytes {
            return Ok(());
        }
        let (name, mib) = (self.location.file_name(), self.most_bytes >> 20);
        let message = format!("a row group of the Parquet file {name} takes more than {mib} MiB of memory to read");
        Err(EngineError::new(ErrorCode::ResourcesExhausted, message)
            .hint("raise the memory limit, use fewer columns, or write the file with smaller row groups and pages"))
    }

    fn damaged(&self, what: &str) -> EngineError {
        damaged_input(&self.name(), what)
    }
}

/// Reads a file's metadata by `fetch`, which reads a range of it. [`ErrorCode::InputFormat`] if it is damaged: the decoder of
/// the `parquet` crate makes room for whatever a footer claims, and may end the process.
pub async fn parquet_metadata<F, E>(
    name: &str,
    size: u64,
    fetch: impl Fn(Range<u64>) -> F,
) -> Result<Arc<ParquetMetaData>, E>
where
    F: Future<Output = Result<Bytes, E>>,
    E: From<EngineError>,
{
    Ok(read_layout(name, size, fetch).await?.metadata)
}

async fn read_layout<F, E>(name: &str, size: u64, fetch: impl Fn(Range<u64>) -> F) -> Result<Layout, E>
where
    F: Future<Output = Result<Bytes, E>>,
    E: From<EngineError>,
{
    let damaged = |what: &str| E::from(damaged_input(name, what));
    if size < TRAILER_BYTES + 4 {
        return Err(damaged("it is too short for a Parquet file"));
    }
    let end = size - TRAILER_BYTES;
    let tail_start = size.saturating_sub(FOOTER_BYTES);
    let tail = fetch(tail_start..size).await?;
    let length = match tail.last_chunk::<8>() {
        Some([a, b, c, d, b'P', b'A', b'R', b'1']) => u32::from_le_bytes([*a, *b, *c, *d]),
        Some([.., b'P', b'A', b'R', b'E']) => return Err(damaged("it is encrypted")),
        _ => return Err(damaged("its end is missing; most often it is cut off, or was never finished")),
    };
    let start = end.checked_sub(u64::from(length)).filter(|start| *start >= 4);
    let start = start.ok_or_else(|| damaged("its footer is longer than itself"))?;
    if length as usize > MAX_FOOTER_BYTES {
        return Err(damaged("its footer has more than 256 MiB"));
    }
    let footer = match usize::try_from(start.wrapping_sub(tail_start)) {
        Ok(at) if start >= tail_start => tail.slice(at..tail.len() - 8),
        _ => fetch(start..end).await?,
    };
    let wrong = |what: &dyn std::fmt::Display| damaged(&format!("its footer is damaged: {what}"));
    check_footer(&footer).map_err(|what| wrong(&what))?;
    let decoded = caught(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(|panic| wrong(&panic))?;
    let metadata = decoded.map_err(|error| wrong(&error))?;
    Layout::new(metadata, size).map_err(|what| damaged(&what))
}

impl AsyncFileReader for ParquetFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let mut parts = self.read(vec![range]).await.map_err(external)?;
            Ok(parts.pop().unwrap_or_default())
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move { self.read(ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.metadata().await.map_err(external)?;
            let policy = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::offset_index_policy);
            if policy == PageIndexPolicy::Skip {
                return Ok(metadata);
            }
            let metadata = Arc::unwrap_or_clone(metadata);
            let mut reader = ParquetMetaDataReader::new_with_metadata(metadata).with_page_index_policy(policy);
            reader.load_page_index(&mut *self).await?;
            Ok(Arc::new(reader.finish()?))
        }
        .boxed()
    }
}

fn external(error: EngineError) -> ParquetError {
    ParquetError::External(Box::new(error))
}
