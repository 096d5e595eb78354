//! Short work for all threads at once.

use std::num::NonZero;
use std::thread;

/// Runs `work` on this thread and on others, as many as there are cores and `most` allows; what each of them gives. What is to
/// be done, they take from something that they share.
pub(crate) fn on_all<T: Send>(most: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(most)).map(|_| scope.spawn(&work)).collect();
        let mut found = vec![work()];
        // A panic goes on here, where it is caught.
        let join = |other: thread::ScopedJoinHandle<'_, T>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        found.extend(others.into_iter().map(join));
        found
    })
}
