//! Numbers packed into bits, and Parquet's hybrid of runs and packed numbers
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>).

use arrow::array::BooleanBufferBuilder;
use bytes::{Buf as _, Bytes};

use super::{Halt, Read};

/// Numbers that are unpacked together: they end at a whole word whatever their width.
const BLOCK: usize = 32;

/// Numbers of `width` bits, at most 32, packed one after the other from the lowest bit on: those from `first` on.
/// The bytes must hold all of them.
pub fn unpack(bytes: &[u8], width: u32, first: usize, out: &mut [u32]) {
    let head = out.len().min(first.next_multiple_of(BLOCK) - first);
    let (alone, rest) = out.split_at_mut(head);
    unpack_alone(bytes, width, first, alone);
    let start = (first + head) * width as usize / 8;
    let done = unpack_blocks(bytes.get(start..).unwrap_or_default(), width, rest);
    unpack_alone(bytes, width, first + head + done, &mut rest[done..]);
}

/// One number after the other, wherever they begin.
fn unpack_alone(bytes: &[u8], width: u32, first: usize, out: &mut [u32]) {
    for (index, place) in (first..).zip(out) {
        #[expect(clippy::cast_possible_truncation, reason = "it has at most 32 bits")]
        let number = number_at(bytes, width, index) as u32;
        *place = number;
    }
}

/// The number with this index, of at most 64 bits; bits beyond the end are zero.
pub fn number_at(bytes: &[u8], width: u32, index: usize) -> u64 {
    let bit = index * width as usize;
    let tail = bytes.get(bit / 8..).unwrap_or_default();
    let mut word = [0; 16];
    let length = tail.len().min(word.len());
    word[..length].copy_from_slice(&tail[..length]);
    let mask = (1_u128 << width) - 1;
    #[expect(clippy::cast_possible_truncation, reason = "what is masked has at most 64 bits")]
    let number = (u128::from_le_bytes(word) >> (bit % 8) & mask) as u64;
    number
}

/// Whole blocks from the beginning of the bytes; how many numbers were unpacked.
fn unpack_blocks(bytes: &[u8], width: u32, out: &mut [u32]) -> usize {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                0 => {
                    out.fill(0);
                    out.len()
                }
                $($width => unpack_blocks_of::<$width>(bytes, out),)*
                _ => 0,
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
}

fn unpack_blocks_of<const WIDTH: usize>(bytes: &[u8], out: &mut [u32]) -> usize {
    let (blocks, _) = out.as_chunks_mut::<BLOCK>();
    let (words, _) = bytes.as_chunks::<4>();
    let (words, _) = words.as_chunks::<WIDTH>();
    let mask = u32::MAX >> (32 - WIDTH);
    let mut done = 0;
    for (block, words) in blocks.iter_mut().zip(words) {
        let words: [u32; WIDTH] = std::array::from_fn(|at| u32::from_le_bytes(words[at]));
        for (index, place) in block.iter_mut().enumerate() {
            let (word, shift) = (index * WIDTH / 32, index * WIDTH % 32);
            let low = words[word] >> shift;
            let high = if shift + WIDTH > 32 { words[word + 1] << (32 - shift) } else { 0 };
            *place = (low | high) & mask;
        }
        done += BLOCK;
    }
    done
}

/// The next number of seven bits a byte (`ULEB128`).
pub fn varint(bytes: &[u8], at: &mut usize) -> Read<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Halt::NotOurs)?;
        *at += 1;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Halt::NotOurs)
}

/// Reads the hybrid encoding as far as it is asked for: what a page claims costs nothing.
pub struct Hybrid {
    bytes: Bytes,
    at: usize,
    width: u32,
    run: Run,
}

enum Run {
    /// One number, so many times.
    Same { number: u32, left: usize },
    /// Packed from a byte on, with so many read of so many.
    Packed { start: usize, read: usize, count: usize },
}

impl Hybrid {
    /// Numbers of `width` bits.
    pub fn new(bytes: Bytes, width: u32) -> Read<Self> {
        if width > u32::BITS {
            return Err(Halt::NotOurs);
        }
        Ok(Self { bytes, at: 0, width, run: Run::Same { number: 0, left: 0 } })
    }

    /// A page's numbers in a dictionary, behind a byte that says how many bits each has.
    pub fn indices(mut bytes: Bytes) -> Read<Self> {
        let width = *bytes.first().ok_or(Halt::NotOurs)?;
        bytes.advance(1);
        Self::new(bytes, width.into())
    }

    /// Bits without runs: numbers of one bit.
    pub fn bits(bytes: Bytes) -> Self {
        let (at, count) = (bytes.len(), bytes.len().saturating_mul(8));
        Self { bytes, at, width: 1, run: Run::Packed { start: 0, read: 0, count } }
    }

    /// The next numbers.
    pub fn take(&mut self, mut out: &mut [u32]) -> Read<()> {
        while !out.is_empty() {
            let length = self.left()?.min(out.len());
            let (now, later) = out.split_at_mut(length);
            match &mut self.run {
                Run::Same { number, left } => {
                    now.fill(*number);
                    *left -= length;
                }
                Run::Packed { start, read, .. } => {
                    unpack(&self.bytes[*start..], self.width, *read, now);
                    *read += length;
                }
            }
            out = later;
        }
        Ok(())
    }

    /// The next numbers of one bit.
    pub fn take_bits(&mut self, mut count: usize, out: &mut BooleanBufferBuilder) -> Read<()> {
        while count > 0 {
            let length = self.left()?.min(count);
            match &mut self.run {
                Run::Same { number, left } => {
                    out.append_n(length, *number == 1);
                    *left -= length;
                }
                Run::Packed { start, read, .. } => {
                    out.append_packed_range(*start * 8 + *read..*start * 8 + *read + length, &self.bytes);
                    *read += length;
                }
            }
            count -= length;
        }
        Ok(())
    }

    /// Numbers that are left of the run: at least one.
    fn left(&mut self) -> Read<usize> {
        loop {
            let left = match self.run {
                Run::Same { left, .. } => left,
                Run::Packed { read, count, .. } => count - read,
            };
            if left > 0 {
                return Ok(left);
            }
            self.next_run()?;
        }
    }

    fn next_run(&mut self) -> Read<()> {
        let header = varint(&self.bytes, &mut self.at)?;
        let count = usize::try_from(header >> 1).map_err(|_| Halt::NotOurs)?;
        let width = self.width as usize;
        let rest = self.bytes.len() - self.at;
        if header & 1 == 0 {
            let length = width.div_ceil(8);
            let bytes = self.bytes.get(self.at..self.at + length).ok_or(Halt::NotOurs)?;
            let mut number = [0; 4];
            number[..length].copy_from_slice(bytes);
            self.at += length;
            self.run = Run::Same { number: u32::from_le_bytes(number), left: count };
        } else {
            // The last run may end before its last group does.
            let length = count.saturating_mul(width).min(rest);
            let count = count.saturating_mul(8).min((length * 8).checked_div(width).unwrap_or(usize::MAX));
            self.run = Run::Packed { start: self.at, read: 0, count };
            self.at += length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packs bit by bit.
    fn pack(numbers: &[u32], width: u32) -> Vec<u8> {
        let bits: Vec<bool> =
            numbers.iter().flat_map(|number| (0..width).map(move |bit| number >> bit & 1 == 1)).collect();
        bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    proptest! {
        #[test]
        fn packed_numbers_come_back_from_anywhere(width in 0..=32_u32, numbers in prop::collection::vec(any::<u32>(), 1..300), first in 0..300_usize) {
            let mask = u32::MAX.checked_shr(32 - width).unwrap_or(0);
            let numbers: Vec<u32> = numbers.iter().map(|number| number & mask).collect();
            let first = first % numbers.len();
            let mut out = vec![7; numbers.len() - first];
            unpack(&pack(&numbers, width), width, first, &mut out);
            prop_assert_eq!(out, &numbers[first..]);
        }

        #[test]
        fn any_bytes_end_as_numbers_or_as_not_ours(bytes in prop::collection::vec(any::<u8>(), 0..100), width in 0..40_u32, counts in prop::collection::vec(0..200_usize, 0..8)) {
            if let Ok(mut numbers) = Hybrid::new(bytes.clone().into(), width) {
                for count in &counts {
                    let _ = numbers.take(&mut vec![0; *count]);
                }
            }
            if let Ok(mut bits) = Hybrid::new(bytes.into(), 1) {
                let mut out = BooleanBufferBuilder::new(0);
                for count in counts {
                    let _ = bits.take_bits(count, &mut out);
                }
            }
        }
    }

    #[test]
    fn runs_and_packed_numbers_follow_each_other() {
        // 5 × the number 3, 8 packed numbers, 2 × the number 1; of three bits.
        let mut bytes = vec![5 << 1, 3, 1 << 1 | 1];
        bytes.extend(pack(&[0, 1, 2, 3, 4, 5, 6, 7], 3));
        bytes.extend([2 << 1, 1]);
        let mut numbers = Hybrid::new(bytes.into(), 3).unwrap();
        let mut out = [9; 15];
        let (begin, end) = out.split_at_mut(7);
        numbers.take(begin).unwrap();
        numbers.take(end).unwrap();
        assert_eq!(out, [3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 1, 1]);
        assert!(numbers.take(&mut [0]).is_err());
    }
}
