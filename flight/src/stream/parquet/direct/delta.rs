//! Whole numbers as differences, packed in blocks (`DELTA_BINARY_PACKED`,
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC>).

use bytes::Bytes;

use super::bits::{number_at, unpack, varint};
use super::{Halt, Read};

/// Numbers of a miniblock, at most: writers have 32 or 64.
const MOST: usize = 1024;

/// Reads numbers as far as they are asked for.
#[derive(Clone)]
pub struct Delta {
    bytes: Bytes,
    at: usize,
    /// Miniblocks of a block, and numbers of a miniblock.
    miniblocks: usize,
    size: usize,
    /// Numbers that are left, in miniblocks not looked at.
    left: u64,
    /// Of the block: the least difference, and the widths of the miniblocks that are left.
    least: i64,
    widths: std::ops::Range<usize>,
    /// The number before.
    last: i64,
    ready: Vec<i64>,
    taken: usize,
}

impl Delta {
    /// Numbers from the beginning of the bytes.
    pub fn new(bytes: Bytes) -> Read<Self> {
        let mut at = 0;
        let mut number = || varint(&bytes, &mut at);
        let (block, miniblocks, count, first) = (number()?, number()?, number()?, unzigzag(number()?));
        let size = block.checked_div(miniblocks).ok_or(Halt::NotOurs)?;
        let [miniblocks, size] = [miniblocks, size].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        if size % 32 != 0 || size == 0 || size > MOST || miniblocks > MOST {
            return Err(Halt::NotOurs);
        }
        let ready = if count > 0 { vec![first] } else { Vec::new() };
        let left = count.saturating_sub(1);
        Ok(Self { bytes, at, miniblocks, size, left, least: 0, widths: 0..0, last: first, ready, taken: 0 })
    }

    /// The next numbers, each given to `put` in turn.
    pub fn take(&mut self, mut count: usize, mut put: impl FnMut(&[i64])) -> Read<()> {
        while count > 0 {
            if self.taken == self.ready.len() {
                self.unpack()?;
            }
            let length = count.min(self.ready.len() - self.taken);
            put(&self.ready[self.taken..self.taken + length]);
            self.taken += length;
            count -= length;
        }
        Ok(())
    }

    /// Where the bytes after the last number begin.
    pub fn end(&self) -> Read<usize> {
        let mut walker = self.clone();
        while walker.left > 0 {
            walker.miniblock()?;
            walker.left = walker.left.saturating_sub(walker.size as u64);
        }
        Ok(walker.at)
    }

    /// The next miniblock: where it begins, and its width. It is passed.
    fn miniblock(&mut self) -> Read<(usize, u32)> {
        if self.widths.is_empty() {
            self.least = unzigzag(varint(&self.bytes, &mut self.at)?);
            self.widths = self.at..self.at + self.miniblocks;
            self.at += self.miniblocks;
        }
        let width = self.widths.next().and_then(|at| self.bytes.get(at)).ok_or(Halt::NotOurs)?;
        let start = self.at;
        self.at += usize::from(*width) * self.size / 8;
        // Of the last one, what no number needs may be missing.
        if *width > 64 || start > self.bytes.len() {
            return Err(Halt::NotOurs);
        }
        Ok((start, u32::from(*width)))
    }

    fn unpack(&mut self) -> Read<()> {
        if self.left == 0 {
            return Err(Halt::NotOurs);
        }
        let (start, width) = self.miniblock()?;
        let count = usize::try_from(self.left).map_or(self.size, |left| left.min(self.size));
        let packed = &self.bytes[start..];
        if (packed.len() as u64) * 8 < count as u64 * u64::from(width) {
            return Err(Halt::NotOurs);
        }
        self.left -= count as u64;
        self.ready.clear();
        self.taken = 0;
        let mut last = self.last;
        let mut step = |distance: u64| {
            last = last.wrapping_add(self.least).wrapping_add(distance.cast_signed());
            last
        };
        if width <= u32::BITS {
            let mut distances = [0; MOST];
            unpack(packed, width, 0, &mut distances[..count]);
            self.ready.extend(distances[..count].iter().map(|distance| step(u64::from(*distance))));
        } else {
            self.ready.extend((0..count).map(|index| step(number_at(packed, width, index))));
        }
        self.last = last;
        Ok(())
    }
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn varint_of(mut number: u64, out: &mut Vec<u8>) {
        while number > 0x7F {
            out.push(u8::try_from(number & 0x7F).unwrap() | 0x80);
            number >>= 7;
        }
        out.push(u8::try_from(number).unwrap());
    }

    fn zigzag_of(number: i64, out: &mut Vec<u8>) {
        varint_of(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
    }

    /// Writes the encoding by its specification, bit by bit, in blocks of 128 numbers and miniblocks of 32.
    fn encode(numbers: &[i64]) -> Bytes {
        let mut out = vec![0x80, 1, 4];
        varint_of(numbers.len() as u64, &mut out);
        zigzag_of(numbers.first().copied().unwrap_or_default(), &mut out);
        let steps: Vec<i64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        for block in steps.chunks(128) {
            let least = *block.iter().min().unwrap();
            zigzag_of(least, &mut out);
            let widths = out.len();
            out.extend([0; 4]);
            for (index, steps) in block.chunks(32).enumerate() {
                let mut above: Vec<u64> = steps.iter().map(|step| step.wrapping_sub(least).cast_unsigned()).collect();
                above.resize(32, 0);
                let width = 64 - above.iter().fold(0, |all, above| all | above).leading_zeros();
                out[widths + index] = u8::try_from(width).unwrap();
                let bits: Vec<bool> =
                    above.iter().flat_map(|above| (0..width).map(move |bit| above >> bit & 1 == 1)).collect();
                out.extend(
                    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))),
                );
            }
        }
        out.into()
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![0..40_i64, any::<i64>(), Just(i64::MIN)], 0..600)
    }

    proptest! {
        #[test]
        fn numbers_come_back_in_any_portions(numbers in numbers(), portion in 1..300_usize) {
            let mut bytes = encode(&numbers).to_vec();
            let end = bytes.len();
            bytes.extend(b"what follows");
            let mut delta = Delta::new(bytes.into()).unwrap();
            prop_assert_eq!(delta.end().unwrap(), end);
            let mut out = Vec::new();
            for chunk in numbers.chunks(portion) {
                delta.take(chunk.len(), |numbers| out.extend_from_slice(numbers)).unwrap();
            }
            prop_assert_eq!(out, numbers);
            let more = delta.take(1, |_| ());
            prop_assert!(more.is_err());
        }

        #[test]
        fn any_bytes_end_as_numbers_or_as_not_ours(mut bytes in prop::collection::vec(any::<u8>(), 0..200), plausible in any::<bool>()) {
            if plausible {
                bytes.splice(..0, [0x80, 1, 4]);
            }
            if let Ok(mut delta) = Delta::new(bytes.into()) {
                let _ = delta.end();
                let _ = delta.take(5000, |_| ());
            }
        }
    }
}
