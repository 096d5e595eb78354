//! The process's own memory: what glibc's allocator gets wrong by its defaults, for jobs with little memory and for long
//! ones.

use std::time::{Duration, Instant};

/// Jobs with a limit of fewer bytes than this get a careful allocator.
const TIGHT_BYTES: u64 = 1 << 30;

/// Keeps what is freed from staying with the process, if a job's limit is tight.
///
/// Each thread would get a heap of its own, in which freed blocks of some megabytes stay: a sort under a limit of 512 MB
/// held 540 MB, of which 160 were such blocks. With two heaps and blocks that go back at once it holds 360 MB, and takes
/// less time, since spilling makes and frees many blocks.
pub(crate) fn keep_small(limit: Option<u64>) {
    if limit.is_some_and(|limit| limit < TIGHT_BYTES) {
        allocator::apply();
    }
}

/// Gives the memory that is free back to the system now and then.
///
/// What a long job keeps a little of (what a Parquet file's footer will say of each row group) comes to lie between large
/// blocks that are freed: the heap grew by 4 MB a gigabyte read. To look through it takes 4 to 20 ms.
#[derive(Debug)]
pub(crate) struct Trim {
    last: Instant,
}

impl Trim {
    /// Time between two times.
    const EVERY: Duration = Duration::from_secs(4);

    /// The first time is a while from now.
    pub(crate) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// Does it if it is time.
    pub(crate) fn now_and_then(&mut self) {
        if self.last.elapsed() >= Self::EVERY {
            allocator::trim();
            self.last = Instant::now();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    use std::sync::Once;

    const M_TRIM_THRESHOLD: i32 = -1;
    const M_MMAP_THRESHOLD: i32 = -3;
    const M_ARENA_MAX: i32 = -8;
    const BLOCK_BYTES: i32 = 256 << 10;
    const HEAPS: i32 = 2;

    pub(super) fn apply() {
        #[expect(unsafe_code, reason = "a function of the C library")]
        // SAFETY: the signature is that of glibc's malloc.h.
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for (parameter, value) in
                [(M_ARENA_MAX, HEAPS), (M_MMAP_THRESHOLD, BLOCK_BYTES), (M_TRIM_THRESHOLD, BLOCK_BYTES)]
            {
                #[expect(unsafe_code, reason = "a function of the C library")]
                // SAFETY: mallopt takes any numbers, at any time, from any thread; it answers 0 to what it does not know.
                let _ = unsafe { mallopt(parameter, value) };
            }
        });
    }

    pub(super) fn trim() {
        #[expect(unsafe_code, reason = "a function of the C library")]
        // SAFETY: the signature is that of glibc's malloc.h.
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        #[expect(unsafe_code, reason = "a function of the C library")]
        // SAFETY: malloc_trim may be called at any time, from any thread: it takes the lock of each heap.
        let _ = unsafe { malloc_trim(0) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod allocator {
    pub(super) fn apply() {}

    pub(super) fn trim() {}
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Bytes of memory that no file stands behind.
    fn anonymous() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    #[test]
    fn what_lies_free_between_small_blocks_is_given_back() {
        const BLOCK: usize = 64 << 10;
        // Far more than tests beside this one take meanwhile.
        const BLOCKS: usize = (512 << 20) / BLOCK;
        let (blocks, small): (Vec<Vec<u8>>, Vec<Box<u64>>) =
            (0..BLOCKS).map(|number| (vec![1; BLOCK], Box::new(number as u64))).unzip();
        drop(blocks);
        let held = anonymous();
        let mut trim = Trim::new();
        trim.now_and_then();
        assert!(held.abs_diff(anonymous()) < BLOCK * BLOCKS / 4, "it was not time yet");
        trim.last = Instant::now().checked_sub(Trim::EVERY).unwrap();
        trim.now_and_then();
        assert!(anonymous() + BLOCK * BLOCKS / 2 < held, "{} of {held} bytes are still held", anonymous());
        assert_eq!(small.len(), BLOCKS);
    }
}
