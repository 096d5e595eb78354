//! Finds separators 64 bytes at a time: with AVX-512 or AVX2 where the processor has them, else byte by byte.
//!
//! [`walk`] hands the bit masks of each 64 bytes to a [`Visitor`]; `index` and `survey` have the visitors. Quote parity is a
//! prefix XOR over the quote mask, as in simdjson (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019);
//! six shifts do it, and only where there are quotes at all, so no carry-less multiplication is needed.

#![expect(unsafe_code, reason = "vector instructions and positions written past a vector's length")]
#![expect(clippy::cast_ptr_alignment, reason = "the loads and stores used take any alignment")]
#![expect(
    clippy::inline_always,
    reason = "instructions of a newer processor are used only where everything is inlined"
)]

use super::index::Separators;

/// Bytes in one step.
pub(super) const STEP: usize = 64;

/// Which of 64 bytes are what; bit `i` stands for byte `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Masks {
    pub(super) quote: u64,
    pub(super) delimiter: u64,
    pub(super) terminator: u64,
    /// Bytes that are not ASCII.
    pub(super) high: u64,
}

/// How 64 bytes are looked at.
pub(super) trait Lanes: Copy {
    /// The masks of 64 bytes.
    fn masks(self, bytes: &[u8; STEP]) -> Masks;

    /// Writes `base` + the place of each set bit, ascending.
    ///
    /// # Safety
    /// There must be room for 64 numbers at `out`; those after the last set bit may hold anything afterwards.
    #[inline(always)]
    unsafe fn positions(self, mut bits: u64, base: u32, out: *mut u32) {
        let count = bits.count_ones() as usize;
        let mut written = 0;
        while written < count {
            for lane in 0..4 {
                // SAFETY: `written` < 64 is a multiple of 4, so `written + lane` < 64.
                unsafe { out.add(written + lane).write(base.wrapping_add(bits.trailing_zeros())) };
                bits &= bits.wrapping_sub(1);
            }
            written += 4;
        }
    }
}

/// Steps that a visitor may take at once.
pub(super) const GROUP: usize = 8;

/// Gets the masks of each step, in order.
pub(super) trait Visitor {
    /// Takes the 64 bytes from `base`; bits past the end of the data are never set.
    fn visit<L: Lanes>(&mut self, lanes: L, base: u32, masks: Masks);

    /// Takes several steps; a visitor that has less to do where there are no quotes overrides this.
    #[inline(always)]
    fn visit_group<L: Lanes>(&mut self, lanes: L, base: u32, group: &[Masks; GROUP]) {
        for (step, masks) in (base..).step_by(STEP).zip(group) {
            self.visit(lanes, step, *masks);
        }
    }
}

/// Walks over `data`.
pub(super) fn walk<V: Visitor>(data: &[u8], separators: Separators, visitor: &mut V) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512bw") && std::arch::is_x86_feature_detected!("avx512vbmi2") {
            // SAFETY: the processor has these instructions.
            return unsafe { x86::walk_avx512(data, separators, visitor) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has these instructions.
            return unsafe { x86::walk_avx2(data, separators, visitor) };
        }
    }
    walk_with(Portable(separators), data, visitor);
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "blocks are far below 4 GiB (see `blocks`)")]
fn walk_with<L: Lanes, V: Visitor>(lanes: L, data: &[u8], visitor: &mut V) {
    let (steps, rest) = data.as_chunks::<STEP>();
    let (groups, single) = steps.as_chunks::<GROUP>();
    for (number, group) in groups.iter().enumerate() {
        let mut masks = [Masks::default(); GROUP];
        for (masks, step) in masks.iter_mut().zip(group) {
            *masks = lanes.masks(step);
        }
        visitor.visit_group(lanes, (number * GROUP * STEP) as u32, &masks);
    }
    for (number, step) in single.iter().enumerate() {
        visitor.visit(lanes, ((groups.len() * GROUP + number) * STEP) as u32, lanes.masks(step));
    }
    if !rest.is_empty() {
        let mut last = [0; STEP];
        last[..rest.len()].copy_from_slice(rest);
        let keep = (1_u64 << rest.len()) - 1;
        let masks = lanes.masks(&last);
        let masks = Masks {
            quote: masks.quote & keep,
            delimiter: masks.delimiter & keep,
            terminator: masks.terminator & keep,
            high: masks.high & keep,
        };
        visitor.visit(lanes, (steps.len() * STEP) as u32, masks);
    }
}

/// Bit `i` of the result: whether an odd number of bits up to and with `i` are set.
#[inline(always)]
pub(super) fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ (bits << 32)
}

/// Byte by byte, on any processor.
#[derive(Clone, Copy)]
struct Portable(Separators);

impl Lanes for Portable {
    fn masks(self, bytes: &[u8; STEP]) -> Masks {
        let Separators { delimiter, terminator, quote, .. } = self.0;
        let mask = |hit: &dyn Fn(u8) -> bool| {
            bytes.iter().enumerate().fold(0, |mask, (place, byte)| mask | u64::from(hit(*byte)) << place)
        };
        Masks {
            quote: quote.map_or(0, |quote| mask(&|byte| byte == quote)),
            delimiter: mask(&|byte| byte == delimiter),
            terminator: mask(&|byte| byte == terminator),
            high: mask(&|byte| byte >= 0x80),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32,
        _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_movepi8_mask,
        _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
    };

    use super::{Lanes, Masks, STEP, Separators, Visitor, walk_with};

    /// # Safety
    /// The processor must have these instructions.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) unsafe fn walk_avx2<V: Visitor>(data: &[u8], separators: Separators, visitor: &mut V) {
        walk_with(Avx2(separators), data, visitor);
    }

    /// # Safety
    /// The processor must have these instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) unsafe fn walk_avx512<V: Visitor>(data: &[u8], separators: Separators, visitor: &mut V) {
        walk_with(Avx512(separators), data, visitor);
    }

    /// Made in [`walk_avx2`] only.
    #[derive(Clone, Copy)]
    struct Avx2(Separators);

    impl Lanes for Avx2 {
        #[inline(always)]
        #[expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "bits, not numbers")]
        fn masks(self, bytes: &[u8; STEP]) -> Masks {
            // SAFETY: both loads lie within the 64 bytes, and the processor has AVX2 (see `walk`).
            unsafe {
                let low = _mm256_loadu_si256(bytes.as_ptr().cast::<__m256i>());
                let high = _mm256_loadu_si256(bytes.as_ptr().add(32).cast::<__m256i>());
                let join = |low: i32, high: i32| u64::from(low as u32) | (u64::from(high as u32) << 32);
                let equal = |byte: u8| {
                    let wanted = _mm256_set1_epi8(byte as i8);
                    join(
                        _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)),
                        _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)),
                    )
                };
                Masks {
                    quote: self.0.quote.map_or(0, equal),
                    delimiter: equal(self.0.delimiter),
                    terminator: equal(self.0.terminator),
                    high: join(_mm256_movemask_epi8(low), _mm256_movemask_epi8(high)),
                }
            }
        }
    }

    /// Made in [`walk_avx512`] only.
    #[derive(Clone, Copy)]
    struct Avx512(Separators);

    impl Lanes for Avx512 {
        #[inline(always)]
        #[expect(clippy::cast_possible_wrap, reason = "bits, not numbers")]
        fn masks(self, bytes: &[u8; STEP]) -> Masks {
            // SAFETY: the load takes the 64 bytes, and the processor has AVX-512 (see `walk`).
            unsafe {
                let data = _mm512_loadu_si512(bytes.as_ptr().cast::<__m512i>());
                let equal = |byte: u8| _mm512_cmpeq_epi8_mask(data, _mm512_set1_epi8(byte as i8));
                Masks {
                    quote: self.0.quote.map_or(0, equal),
                    delimiter: equal(self.0.delimiter),
                    terminator: equal(self.0.terminator),
                    high: _mm512_movepi8_mask(data),
                }
            }
        }

        #[inline(always)]
        #[expect(clippy::cast_possible_wrap, reason = "bits, not numbers")]
        unsafe fn positions(self, bits: u64, base: u32, out: *mut u32) {
            #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
            const PLACES: [u8; STEP] = {
                let mut places = [0; STEP];
                let mut place = 0;
                while place < STEP {
                    places[place] = place as u8;
                    place += 1;
                }
                places
            };
            // SAFETY: the processor has AVX-512 with VBMI2 (see `walk`); the caller gives room for 64 numbers.
            unsafe {
                let places = _mm512_loadu_si512(PLACES.as_ptr().cast::<__m512i>());
                let packed = _mm512_maskz_compress_epi8(bits, places);
                let base = _mm512_set1_epi32(base as i32);
                let first = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed));
                _mm512_storeu_si512(out.cast::<__m512i>(), _mm512_add_epi32(base, first));
                if bits.count_ones() > 16 {
                    let more = |part, place: usize| {
                        let wide = _mm512_cvtepu8_epi32(part);
                        _mm512_storeu_si512(out.add(place).cast::<__m512i>(), _mm512_add_epi32(base, wide));
                    };
                    more(_mm512_extracti32x4_epi32::<1>(packed), 16);
                    more(_mm512_extracti32x4_epi32::<2>(packed), 32);
                    more(_mm512_extracti32x4_epi32::<3>(packed), 48);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) mod tests {
        use super::*;

        /// All that this processor has, by name.
        pub(in super::super) fn walk_all<V: Visitor>(
            data: &[u8],
            separators: Separators,
            visitors: &mut [V; 2],
        ) -> [bool; 2] {
            let [first, second] = visitors;
            let avx2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2");
            let avx512 =
                std::arch::is_x86_feature_detected!("avx512bw") && std::arch::is_x86_feature_detected!("avx512vbmi2");
            if avx2 {
                // SAFETY: the processor has these instructions.
                unsafe { walk_avx2(data, separators, first) };
            }
            if avx512 {
                // SAFETY: the processor has these instructions.
                unsafe { walk_avx512(data, separators, second) };
            }
            [avx2, avx512]
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keeps all masks and positions.
    #[derive(Debug, Default, PartialEq)]
    struct Recorder(Vec<Masks>, Vec<u32>);

    impl Visitor for Recorder {
        fn visit<L: Lanes>(&mut self, lanes: L, base: u32, masks: Masks) {
            self.0.push(masks);
            let bits = masks.delimiter | masks.terminator;
            let mut places = [0; 64];
            // SAFETY: there is room for 64 numbers.
            unsafe { lanes.positions(bits, base, places.as_mut_ptr()) };
            self.1.extend(&places[..bits.count_ones() as usize]);
        }
    }

    proptest! {
        #[test]
        fn all_processors_see_the_same(data in prop::collection::vec(prop::sample::select(b"a,\"\n\xE9".to_vec()), 0..300)) {
            let separators = Separators { delimiter: b',', terminator: b'\n', quote: Some(b'"'), escape: None, odd: None };
            let mut portable = Recorder::default();
            walk_with(Portable(separators), &data, &mut portable);
            let expected: Vec<u32> = (0..).zip(&data).filter(|(_, b)| matches!(b, b',' | b'\n')).map(|(p, _)| p).collect();
            prop_assert_eq!(&portable.1, &expected);
            #[cfg(target_arch = "x86_64")]
            {
                let mut found = [Recorder::default(), Recorder::default()];
                let had = x86::tests::walk_all(&data, separators, &mut found);
                for (found, had) in found.iter().zip(had) {
                    if had {
                        prop_assert_eq!(found, &portable);
                    }
                }
            }
        }

        #[test]
        fn parity(bits in any::<u64>()) {
            let mut inside = false;
            let expected = (0..64).fold(0, |mask, place| {
                inside ^= bits >> place & 1 == 1;
                mask | u64::from(inside) << place
            });
            prop_assert_eq!(prefix_xor(bits), expected);
        }
    }
}
