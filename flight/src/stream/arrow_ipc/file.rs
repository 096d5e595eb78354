//! An Arrow IPC file: its batches lie as Flight sends them, so that they go out as they are where that is possible.

use std::ops::Range;

use arrow_flight::FlightData;
use bytes::Bytes;
use karyaksham_engine::open::ArrowFile;

use crate::error::Result;
use crate::stream::objects::Object;
use crate::stream::output::{Ahead, Output};
use crate::stream::ranges::Windows;
use crate::stream::spool::Key;

/// Stored bytes of one part, about: the spool keeps parts, and none that takes much of its room.
const PART: u64 = 32 * 1024 * 1024;
/// The first part is small, so that the first batch needs not wait for much else.
const FIRST_PART: u64 = 1024 * 1024;

/// Batches that follow each other, and the bytes in which they lie.
struct Part {
    batches: Range<usize>,
    bytes: Vec<Range<u64>>,
}

impl Part {
    fn key(&self, object: &Object) -> Key {
        (object.id(), Some(self.batches.start))
    }

    /// Start to read it. Must run inside the runtime.
    fn fetch(&self, object: &Object, budget: u64) -> Windows {
        Windows::new(object.clone(), self.bytes.iter().cloned(), budget, false)
    }
}

/// Send the file, part by part: those that the spool has are not read again. The bytes of the next part are on their way
/// while one is sent.
pub(super) fn send(object: &Object, file: &ArrowFile, out: &mut Output) -> Result<()> {
    let ranges = (0..file.batches()).map(|number| Ok(file.range(number)?)).collect::<Result<Vec<_>>>()?;
    let parts = parts(&ranges);
    let as_stored = file.schema() == *out.schema();
    let mut ahead = Ahead::default();
    for (index, part) in parts.iter().enumerate() {
        let key = part.key(object);
        let coming = ahead.take(&key);
        out.part(&key, true, |out| {
            let budget = out.part_bytes();
            let windows = coming.unwrap_or_else(|| part.fetch(object, budget));
            for number in part.batches.clone() {
                let data = windows.whole(&ranges[number])?;
                batch(file, number, &data, as_stored, out)?;
                if number == part.batches.start
                    && let Some(next) = parts.get(index + 1)
                {
                    ahead.start(next.key(object), out, || next.fetch(object, budget));
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Send one batch. It is decoded in any case, which copies nothing: what is damaged must not go out.
fn batch(file: &ArrowFile, number: usize, data: &Bytes, as_stored: bool, out: &mut Output) -> Result<()> {
    let decoded = file.decode_at(number, data.clone())?;
    if as_stored
        && decoded.num_rows() > 0
        && data.len() <= out.batch_bytes()
        && let Some((data_header, data_body)) = file.message_at(number, data)?
    {
        // Its columns lie in the bytes that are sent.
        drop(decoded);
        return out.message(FlightData { data_header, data_body, ..FlightData::default() });
    }
    out.batch(decoded)
}

/// Cut batches that lie in these bytes.
fn parts(ranges: &[Range<u64>]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut size = 0;
    for (number, range) in ranges.iter().enumerate() {
        let length = range.end - range.start;
        let most = if parts.len() == 1 { FIRST_PART } else { PART };
        if let Some(part) = parts.last_mut().filter(|_| size + length <= most) {
            size += length;
            part.batches.end = number + 1;
            match part.bytes.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => part.bytes.push(range.clone()),
            }
        } else {
            size = length;
            parts.push(Part { batches: number..number + 1, bytes: vec![range.clone()] });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges of these lengths, one after the other.
    fn ranges(lengths: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
        let mut end = 8;
        let next = |length| {
            end += length;
            end - length..end
        };
        lengths.into_iter().map(next).collect()
    }

    #[test]
    fn parts_are_all_batches_once_and_none_is_much_larger_than_asked() {
        for lengths in
            [vec![], vec![10], vec![1 << 40], vec![100; 7], vec![1 << 20; 1000], vec![PART; 3], vec![1; 4097]]
        {
            let ranges = ranges(lengths);
            let parts = parts(&ranges);
            let mut next = 0;
            for part in &parts {
                assert_eq!(part.batches.start, next);
                let whole = ranges[part.batches.start].start..ranges[part.batches.end - 1].end;
                assert_eq!(part.bytes, std::slice::from_ref(&whole), "neighbours are one range");
                assert!(part.batches.len() == 1 || whole.end - whole.start <= PART);
                next = part.batches.end;
            }
            assert_eq!(next, ranges.len());
        }
    }

    #[test]
    fn the_first_part_is_small() {
        let parts = parts(&ranges(vec![300 << 10; 1000]));
        assert_eq!(parts[0].batches, 0..3);
        assert_eq!(parts[1].batches, 3..112);
    }

    #[test]
    fn batches_that_do_not_lie_side_by_side_are_ranges_of_their_own() {
        let parts = parts(&[1000..1100, 8..500, 500..600, 700..800]);
        assert_eq!(parts[0].bytes, [1000..1100, 8..600, 700..800]);
    }
}
