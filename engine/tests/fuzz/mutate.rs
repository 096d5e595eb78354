//! Seeded random numbers, and mutations of inputs.

/// Splitmix64.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A hash, the same in each run.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |hash, byte| mix(hash ^ u64::from(*byte).wrapping_mul(0x100_0193)))
}

/// Inputs do not grow beyond this.
const MAX_BYTES: usize = 16 << 10;

/// An input made from one or two of the pool.
pub fn mutate(rng: &mut Rng, pool: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut input = pool[rng.below(pool.len())].clone();
    for _ in 0..=rng.below(6) {
        let at = rng.below(input.len() + 1);
        let most = if rng.below(8) == 0 { 400 } else { 8 };
        let length = rng.below(most);
        let end = (at + length).min(input.len());
        match rng.below(9) {
            0 if at < input.len() => input[at] ^= 1 << rng.below(8),
            1 if at < input.len() => input[at] = [0, 1, 0x7F, 0x80, 0xFF, b'"', b'\n', b','][rng.below(8)],
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let times = 1 + rng.below(4);
                input.splice(at..at, piece.repeat(times));
            }
            4 | 5 if !words.is_empty() => {
                let word = words[rng.below(words.len())];
                input.splice(at..at, word.iter().copied());
            }
            6 => {
                let other = &pool[rng.below(pool.len())];
                let start = rng.below(other.len() + 1);
                let stop = (start + rng.below(64)).min(other.len());
                input.splice(at..end, other[start..stop].iter().copied());
            }
            7 => input.truncate(at),
            _ => {
                let byte = u8::try_from(rng.next() & 0xFF).unwrap();
                input.insert(at, byte);
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}
