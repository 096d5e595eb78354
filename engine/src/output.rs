//! Where a job's files go, and how they get there.

use arrow::array::RecordBatch;
use futures::StreamExt;
use karyaksham_spec::{Output, OutputFormat};
use tokio::sync::mpsc;

use crate::cancel::{CancellationToken, or_cancelled};
use crate::error::{EngineError, ErrorCode, Result};
use crate::folder::{old_files, remove, remove_old};
use crate::parts::{Part, Parts, is_parts};
use crate::progress::Progress;
use crate::report::{FileReport, RejectsReport};
use crate::request::OutputRequest;
use crate::scan::RejectsWriter;
use crate::sink::{ParallelEncoder, Target, Upload, extension};
use crate::store::{Location, Stores};

/// Files that are made visible at one time.
const PUBLISHED_AT_ONCE: usize = 8;

/// The targets of a job.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// The file, or the folder of a result of many files.
    pub(crate) main: Target,
    pub(crate) rejects: Target,
    /// Files of an earlier result of many files, to be replaced.
    old: Vec<Location>,
}

/// A result that does not show yet.
pub(crate) enum Written {
    /// One file.
    One(Box<Upload>),
    /// Many.
    Parts(Vec<Part>),
}

impl Written {
    /// Throws it away.
    pub(crate) async fn abort(self) {
        // Parts that were not sent lie on this machine and go when they are dropped.
        if let Self::One(upload) = self {
            upload.abort().await;
        }
    }
}

impl Destination {
    /// Finds the targets, makes a local folder if it is missing, and refuses to overwrite unless asked.
    pub(crate) async fn open(request: &OutputRequest, output: &Output, stores: &Stores) -> Result<Self> {
        let location = stores.locate(&request.url)?;
        let overwrite = request.overwrite;
        let parts = is_parts(output);
        // The others are read from front to back, which the storage does as well.
        let ranged = matches!(output.format, OutputFormat::Parquet | OutputFormat::Arrow);
        let copy = request.copy.clone().filter(|_| ranged);
        let (main, rejects) = if request.url.ends_with('/') {
            if let Some(folder) = &location.file {
                std::fs::create_dir_all(folder)?;
            }
            if parts {
                let rejects = Target { location: location.child("rejects.csv")?, overwrite, copy: None };
                let main = Target { location, overwrite, copy };
                let old = old_files(&main).await?;
                return Ok(Self { main, rejects, old });
            }
            (location.child(&format!("part-00000.{}", extension(output)))?, location.child("rejects.csv")?)
        } else if parts {
            let message = format!("a result of many files needs a folder; {} names a file", location.display());
            return Err(EngineError::new(ErrorCode::InvalidRequest, message)
                .hint("end the output's address with `/`, or leave `partitionBy` and `maxFileBytes` out"));
        } else {
            let beside = stores.locate(&format!("{}.rejects.csv", request.url))?;
            (location, beside)
        };
        let destination = Self {
            main: Target { location: main, overwrite, copy },
            // The rejects of an earlier run beside a result that may be replaced may be replaced too.
            rejects: Target { location: rejects, overwrite, copy: None },
            old: Vec::new(),
        };
        destination.main.check().await?;
        destination.rejects.check().await?;
        Ok(destination)
    }

    /// Makes the files visible; the result last, so that whoever sees it sees its rejects too.
    pub(crate) async fn publish(
        self,
        written: Written,
        rejects: Option<RejectsWriter>,
        rows: u64,
        output: &Output,
    ) -> Result<(Vec<FileReport>, Option<RejectsReport>)> {
        let mut main = match written {
            Written::One(upload) => *upload,
            Written::Parts(parts) => return self.publish_parts(parts, rejects, output).await,
        };
        // All bytes are sent before anything shows.
        let sent = async {
            main.finish().await?;
            match rejects {
                Some(writer) => writer.finish().await,
                None => Ok(None),
            }
        };
        let rejects = match sent.await {
            Ok(rejects) => rejects,
            Err(error) => {
                main.abort().await;
                return Err(error);
            }
        };
        let rejects = publish_rejects(rejects).await?;
        let location = main.location().clone();
        let size_bytes = main.publish().await?;
        let file = FileReport {
            url: location.url.to_string(),
            name: location.file_name(),
            format: output.format.as_str(),
            size_bytes,
            rows,
            partition: Vec::new(),
        };
        Ok((vec![file], rejects))
    }

    async fn publish_parts(
        self,
        parts: Vec<Part>,
        rejects: Option<RejectsWriter>,
        output: &Output,
    ) -> Result<(Vec<FileReport>, Option<RejectsReport>)> {
        let mut ready = Vec::with_capacity(parts.len());
        let sent = async {
            for part in parts {
                ready.push(part.send().await?);
            }
            match rejects {
                Some(writer) => writer.finish().await,
                None => Ok(None),
            }
        };
        let rejects = match sent.await {
            Ok(rejects) => publish_rejects(rejects).await,
            Err(error) => Err(error),
        };
        let rejects = match rejects {
            Ok(rejects) => rejects,
            Err(error) => {
                for part in ready {
                    part.file.abort().await;
                }
                return Err(error);
            }
        };
        let published = ready.into_iter().map(|part| async move {
            let size_bytes = part.file.publish().await;
            (part.target.location, part.name, part.rows, part.values, size_bytes)
        });
        let published: Vec<_> = futures::stream::iter(published).buffered(PUBLISHED_AT_ONCE).collect().await;
        let mut files = Vec::with_capacity(published.len());
        let mut failed = None;
        let mut shown = Vec::with_capacity(published.len());
        for (location, name, rows, partition, size_bytes) in published {
            match size_bytes {
                Ok(size_bytes) => {
                    let (url, format) = (location.url.to_string(), output.format.as_str());
                    files.push(FileReport { url, name, format, size_bytes, rows, partition });
                    shown.push(location);
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            for location in shown {
                remove(&location).await;
            }
            return Err(error);
        }
        remove_old(self.old, &files.iter().map(|file| file.url.clone()).collect()).await;
        Ok((files, rejects))
    }
}

async fn publish_rejects(rejects: Option<(Upload, u64)>) -> Result<Option<RejectsReport>> {
    let Some((upload, rows)) = rejects else { return Ok(None) };
    let url = upload.location().url.to_string();
    Ok(Some(RejectsReport { url, rows, size_bytes: upload.publish().await? }))
}

/// Divides all batches into files, encoded on disk. `tick` is called after each.
pub(crate) async fn write_parts(
    mut parts: Parts<'_>,
    mut batches: mpsc::Receiver<Result<RecordBatch>>,
    progress: &Progress,
    cancel: &CancellationToken,
    tick: impl Fn(),
) -> Result<Vec<Part>> {
    let work = async {
        while let Some(batch) = batches.recv().await {
            let batch = batch?;
            progress.add_written(parts.write(&batch)?);
            progress.add_out(batch.num_rows() as u64);
            tick();
        }
        let (files, written) = parts.finish()?;
        progress.add_written(written);
        Ok(files)
    };
    or_cancelled(cancel, work).await
}

/// Encodes and sends all batches. `tick` is called after each. After an error or a cancellation nothing is left.
pub(crate) async fn write(
    target: &Target,
    encoder: ParallelEncoder,
    mut batches: mpsc::Receiver<Result<RecordBatch>>,
    progress: &Progress,
    cancel: &CancellationToken,
    tick: impl Fn(),
) -> Result<Upload> {
    let mut upload = target.create()?;
    match or_cancelled(cancel, send(&mut upload, encoder, &mut batches, progress, tick)).await {
        Ok(()) => Ok(upload),
        Err(error) => {
            drop(batches);
            upload.abort().await;
            Err(error)
        }
    }
}

async fn send(
    upload: &mut Upload,
    mut encoder: ParallelEncoder,
    batches: &mut mpsc::Receiver<Result<RecordBatch>>,
    progress: &Progress,
    tick: impl Fn(),
) -> Result<()> {
    let mut buffer = Vec::new();
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        encoder.write(batch, &mut buffer).await?;
        progress.add_out(rows);
        progress.add_written(buffer.len() as u64);
        if !buffer.is_empty() {
            upload.write(&mut buffer).await?;
        }
        tick();
    }
    encoder.finish(&mut buffer).await?;
    progress.add_written(buffer.len() as u64);
    upload.write(&mut buffer).await
}
