//! Passes something from block to block, in the order of the input, among threads that work on blocks in parallel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

/// Tries before a thread that waits for its turn goes to sleep: turns are short.
const SPINS: u32 = 200;
/// No block has this number.
const BROKEN: u64 = u64::MAX;

/// What is passed on, and whose turn it is.
#[derive(Debug)]
pub(super) struct Relay<T> {
    next: AtomicU64,
    value: Mutex<T>,
    passed: Condvar,
}

impl<T> Relay<T> {
    /// The first turn is that of block 0.
    pub(super) fn new(value: T) -> Self {
        Self { next: AtomicU64::new(0), value: Mutex::new(value), passed: Condvar::new() }
    }

    /// Waits until all blocks before `block` had their turn, works on the value and passes it on.
    ///
    /// `None` if a thread broke the relay, because its block will never have its turn.
    pub(super) fn turn<R>(&self, block: u64, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        for _ in 0..SPINS {
            if self.next.load(Ordering::Acquire) == block {
                break;
            }
            std::hint::spin_loop();
        }
        // A panic inside of `work` poisons the lock, which ends the relay too.
        let mut value = self.value.lock().ok()?;
        loop {
            match self.next.load(Ordering::Acquire) {
                BROKEN => return None,
                next if next == block => break,
                _ => value = self.passed.wait(value).ok()?,
            }
        }
        let result = work(&mut value);
        // Broken in the meantime, it stays so.
        let _ = self.next.compare_exchange(block, block + 1, Ordering::AcqRel, Ordering::Acquire);
        drop(value);
        self.passed.notify_all();
        Some(result)
    }

    /// Ends all waiting: some block will never have its turn.
    pub(super) fn break_off(&self) {
        self.next.store(BROKEN, Ordering::Release);
        // Whoever is about to wait holds the lock, and looks at `next` before.
        drop(self.value.lock());
        self.passed.notify_all();
    }

    /// Looks at the value between two turns.
    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.value.lock().ok().map(|value| look(&value))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn turns_come_in_order() {
        let (relay, blocks) = (Relay::new(Vec::new()), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let block = blocks.fetch_add(1, Ordering::Relaxed);
                        if block >= 1000 {
                            return;
                        }
                        relay.turn(block, |seen| seen.push(block)).unwrap();
                    }
                });
            }
        });
        assert_eq!(relay.look(Clone::clone).unwrap(), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_broken_relay_lets_nobody_wait() {
        let relay = Relay::new(());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| relay.turn(1, |()| ()));
            relay.break_off();
            assert_eq!(waiting.join().unwrap(), None);
        });
        assert_eq!(relay.turn(0, |()| ()), None);
    }
}
