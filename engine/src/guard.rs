//! Decoders of others' formats panic on some damaged files. Here such a panic becomes an error of the input.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use futures::Stream;

use crate::error::{EngineError, ErrorCode};

thread_local! {
    /// How many guarded calls this thread is in.
    static GUARDED: Cell<u32> = const { Cell::new(0) };
}

/// Does `work`; the error is the text of a panic, which is not printed.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() == 0 {
                usual(info);
            }
        }));
    });
    GUARDED.set(GUARDED.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(GUARDED.get() - 1);
    done.map_err(|panic| panic_text(panic.as_ref()))
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".to_owned())
}

/// The error of an input of a binary format that its decoder does not take.
pub(crate) fn damaged_input(name: &str, what: &str) -> EngineError {
    EngineError::new(ErrorCode::InputFormat, format!("the file {name} cannot be read: {what}")).hint(DAMAGED_HINT)
}

/// What helps against damage.
pub(crate) const DAMAGED_HINT: &str =
    "the file is damaged: get it again from where it was made, and compare its size or checksum";

/// The error of a decoder, told as one of the input `name` where it says nothing better.
pub(crate) fn input_error(name: &str, error: impl Into<EngineError>) -> EngineError {
    let error = error.into();
    match error.code() {
        ErrorCode::Internal => damaged_input(name, &error.details().message),
        ErrorCode::InputFormat if error.details().hint.is_none() => damaged_input(name, &error.details().message),
        _ => error,
    }
}

/// What a decoder of the input `name` gives, its errors and panics told as those of the input. It ends with the first.
pub(crate) fn guarded<S, T, E>(stream: S, name: String) -> Guarded<S>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    E: Into<EngineError>,
{
    Guarded { stream: Some(stream), name }
}

/// The same for one piece of work.
pub(crate) async fn guarded_work<T>(
    name: String,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let mut work = Box::pin(work);
    std::future::poll_fn(|context| match caught(|| work.as_mut().poll(context)) {
        Ok(poll) => poll.map(|done| done.map_err(|error| input_error(&name, error))),
        Err(panic) => Poll::Ready(Err(damaged_input(&name, &panic))),
    })
    .await
}

/// See [`guarded`].
pub(crate) struct Guarded<S> {
    stream: Option<S>,
    name: String,
}

impl<S, T, E> Stream for Guarded<S>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    E: Into<EngineError>,
{
    type Item = Result<T, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let error = match caught(|| Pin::new(stream).poll_next(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Some(Ok(item)))) => return Poll::Ready(Some(Ok(item))),
            Ok(Poll::Ready(None)) => {
                self.stream = None;
                return Poll::Ready(None);
            }
            Ok(Poll::Ready(Some(Err(error)))) => input_error(&self.name, error),
            Err(panic) => damaged_input(&self.name, &panic),
        };
        self.stream = None;
        Poll::Ready(Some(Err(error)))
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, executor::block_on};

    use super::*;

    #[test]
    fn a_panic_is_an_error_of_the_input() {
        let numbers = futures::stream::iter([1, 2, 3]).map(|number| {
            assert!(number != 2, "two is damaged");
            Ok::<_, EngineError>(number)
        });
        let mut guarded = guarded(numbers, "a.parquet".to_owned());
        assert_eq!(block_on(guarded.next()).unwrap().unwrap(), 1);
        let error = block_on(guarded.next()).unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InputFormat);
        assert!(error.details().message.contains("a.parquet") && error.details().message.contains("two is damaged"));
        assert!(block_on(guarded.next()).is_none());
    }
}
