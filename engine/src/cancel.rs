//! Cancelling: a token that the job's driver, its readers and its planner watch.

pub use tokio_util::sync::CancellationToken;

use crate::error::{EngineError, ErrorCode, Result};

/// The error of a cancelled job.
pub fn cancelled() -> EngineError {
    EngineError::new(ErrorCode::Cancelled, "the job was cancelled")
}

/// Runs `work` until it ends or the token is cancelled, which drops it.
pub async fn or_cancelled<T>(token: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = token.cancelled() => Err(cancelled()),
        result = work => result,
    }
}
