//! The keys that `distinct` has met, in shards that blocks visit in the order of the input.
//!
//! Keys are compared byte by byte: equal hashes alone mean nothing. A key is prefix-free (each field carries its
//! length), so that comparing as many bytes as the new key has suffices.

use std::hash::BuildHasher;

use datafusion::execution::memory_pool::MemoryReservation;

use super::relay::Relay;
use crate::error::{EngineError, ErrorCode, Result};

/// Shards: more than threads, so that one block follows another through them without waiting.
const SHARDS: usize = 16;
/// Slots of a shard at the start.
const FIRST_SLOTS: usize = 1 << 10;

/// All keys met so far.
#[derive(Debug)]
pub(super) struct Keys {
    shards: Vec<Relay<Shard>>,
    hasher: foldhash::quality::RandomState,
}

/// The keys of one block: texts one after the other, and where each ends.
#[derive(Debug, Default)]
pub(super) struct BlockKeys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// Numbers of keys by shard.
    sorted: Vec<u32>,
}

impl BlockKeys {
    /// Forgets all keys, keeping the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.hashes.clear();
    }

    /// Adds a field of the key that is not complete yet.
    #[inline]
    pub(super) fn push_text(&mut self, text: &[u8]) {
        // A length below u32::MAX, which stands for null: records are at most 64 MiB.
        #[expect(clippy::cast_possible_truncation, reason = "records are at most 64 MiB")]
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text);
    }

    /// Adds a null field.
    #[inline]
    pub(super) fn push_null(&mut self) {
        self.bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    }

    /// Drops the fields of the key that is not complete.
    pub(super) fn cancel(&mut self) {
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Completes a key.
    #[inline]
    pub(super) fn complete(&mut self, keys: &Keys) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.hashes.push(keys.hasher.hash_one(&self.bytes[start..]));
        self.ends.push(self.bytes.len());
    }

    fn key(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start..self.ends[number]]
    }
}

impl Keys {
    /// No keys; memory is taken from `memory`.
    pub(super) fn new(memory: &MemoryReservation) -> Self {
        let shards = (0..SHARDS).map(|_| Relay::new(Shard::new(memory.new_empty()))).collect();
        Self { shards, hasher: foldhash::quality::RandomState::default() }
    }

    /// Adds the keys of a block after those of all blocks before it; `new[number]` tells whether key `number` is the first
    /// of its kind. A key that is new is added only if `valid` says so of its row. `Ok(false)` if a thread broke the relay.
    pub(super) fn add(
        &self,
        block: u64,
        keys: &mut BlockKeys,
        new: &mut Vec<bool>,
        mut valid: impl FnMut(usize) -> Result<bool>,
    ) -> Result<bool> {
        let count = keys.ends.len();
        new.clear();
        new.resize(count, false);
        // A counting sort by shard, stable: within a shard, keys stay in the order of the input.
        let shard = |hash: u64| (hash >> 60) as usize;
        let mut starts = [0_u32; SHARDS + 1];
        for hash in &keys.hashes {
            starts[shard(*hash) + 1] += 1;
        }
        for number in 0..SHARDS {
            starts[number + 1] += starts[number];
        }
        let mut sorted = std::mem::take(&mut keys.sorted);
        sorted.clear();
        sorted.resize(count, 0);
        let mut places = starts;
        for (number, hash) in (0_u32..).zip(&keys.hashes) {
            let place = &mut places[shard(*hash)];
            sorted[*place as usize] = number;
            *place += 1;
        }
        for (number, relay) in self.shards.iter().enumerate() {
            let mine = &sorted[starts[number] as usize..starts[number + 1] as usize];
            let turned = relay.turn(block, |shard| {
                shard.prepare(mine.len())?;
                for number in mine {
                    let number = *number as usize;
                    new[number] = shard.insert(keys.key(number), keys.hashes[number], || valid(number))?;
                }
                Ok::<_, EngineError>(())
            });
            match turned {
                Some(result) => result?,
                None => return Ok(false),
            }
        }
        keys.sorted = sorted;
        Ok(true)
    }

    /// Ends all waiting.
    pub(super) fn break_off(&self) {
        for shard in &self.shards {
            shard.break_off();
        }
    }
}

/// One part of the keys: open addressing over the lower halves of their hashes.
#[derive(Debug)]
struct Shard {
    /// The lower half of the hash, and where the key starts in `bytes`; [`EMPTY`] if the slot is free.
    slots: Vec<(u32, u32)>,
    used: usize,
    bytes: Vec<u8>,
    memory: MemoryReservation,
}

const EMPTY: u32 = u32::MAX;

impl Shard {
    fn new(memory: MemoryReservation) -> Self {
        Self { slots: Vec::new(), used: 0, bytes: Vec::new(), memory }
    }

    /// Makes room for that many more keys, and counts the memory.
    fn prepare(&mut self, more: usize) -> Result<()> {
        // At most five eighths full.
        let wanted = ((self.used + more) * 8 / 5 + 1).next_power_of_two().max(FIRST_SLOTS);
        if wanted > self.slots.len() {
            self.memory.try_resize(wanted * size_of::<(u32, u32)>() + self.bytes.capacity())?;
            let old = std::mem::replace(&mut self.slots, vec![(0, EMPTY); wanted]);
            let mask = wanted - 1;
            for slot in old.into_iter().filter(|slot| slot.1 != EMPTY) {
                let mut place = slot.0 as usize & mask;
                while self.slots[place].1 != EMPTY {
                    place = (place + 1) & mask;
                }
                self.slots[place] = slot;
            }
        }
        Ok(())
    }

    /// Whether the key is new and was added. There must be room for it.
    #[inline]
    fn insert(&mut self, key: &[u8], hash: u64, valid: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let half = hash as u32;
        let mut place = half as usize & mask;
        loop {
            let (known, start) = self.slots[place];
            if start == EMPTY {
                if !valid()? {
                    return Ok(false);
                }
                self.slots[place] = (half, self.store(key)?);
                self.used += 1;
                return Ok(true);
            }
            if known == half && self.bytes[start as usize..].starts_with(key) {
                return Ok(false);
            }
            place = (place + 1) & mask;
        }
    }

    fn store(&mut self, key: &[u8]) -> Result<u32> {
        let start = u32::try_from(self.bytes.len()).ok().filter(|start| *start < EMPTY).ok_or_else(|| {
            EngineError::new(ErrorCode::ResourcesExhausted, "there are too many distinct keys to hold in memory")
        })?;
        let wanted = self.bytes.len() + key.len();
        if wanted > self.bytes.capacity() {
            let capacity = wanted.max(self.bytes.capacity() + self.bytes.capacity() / 2).max(64 << 10);
            self.memory.try_resize(self.slots.len() * size_of::<(u32, u32)>() + capacity)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(key);
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};
    use proptest::prelude::*;

    use super::*;

    fn keys(limit: usize) -> Keys {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(limit));
        Keys::new(&MemoryConsumer::new("test").register(&pool))
    }

    fn block(keys: &Keys, texts: &[Option<String>]) -> BlockKeys {
        let mut block = BlockKeys::default();
        for text in texts {
            match text {
                Some(text) => block.push_text(text.as_bytes()),
                None => block.push_null(),
            }
            block.complete(keys);
        }
        block
    }

    proptest! {
        #[test]
        fn the_first_of_each_key_is_new(blocks in prop::collection::vec(prop::collection::vec(prop::option::of("[ab]{0,4}"), 0..40), 0..8)) {
            let keys = keys(usize::MAX);
            let (mut seen, mut new) = (HashSet::new(), Vec::new());
            for (number, texts) in (0..).zip(&blocks) {
                prop_assert!(keys.add(number, &mut block(&keys, texts), &mut new, |_| Ok(true)).unwrap());
                let expected: Vec<bool> = texts.iter().map(|text| seen.insert(text.clone())).collect();
                prop_assert_eq!(&new, &expected);
            }
        }
    }

    #[test]
    fn keys_that_share_a_hash_are_told_apart() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(usize::MAX));
        let mut shard = Shard::new(MemoryConsumer::new("test").register(&pool));
        shard.prepare(3).unwrap();
        assert!(shard.insert(b"\x01\0\0\0a", 7, || Ok(true)).unwrap());
        assert!(!shard.insert(b"\x01\0\0\0b", 7, || Ok(false)).unwrap(), "not valid, so not added");
        assert!(shard.insert(b"\x01\0\0\0b", 7, || Ok(true)).unwrap());
        assert!(!shard.insert(b"\x01\0\0\0a", 7, || Ok(true)).unwrap());
        assert!(!shard.insert(b"\x01\0\0\0b", 7, || Ok(true)).unwrap());
    }

    #[test]
    fn memory_is_counted() {
        let keys = keys(1 << 20);
        let mut new = Vec::new();
        let texts = |block: u64| (0..1000).map(|n| Some(format!("key {block} {n}"))).collect::<Vec<_>>();
        let error = (0..1000)
            .find_map(|number| keys.add(number, &mut block(&keys, &texts(number)), &mut new, |_| Ok(true)).err())
            .unwrap();
        assert_eq!(error.code(), ErrorCode::ResourcesExhausted);
    }
}
