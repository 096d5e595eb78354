//! Whole numbers as differences, packed in blocks (`DELTA_BINARY_PACKED`,
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC>).

use super::hybrid::{pack_bits, varint};

/// Differences that share their least one.
const BLOCK: usize = 128;
/// Differences that share a width.
const MINIBLOCK: usize = 32;
/// Appends numbers of at most 31 bits.
pub(super) fn encode(numbers: &[u32], out: &mut Vec<u8>) {
    varint(BLOCK as u64, out);
    varint((BLOCK / MINIBLOCK) as u64, out);
    varint(numbers.len() as u64, out);
    varint(zigzag(numbers.first().copied().map_or(0, i64::from)), out);
    let mut steps = numbers.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0]));
    let mut block = [0; BLOCK];
    loop {
        let mut count = 0;
        for (place, step) in block.iter_mut().zip(&mut steps) {
            *place = step;
            count += 1;
        }
        if count == 0 {
            return;
        }
        encode_block(&block[..count], out);
    }
}

fn encode_block(steps: &[i64], out: &mut Vec<u8>) {
    let least = steps.iter().copied().min().unwrap_or(0);
    varint(zigzag(least), out);
    let widths = out.len();
    out.extend_from_slice(&[0; BLOCK / MINIBLOCK]);
    for (index, steps) in steps.chunks(MINIBLOCK).enumerate() {
        let mut above = [0; MINIBLOCK];
        for (above, step) in above.iter_mut().zip(steps) {
            // Of two numbers of 31 bits each: it has 32.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the least is subtracted")]
            let distance = (step - least) as u32;
            *above = distance;
        }
        let bits = u32::BITS - above.iter().fold(0, |all, above| all | above).leading_zeros();
        let width = u8::try_from(bits).unwrap_or(u8::MAX);
        out[widths + index] = width;
        pack_bits(&above, width, out);
    }
}

fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_varint(bytes: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn read_zigzag(bytes: &mut &[u8]) -> i64 {
        let number = read_varint(bytes);
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    /// Reads the encoding by its specification, bit by bit.
    fn decode(mut bytes: &[u8]) -> Vec<i64> {
        let bytes = &mut bytes;
        let (block, miniblocks, count) = (read_varint(bytes), read_varint(bytes), read_varint(bytes));
        let miniblock = usize::try_from(block / miniblocks).unwrap();
        let count = usize::try_from(count).unwrap();
        let first = read_zigzag(bytes);
        let mut numbers = if count > 0 { vec![first] } else { Vec::new() };
        while numbers.len() < count {
            let least = read_zigzag(bytes);
            let (widths, rest) = bytes.split_at(usize::try_from(miniblocks).unwrap());
            *bytes = rest;
            for width in widths.iter().map(|width| usize::from(*width)) {
                if numbers.len() == count {
                    assert_eq!(width, 0, "a miniblock without numbers");
                    continue;
                }
                let (packed, rest) = bytes.split_at(miniblock * width / 8);
                *bytes = rest;
                let bit = |at: usize| i64::from(packed[at / 8] >> (at % 8) & 1);
                for index in (0..miniblock).take(count - numbers.len()) {
                    let above: i64 = (0..width).map(|at| bit(index * width + at) << at).sum();
                    numbers.push(numbers[numbers.len() - 1] + least + above);
                }
            }
        }
        assert!(bytes.is_empty());
        numbers
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(prop_oneof![3 => 0..40_u32, 1 => 0..=i32::MAX.cast_unsigned()], 0..600)) {
            let mut bytes = Vec::new();
            encode(&numbers, &mut bytes);
            prop_assert_eq!(decode(&bytes), numbers.into_iter().map(i64::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn equal_numbers_take_a_few_bytes_a_block() {
        let mut bytes = Vec::new();
        encode(&[36; 1281], &mut bytes);
        assert_eq!(bytes.len(), 6 + 10 * 5);
    }
}
