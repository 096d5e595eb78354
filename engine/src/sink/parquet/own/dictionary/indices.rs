//! Numbers into a dictionary, held narrowly.

/// Numbers of a row group's values, in as few bytes each as the greatest needs.
pub(super) enum Indices {
    One(Vec<u8>),
    Two(Vec<u16>),
    Four(Vec<u32>),
}

impl Indices {
    pub(super) fn new() -> Self {
        Self::One(Vec::new())
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::One(narrow) => narrow.capacity(),
            Self::Two(narrow) => narrow.capacity() * 2,
            Self::Four(wide) => wide.capacity() * 4,
        }
    }

    /// Adds numbers below `bound`.
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are below the bound, which is looked at first")]
    pub(super) fn extend(&mut self, numbers: &[u32], bound: usize) {
        self.widen(bound);
        match self {
            Self::One(narrow) => narrow.extend(numbers.iter().map(|number| *number as u8)),
            Self::Two(narrow) => narrow.extend(numbers.iter().map(|number| *number as u16)),
            Self::Four(wide) => wide.extend_from_slice(numbers),
        }
    }

    fn widen(&mut self, bound: usize) {
        if let Self::One(narrow) = self
            && bound > 1 << u8::BITS
        {
            *self = Self::Two(narrow.iter().map(|number| u16::from(*number)).collect());
        }
        if let Self::Two(narrow) = self
            && bound > 1 << u16::BITS
        {
            *self = Self::Four(narrow.iter().map(|number| u32::from(*number)).collect());
        }
    }

    /// Puts `count` numbers from `start` on into `numbers`, in place of what is there.
    pub(super) fn read(&self, start: usize, count: usize, numbers: &mut Vec<u32>) {
        let range = start..start + count;
        numbers.clear();
        match self {
            Self::One(narrow) => numbers.extend(narrow[range].iter().map(|number| u32::from(*number))),
            Self::Two(narrow) => numbers.extend(narrow[range].iter().map(|number| u32::from(*number))),
            Self::Four(wide) => numbers.extend_from_slice(&wide[range]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(bits in 0_u32..=32, numbers in prop::collection::vec(any::<u32>(), 0..2000)) {
            let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
            let numbers: Vec<u32> = numbers.iter().map(|number| number & mask).collect();
            let mut indices = Indices::new();
            for (part, upto) in numbers.chunks(50).zip(1..) {
                let seen = &numbers[..numbers.len().min(upto * 50)];
                indices.extend(part, seen.iter().max().map_or(0, |greatest| *greatest as usize + 1));
            }
            let (start, mut read) = (numbers.len() / 3, Vec::new());
            indices.read(start, numbers.len() - start, &mut read);
            prop_assert_eq!(&read[..], &numbers[start..]);
        }
    }
}
