//! Parquet's hybrid of runs and packed bits
//! (<https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>).

/// Values that are packed together.
const GROUP: usize = 8;
/// Bits that a run must stand for: shorter ones take more room than packed bits.
const RUN_BITS: usize = 64;

/// The bits that numbers below `bound` need; at least one.
pub(super) fn width(bound: usize) -> u8 {
    let bits = u32::try_from(bound.saturating_sub(1)).unwrap_or(u32::MAX);
    u8::try_from((u32::BITS - bits.leading_zeros()).max(1)).unwrap_or(u8::MAX)
}

/// Appends numbers of `width` bits, at most 32, in the hybrid encoding.
pub(super) fn encode(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let run_least = RUN_BITS.div_ceil(usize::from(width)).max(GROUP);
    let (mut packed_from, mut at) = (0, 0);
    while let Some(group) = numbers.get(at..at + GROUP) {
        let first = group[0];
        if group.iter().any(|number| *number != first) {
            at += GROUP;
            continue;
        }
        let run = numbers[at..].iter().take_while(|number| **number == first).count();
        if run >= run_least {
            pack(&numbers[packed_from..at], width, out);
            encode_run(first, run, width, out);
            at += run;
            packed_from = at;
        } else {
            at += GROUP;
        }
    }
    pack(&numbers[packed_from..], width, out);
}

/// Appends a run of one number.
pub(super) fn encode_run(number: u32, count: usize, width: u8, out: &mut Vec<u8>) {
    varint((count as u64) << 1, out);
    out.extend_from_slice(&number.to_le_bytes()[..usize::from(width).div_ceil(8)]);
}

/// Appends bits, the first ones lowest, as a packed run of numbers of one bit.
pub(super) fn encode_bits(bits: &[u8], out: &mut Vec<u8>) {
    varint((bits.len() as u64) << 1 | 1, out);
    out.extend_from_slice(bits);
}

/// Appends a packed run, the last group filled with zeros.
fn pack(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(GROUP);
    varint((groups << 1 | 1) as u64, out);
    pack_bits(numbers, width, out);
}

/// Appends the lowest `width` bits of numbers that have no others, the first ones lowest, and zeros up to a whole group of
/// eight numbers.
pub(super) fn pack_bits(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let end = out.len() + numbers.len().div_ceil(GROUP) * usize::from(width);
    out.reserve(end - out.len() + size_of::<u64>());
    let (mut word, mut used) = (0_u64, 0_u32);
    for number in numbers {
        word |= u64::from(*number) << used;
        used += u32::from(width);
        if used >= u32::BITS {
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
            out.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= u32::BITS;
            used -= u32::BITS;
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    out.resize(end, 0);
}

/// Appends a number, seven bits in a byte (`ULEB128`).
pub(super) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7F {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits are meant")]
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it has seven bits")]
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the hybrid encoding by its specification, bit by bit.
    fn decode(mut bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        while !bytes.is_empty() {
            let (mut header, mut shift) = (0, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= usize::from(byte & 0x7F) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let length = usize::from(width).div_ceil(8);
                let mut number = [0; 4];
                number[..length].copy_from_slice(&bytes[..length]);
                numbers.extend(std::iter::repeat_n(u32::from_le_bytes(number), header >> 1));
                bytes = &bytes[length..];
            } else {
                let length = (header >> 1) * usize::from(width);
                let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
                let number = |index: usize| {
                    (0..usize::from(width)).map(|at| bit(index * usize::from(width) + at) << at).sum::<u32>()
                };
                numbers.extend((0..(header >> 1) * GROUP).map(number));
                bytes = &bytes[length..];
            }
        }
        assert!(numbers.len() >= count && numbers.len() < count + GROUP);
        numbers.truncate(count);
        numbers
    }

    proptest! {
        #[test]
        fn numbers_come_back(bits in 0_u32..=32, runs in prop::collection::vec((any::<u32>(), prop_oneof![3 => Just(1_usize), 1 => 1..200_usize]), 0..80)) {
            let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
            let numbers: Vec<u32> = runs.iter().flat_map(|(number, count)| std::iter::repeat_n(number & mask, *count)).collect();
            let bound = numbers.iter().max().map_or(0, |greatest| *greatest as usize + 1);
            let mut out = Vec::new();
            encode(&numbers, width(bound), &mut out);
            prop_assert_eq!(decode(&out, width(bound), numbers.len()), numbers.clone());
        }
    }

    #[test]
    fn runs_take_a_few_bytes() {
        let mut out = Vec::new();
        encode(&vec![5; 20_000], 3, &mut out);
        assert_eq!(decode(&out, 3, 20_000), vec![5; 20_000]);
        assert_eq!(out.len(), 4);
    }
}
