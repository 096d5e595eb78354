//! The threads of the direct way: each takes blocks, works on them, and writes what comes of them in input order.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::plan::Direct;
use super::relay::Relay;
use super::work::{Done, Scratch, Work};
use crate::cancel::{CancellationToken, cancelled, or_cancelled};
use crate::error::{EngineError, Result};
use crate::scan::{BlockReader, Ledger};
use crate::sink::Upload;

/// What a run counted, beside what the ledger booked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Rows left out by filters and `distinct`.
    filtered: u64,
    /// Rows after each stage.
    pub(super) after: Vec<u64>,
    /// For each step, how many stages stand before its end.
    pub(super) steps: Vec<usize>,
    /// Bytes of the output.
    bytes: u64,
}

/// What the threads of a run share.
struct Run {
    work: Work,
    reader: BlockReader,
    ledger: Arc<Ledger>,
    cancel: CancellationToken,
    /// Numbers of blocks, given in input order.
    next: AtomicU64,
    totals: Relay<Totals>,
    /// A file of this machine: each thread writes its blocks to their places.
    file: Option<File>,
    /// Any other output: blocks are handed over in order.
    upload: Mutex<Option<Upload>>,
    runtime: Handle,
}

/// Runs on `threads` threads and writes to `upload`. After an error nothing is left.
pub(super) async fn run(
    direct: Direct,
    reader: BlockReader,
    ledger: Arc<Ledger>,
    mut upload: Upload,
    threads: usize,
    cancel: &CancellationToken,
) -> Result<(Upload, Totals)> {
    let Direct { work, mut head, steps, .. } = direct;
    let after = vec![0; work.stages()];
    let totals = Totals { after, steps, bytes: head.len() as u64, ..Totals::default() };
    ledger.progress().add_written(head.len() as u64);
    let file = match upload.write(&mut head).await.and_then(|()| upload.file()) {
        Ok(file) => file,
        Err(error) => {
            upload.abort().await;
            return Err(error);
        }
    };
    let run = Arc::new(Run {
        work,
        reader,
        ledger,
        cancel: cancel.clone(),
        next: AtomicU64::new(0),
        totals: Relay::new(totals),
        file,
        upload: Mutex::new(Some(upload)),
        runtime: Handle::current(),
    });
    let threads = (0..threads.max(1)).map(|_| {
        let run = Arc::clone(&run);
        let thread = tokio::task::spawn_blocking(move || run.thread());
        async { thread.await.map_err(|error| EngineError::internal(error.to_string()))? }
    });
    let ended = or_cancelled(cancel, try_join_all(threads)).await;
    run.stop();
    let upload = run.upload.lock().await.take();
    let mut upload = upload.ok_or_else(|| EngineError::internal("the output got lost"))?;
    let totals = run.totals.look(Totals::clone);
    match (ended, totals) {
        (Ok(_), Some(totals)) => {
            if run.file.is_some() {
                upload.set_written(totals.bytes);
            }
            Ok((upload, totals))
        }
        (ended, _) => {
            upload.abort().await;
            Err(ended.err().unwrap_or_else(|| EngineError::internal("a thread ended early")))
        }
    }
}

/// Ends all other threads if one ends without a word, as by a panic.
struct Watch<'a>(Option<&'a Run>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.0 {
            run.stop();
        }
    }
}

impl Run {
    /// Ends all threads.
    fn stop(&self) {
        self.reader.stop();
        self.work.break_off();
        self.totals.break_off();
    }

    fn thread(&self) -> Result<()> {
        let mut watch = Watch(Some(self));
        let result = self.blocks();
        if result.is_ok() {
            watch.0 = None;
        }
        result
    }

    /// Takes blocks until there are no more, or another thread ends the work.
    fn blocks(&self) -> Result<()> {
        let mut scratch = Scratch::default();
        loop {
            if self.cancel.is_cancelled() {
                return Err(cancelled());
            }
            let mut number = 0;
            let announce = || {
                number = self.next.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            let done = match self.reader.next(&mut scratch.index, announce) {
                Ok(Some(block)) => self.work.take(&block, number, &mut scratch),
                Ok(None) => return Ok(()),
                Err(error) => {
                    number = self.next.fetch_add(1, Ordering::Relaxed);
                    Err(error)
                }
            };
            // Errors too wait for their turn: the first one in the file is reported.
            let turn = |done: Option<Done>| match done {
                Some(done) => self.totals.turn(number, |totals| self.book(totals, done)).transpose(),
                None => Ok(None),
            };
            let written = match done {
                Ok(done) => turn(done)?,
                Err(error) => match self.totals.turn(number, |_| ()) {
                    Some(()) => return Err(error),
                    None => None,
                },
            };
            let Some((at, out)) = written else { return Ok(()) };
            if let Some(file) = &self.file {
                write_at(file, &out, at).map_err(|error| self.cannot_write(error))?;
            }
            scratch.out = out;
        }
    }

    /// Books a block in its turn; where its output starts, and the output itself.
    fn book(&self, totals: &mut Totals, done: Done) -> Result<(u64, Vec<u8>)> {
        let Done { mut out, good, rows_out, filtered, after, rejects } = done;
        self.runtime.block_on(or_cancelled(&self.cancel, self.ledger.book(good, rejects)))?;
        totals.filtered += filtered;
        for (total, rows) in totals.after.iter_mut().zip(after) {
            *total += rows;
        }
        let progress = self.ledger.progress();
        progress.add_out(rows_out);
        progress.add_written(out.len() as u64);
        progress.set_filtered(totals.filtered);
        let at = totals.bytes;
        totals.bytes += out.len() as u64;
        if self.file.is_none() && !out.is_empty() {
            let send = async {
                match self.upload.lock().await.as_mut() {
                    Some(upload) => upload.write(&mut out).await,
                    None => Err(cancelled()),
                }
            };
            self.runtime.block_on(or_cancelled(&self.cancel, send))?;
        }
        Ok((at, out))
    }

    fn cannot_write(&self, error: std::io::Error) -> EngineError {
        let upload = self.runtime.block_on(self.upload.lock());
        match upload.as_ref() {
            Some(upload) => upload.cannot_write(error),
            None => error.into(),
        }
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[count..];
        at += count as u64;
    }
    Ok(())
}
