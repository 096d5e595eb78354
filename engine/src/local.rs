//! Files of this machine, read without the detour over a store.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::threads::on_all;

/// What a thread reads at once.
const STEP_BYTES: usize = 1 << 20;

/// Fills `buffer` from a place in the file; fewer bytes only at its end.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let read = {
            #[cfg(unix)]
            {
                std::os::unix::fs::FileExt::read_at(file, &mut buffer[filled..], offset)
            }
            #[cfg(windows)]
            {
                std::os::windows::fs::FileExt::seek_read(file, &mut buffer[filled..], offset)
            }
        };
        match read {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads ranges of a file on all threads: half of the time goes to fresh memory, which the kernel clears page by page.
/// [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
pub(crate) fn read_ranges(file: &File, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
    let length = |range: &Range<u64>| usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut buffers: Vec<Vec<u8>> = ranges.iter().map(|range| vec![0; length(range)]).collect();
    let mut work: Vec<(&mut [u8], u64)> = Vec::new();
    for (buffer, range) in buffers.iter_mut().zip(ranges) {
        let offsets = (range.start..).step_by(STEP_BYTES);
        work.extend(buffer.chunks_mut(STEP_BYTES).zip(offsets));
    }
    let most = work.len();
    let work = Mutex::new(work.into_iter());
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    let read = || -> io::Result<()> {
        while let Some((part, offset)) = next() {
            if read_at(file, part, offset)? < part.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    };
    on_all(most, read).into_iter().collect::<io::Result<()>>()?;
    Ok(buffers.into_iter().map(Bytes::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_whole_or_not_at_all() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * STEP_BYTES + 5).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let wanted = [3..2 * STEP_BYTES + 9, 0..0, 7..8, STEP_BYTES..bytes.len()];
        let ranges = wanted.clone().map(|range| range.start as u64..range.end as u64);
        for (range, found) in wanted.into_iter().zip(read_ranges(&file, &ranges).unwrap()) {
            assert_eq!(found, bytes[range]);
        }
        let beyond = bytes.len() as u64 - 1..bytes.len() as u64 + 1;
        assert_eq!(read_ranges(&file, &[beyond]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
