//! Counts rows and takes rejects: no row is lost silently.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use karyaksham_spec::OnBadRow;
use tokio::sync::Mutex;

use super::convert::NOT_UTF8;
use super::json::UNKNOWN_FIELD;
use super::rejects::{Reject, RejectsWriter};
use crate::error::{EngineError, ErrorCode, Result};
use crate::progress::Progress;

/// What happens to rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRows {
    /// Fail or reject.
    pub on_bad_row: OnBadRow,
    /// How many may be rejected.
    pub max_rejects: Option<u64>,
}

/// The ledger of one job, shared by all its inputs.
#[derive(Debug)]
pub struct Ledger {
    policy: BadRows,
    progress: Arc<Progress>,
    writer: Mutex<Option<RejectsWriter>>,
    collected: std::sync::Mutex<Vec<Reject>>,
    open: Option<Arc<OpenTypes>>,
}

/// Columns whose types a sample gave: a value that does not fit one is no bad row, but says that the sample was wrong.
#[derive(Debug, Default)]
pub struct OpenTypes {
    columns: HashSet<String>,
    /// Whether there may be columns that the sample did not have.
    more: bool,
    conflict: AtomicBool,
}

impl OpenTypes {
    /// Of these columns; with `more`, of others too that no line of a sample had.
    pub fn new(columns: HashSet<String>, more: bool) -> Self {
        Self { columns, more, conflict: AtomicBool::new(false) }
    }

    /// Whether a value was met that does not fit.
    pub fn met_conflict(&self) -> bool {
        self.conflict.load(Ordering::Acquire)
    }

    /// Whether a reject's value is of an open column, or stands within one of JSON (`props.page`, `tags[]`).
    fn concerns(&self, reject: &Reject) -> bool {
        let Some(column) = &reject.column else { return false };
        let within =
            |open: &String| column.strip_prefix(open.as_str()).is_some_and(|path| path.starts_with(['.', '[']));
        (self.more && reject.reason == UNKNOWN_FIELD)
            || self.columns.contains(column)
            || (column.contains(['.', '[']) && self.columns.iter().any(within))
    }

    fn check(&self, rejects: &[Reject]) -> Result<()> {
        let open = |reject: &&Reject| reject.reason != NOT_UTF8 && self.concerns(reject);
        let Some(reject) = rejects.iter().find(open) else { return Ok(()) };
        self.conflict.store(true, Ordering::Release);
        // Nobody sees this error: the job starts again.
        Err(EngineError::new(ErrorCode::BadRow, reject.reason.clone()).at(reject.line, reject.byte_offset))
    }
}

impl Ledger {
    /// A ledger that writes rejects to `writer`, or keeps them (previews) if there is none.
    pub fn new(policy: BadRows, progress: Arc<Progress>, writer: Option<RejectsWriter>) -> Self {
        Self { policy, progress, writer: Mutex::new(writer), collected: std::sync::Mutex::default(), open: None }
    }

    /// The same for columns whose types are open: a value that does not fit ends the reading.
    #[must_use]
    pub fn with_open_types(mut self, open: Option<Arc<OpenTypes>>) -> Self {
        self.open = open;
        self
    }

    /// A ledger for reading files that were written by this engine: a bad row is an error.
    pub fn strict() -> Self {
        let policy = BadRows { on_bad_row: OnBadRow::Fail, max_rejects: None };
        Self::new(policy, Arc::default(), None)
    }

    /// The same rules without booking: for plans that read a file a second time.
    pub(crate) fn silent() -> Self {
        Self::new(BadRows { on_bad_row: OnBadRow::Reject, max_rejects: None }, Arc::default(), None)
    }

    /// The job's counters.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Books the rows of one block.
    pub(crate) async fn book(&self, good: u64, rejects: Vec<Reject>) -> Result<()> {
        if let Some(open) = &self.open {
            open.check(&rejects)?;
        }
        self.progress.add_rows(good, rejects.len() as u64);
        let Some(first) = rejects.first() else { return Ok(()) };
        if self.policy.on_bad_row == OnBadRow::Fail {
            let error = EngineError::new(ErrorCode::BadRow, first.reason.clone())
                .at(first.line, first.byte_offset)
                .hint("mend the row, or let bad rows go to the rejects with \"onBadRow\": \"reject\"");
            return Err(match &first.column {
                Some(column) => error.column(column),
                None => error,
            });
        }
        self.keep(rejects).await
    }

    /// Books rows that a step rejects: they were read before, as good ones.
    pub(crate) async fn reject(&self, rejects: Vec<Reject>) -> Result<()> {
        self.progress.add_rejected(rejects.len() as u64);
        self.keep(rejects).await
    }

    /// Writes rejects that are counted already, unless there are too many.
    async fn keep(&self, rejects: Vec<Reject>) -> Result<()> {
        let Some(first) = rejects.first() else { return Ok(()) };
        let total = self.progress.snapshot().rows_rejected;
        if let Some(limit) = self.policy.max_rejects
            && total > limit
        {
            let message = format!("more than {limit} rows were rejected; the last one: {}", first.reason);
            let error = EngineError::new(ErrorCode::TooManyRejects, message)
                .hint("look at the file's format and types, or raise `maxRejects`");
            return Err(if first.line > 0 { error.at(first.line, first.byte_offset) } else { error });
        }
        if let Some(writer) = self.writer.lock().await.as_mut() {
            writer.write(&rejects).await?;
        } else {
            let mut collected = self.collected.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let room = 1000_usize.saturating_sub(collected.len());
            collected.extend(rejects.into_iter().take(room));
        }
        Ok(())
    }

    /// Hands back the writer.
    pub async fn take_writer(&self) -> Option<RejectsWriter> {
        self.writer.lock().await.take()
    }

    /// The first rejects, if there is no writer.
    pub fn collected(&self) -> Vec<Reject> {
        self.collected.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
