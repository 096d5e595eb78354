//! A set of keys, each the bytes of a row in Arrow's row format, that knows what memory it takes.
//!
//! Keys lie one behind another in blocks that never move, each behind its hash and its length; an open-addressed table
//! of 64-bit slots finds them. A slot holds 20 bits of the hash and where the key lies, so that nearly all comparisons
//! are of equal keys.

use datafusion::error::Result as DfResult;
use datafusion::execution::memory_pool::MemoryReservation;

/// Bytes of keys in a block; a longer key has a block of its own.
const BLOCK_BYTES: usize = 256 << 10;
/// Slots of an empty set.
const FIRST_SLOTS: usize = 1024;
/// Hash and length before each key.
const HEAD_BYTES: usize = 12;
/// Bits of a place within a block.
const OFFSET_BITS: u32 = 20;
/// Bits of a place.
const PLACE_BITS: u32 = 44;

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is new, and in the set now.
    New,
    /// It was in the set.
    Known,
    /// It is new, but the memory does not suffice to take it.
    Full,
}

/// A set of keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// 0, or the hash's highest bits and the key's place plus one.
    slots: Vec<u64>,
    blocks: Vec<Vec<u8>>,
    count: usize,
    memory: MemoryReservation,
}

impl Keys {
    /// An empty set that takes its memory from `memory`.
    pub(super) fn new(memory: MemoryReservation) -> Self {
        Self { slots: Vec::new(), blocks: Vec::new(), count: 0, memory }
    }

    /// Whether the key is in the set.
    pub(super) fn contains(&self, hash: u64, key: &[u8]) -> bool {
        !self.slots.is_empty() && self.find(hash, key).is_ok()
    }

    /// Brings what the next look-ups need into the processor's caches: many misses at one time take as long as one.
    pub(super) fn warm(&self, hashes: &[u64]) {
        if self.slots.is_empty() {
            return;
        }
        let mask = self.slots.len() - 1;
        let slots = hashes.iter().fold(0, |seen, hash| seen ^ self.slots[index(*hash, mask)]);
        std::hint::black_box(slots);
        let keys = hashes.iter().fold(0, |seen, hash| {
            let slot = self.slots[index(*hash, mask)];
            if slot == 0 || slot >> PLACE_BITS != hash >> PLACE_BITS {
                return seen;
            }
            let (block, offset) = split(place_of(slot));
            seen ^ self.blocks[block][offset]
        });
        std::hint::black_box(keys);
    }

    /// Adds a key if it is new and there is memory for it.
    pub(super) fn add(&mut self, hash: u64, key: &[u8]) -> Added {
        if self.slots.is_empty() && self.resize(FIRST_SLOTS).is_err() {
            return Added::Full;
        }
        let Err(mut slot) = self.find(hash, key) else { return Added::Known };
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            if self.resize(self.slots.len() * 2).is_err() {
                return Added::Full;
            }
            slot = self.free_slot(hash);
        }
        let Ok(place) = self.store(hash, key) else { return Added::Full };
        self.slots[slot] = slot_of(hash, place);
        self.count += 1;
        Added::New
    }

    /// Forgets all keys and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.slots = Vec::new();
        self.blocks = Vec::new();
        self.count = 0;
        self.memory.free();
    }

    /// The slot of the key, or the free slot where it would go. There must be slots.
    fn find(&self, hash: u64, key: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = index(hash, mask);
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return Err(slot);
            }
            if found >> PLACE_BITS == hash >> PLACE_BITS && self.key(place_of(found)).1 == key {
                return Ok(slot);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn free_slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = index(hash, mask);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Hash and bytes of the key at a place.
    fn key(&self, place: u64) -> (u64, &[u8]) {
        let (block, offset) = split(place);
        let bytes = &self.blocks[block][offset..];
        let (hash, bytes) = bytes.split_at(8);
        let (length, bytes) = bytes.split_at(4);
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let mut eight = [0; 8];
        eight.copy_from_slice(hash);
        (u64::from_le_bytes(eight), &bytes[..length])
    }

    /// Stores the key's bytes; returns where.
    fn store(&mut self, hash: u64, key: &[u8]) -> DfResult<u64> {
        let length = u32::try_from(key.len())
            .map_err(|_| datafusion::error::DataFusionError::Execution("a key of more than 4 GiB".to_owned()))?;
        let needed = HEAD_BYTES + key.len();
        let full = |block: &Vec<u8>| block.len() >= BLOCK_BYTES || block.capacity() - block.len() < needed;
        if self.blocks.last().is_none_or(full) {
            let capacity = needed.max(BLOCK_BYTES);
            self.memory.try_grow(capacity)?;
            self.blocks.push(Vec::with_capacity(capacity));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let place = ((number as u64) << OFFSET_BITS) | block.len() as u64;
        block.extend_from_slice(&hash.to_le_bytes());
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(key);
        Ok(place)
    }

    fn resize(&mut self, slots: usize) -> DfResult<()> {
        let (old, new) = (self.slots.len() * 8, slots * 8);
        // Both tables are there for a moment.
        self.memory.try_grow(new)?;
        self.slots = vec![0; slots];
        for block in 0..self.blocks.len() {
            let mut offset = 0;
            while offset < self.blocks[block].len() {
                let place = ((block as u64) << OFFSET_BITS) | offset as u64;
                let (hash, key) = self.key(place);
                offset += HEAD_BYTES + key.len();
                let slot = self.free_slot(hash);
                self.slots[slot] = slot_of(hash, place);
            }
        }
        self.memory.shrink(old);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the mask cuts it off anyway")]
fn index(hash: u64, mask: usize) -> usize {
    hash as usize & mask
}

/// Block and offset of a place.
fn split(place: u64) -> (usize, usize) {
    ((place >> OFFSET_BITS) as usize, (place & ((1 << OFFSET_BITS) - 1)) as usize)
}

fn slot_of(hash: u64, place: u64) -> u64 {
    (hash >> PLACE_BITS << PLACE_BITS) | (place + 1)
}

fn place_of(slot: u64) -> u64 {
    (slot & ((1 << PLACE_BITS) - 1)) - 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    fn keys(bytes: usize) -> (Keys, Arc<dyn MemoryPool>) {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(bytes));
        (Keys::new(MemoryConsumer::new("test").register(&pool)), pool)
    }

    #[test]
    fn agrees_with_the_standard_set() {
        let (mut found, pool) = keys(64 << 20);
        let mut known = HashSet::new();
        for number in 0..200_000_u64 {
            let key = format!("key {}", number * number % 70_001).into_bytes();
            // A poor hash: many keys share tag and slot.
            let hash = (number * number % 70_001 % 5000) << 40 | (number * number % 70_001 % 5000);
            assert_eq!(found.contains(hash, &key), known.contains(&key));
            let expected = if known.insert(key.clone()) { Added::New } else { Added::Known };
            assert_eq!(found.add(hash, &key), expected);
        }
        assert!(pool.reserved() > 70_001);
        found.clear();
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn long_keys_have_blocks_of_their_own() {
        let (mut found, _pool) = keys(64 << 20);
        for length in [0, 1, BLOCK_BYTES - HEAD_BYTES, BLOCK_BYTES, 3 * BLOCK_BYTES, (1 << OFFSET_BITS) + 5] {
            let key = vec![7; length];
            assert_eq!(found.add(9, &key), Added::New);
            assert_eq!(found.add(9, &key), Added::Known);
            let after = format!("after {length}").into_bytes();
            assert_eq!(found.add(length as u64, &after), Added::New);
            assert!(found.contains(length as u64, &after));
        }
    }

    #[test]
    fn says_when_it_is_full_and_stays_whole() {
        let (mut found, pool) = keys(600 << 10);
        let hash = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut taken = 0;
        while found.add(hash(taken), &taken.to_le_bytes()) == Added::New {
            taken += 1;
        }
        assert!(taken > 5000);
        assert!(pool.reserved() <= 600 << 10);
        for number in 0..taken {
            assert!(found.contains(hash(number), &number.to_le_bytes()));
        }
        assert!(!found.contains(hash(taken), &taken.to_le_bytes()));
        assert_eq!(found.add(hash(0), &0_u64.to_le_bytes()), Added::Known);
    }
}
