//! Tasks that end with their handle.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::error::{EngineError, Result};

/// A task on the job's CPU pool; it is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<Result<T>>);

impl<T: Send + 'static> Task<T> {
    /// Starts work. Must be called on a tokio runtime.
    pub(crate) fn spawn(work: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Whether it ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|joined| match joined {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(crate::cancel::cancelled()),
            Err(error) => Err(EngineError::internal(format!("a task failed: {error}"))),
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs pieces of work on the job's threads, and gives their results in order, or the first error.
pub(crate) async fn in_order<T, W>(work: impl Iterator<Item = W>) -> Result<Vec<T>>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    let tasks: Vec<Task<T>> = work.map(|work| Task::spawn(async move { work() })).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await?);
    }
    Ok(results)
}
