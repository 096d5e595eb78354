//! Batches of a file for several workers at once: a Parquet file's row groups are read in parallel, the blocks of a text
//! file parsed in parallel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use futures::stream::BoxStream;
use karyaksham_spec::Format;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use tokio::sync::Mutex;

use super::places;
use crate::error::Result;
use crate::guard::{guarded, guarded_work};
use crate::input::Input;
use crate::open::{self, ParquetFile, StoredFile};
use crate::progress::Progress;
use crate::scan::{Ledger, projected_stream};

/// A file that several workers read.
pub(super) struct Source {
    schema: SchemaRef,
    inner: Inner,
}

enum Inner {
    /// In order; the number of the next row.
    Stream(Mutex<(SendableRecordBatchStream, u64)>, Option<Vec<usize>>),
    Parquet(Box<Groups>),
}

struct Groups {
    name: String,
    file: ParquetFile,
    metadata: ArrowReaderMetadata,
    columns: ProjectionMask,
    progress: Arc<Progress>,
    /// The number of the first row of each row group, and its stored bytes.
    starts: Vec<(u64, u64)>,
    next: AtomicUsize,
}

impl Source {
    pub(super) async fn open(input: &Input, names: Option<&[String]>, ledger: Arc<Ledger>) -> Result<Self> {
        match input.format {
            Format::Parquet => {
                let opening = Self::parquet(input, names, Arc::clone(ledger.progress()));
                guarded_work(input.location.file_name(), opening).await
            }
            Format::Arrow => {
                let file =
                    StoredFile { size: Some(input.size), ..StoredFile::new(input.location.clone(), input.format) };
                let stream = open::stream(&file).await?;
                let places = places(&stream.schema(), names)?;
                let schema = Arc::new(stream.schema().project(&places)?);
                Ok(Self { schema, inner: Inner::Stream(Mutex::new((stream, 0)), Some(places)) })
            }
            _ => {
                let file = input.text_file(true);
                let places = places(&file.schema, names)?;
                let stream = projected_stream(&file, names.map(|_| &places[..]), ledger)?;
                Ok(Self { schema: stream.schema(), inner: Inner::Stream(Mutex::new((stream, 0)), None) })
            }
        }
    }

    async fn parquet(input: &Input, names: Option<&[String]>, progress: Arc<Progress>) -> Result<Self> {
        let mut file = ParquetFile::new(input.location.clone(), input.size);
        let metadata = ArrowReaderMetadata::load_async(&mut file, ArrowReaderOptions::new()).await?;
        let all = Schema::new(metadata.schema().fields().clone());
        let mut places = places(&all, names)?;
        // Columns come in the order of the file.
        places.sort_unstable();
        let schema = Arc::new(all.project(&places)?);
        let columns = ProjectionMask::roots(metadata.parquet_schema(), places);
        let mut row = 0;
        let starts = metadata
            .metadata()
            .row_groups()
            .iter()
            .map(|group| {
                let start = row;
                row += u64::try_from(group.num_rows()).unwrap_or_default();
                (start, u64::try_from(group.compressed_size()).unwrap_or_default())
            })
            .collect();
        let groups = Groups {
            name: input.location.file_name(),
            file,
            metadata,
            columns,
            progress,
            starts,
            next: AtomicUsize::new(0),
        };
        Ok(Self { schema, inner: Inner::Parquet(Box::new(groups)) })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// One worker's share.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader { source: Arc::clone(self), group: None }
    }
}

/// Hands batches to one worker.
pub(super) struct Reader {
    source: Arc<Source>,
    /// The row group that is being read, and the number of its next row.
    group: Option<(BoxStream<'static, Result<RecordBatch>>, u64)>,
}

impl Reader {
    /// The next batch and the number of its first row.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, RecordBatch)>> {
        let groups = match &self.source.inner {
            Inner::Stream(stream, places) => {
                let mut stream = stream.lock().await;
                let Some(batch) = stream.0.next().await else { return Ok(None) };
                let batch = batch?;
                let row = stream.1;
                stream.1 += batch.num_rows() as u64;
                let batch = match places {
                    Some(places) => batch.project(places)?,
                    None => batch,
                };
                return Ok(Some((row, batch)));
            }
            Inner::Parquet(groups) => groups,
        };
        loop {
            if let Some((stream, row)) = &mut self.group {
                if let Some(batch) = stream.next().await {
                    let batch = batch?;
                    groups.progress.add_rows(batch.num_rows() as u64, 0);
                    let first = *row;
                    *row += batch.num_rows() as u64;
                    return Ok(Some((first, batch)));
                }
                self.group = None;
            }
            let number = groups.next.fetch_add(1, Relaxed);
            let Some((row, bytes)) = groups.starts.get(number).copied() else { return Ok(None) };
            groups.progress.add_read(bytes);
            let stream =
                ParquetRecordBatchStreamBuilder::new_with_metadata(groups.file.clone(), groups.metadata.clone())
                    .with_row_groups(vec![number])
                    .with_projection(groups.columns.clone())
                    .with_batch_size(8192)
                    .build()?;
            self.group = Some((guarded(stream, groups.name.clone()).boxed(), row));
        }
    }
}
