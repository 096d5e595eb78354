//! Keys of groups: texts of fields, told apart without copying them first.
//!
//! A text of up to 16 bytes is its two [`Words`] and its length; only longer ones are compared byte by byte.

use crate::hash::{PI, fold, long_words, seed};
use crate::scan::to_u32;

/// Fields in a key, at most.
pub(super) const MAX_FIELDS: usize = 8;
/// Slots at the start: some hundred keys then hardly ever meet.
const FIRST_SLOTS: usize = 1 << 11;
/// A slot that holds no group.
const EMPTY: u32 = u32::MAX;
/// The length that stands for null: records are at most 64 MiB.
const NULL: u64 = u64::MAX;
/// Texts that are told apart by their words alone.
pub(super) const SHORT: usize = 16;

/// A field of a key; `None` is null.
pub(super) type Part<'a> = Option<&'a [u8]>;

/// Two words of a text and its length: all of a short text, a hash of a longer one.
pub(super) type Words = [u64; 3];

/// A key that is being looked up.
pub(super) struct Key<'a> {
    parts: [Part<'a>; MAX_FIELDS],
    words: [Words; MAX_FIELDS],
    fields: usize,
    seed: u64,
    hash: u64,
    /// Whether a text is longer than its words.
    long: bool,
}

impl<'a> Key<'a> {
    /// A key without fields, for tables with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { parts: [None; MAX_FIELDS], words: [[0; 3]; MAX_FIELDS], fields: 0, seed, hash: seed, long: false }
    }

    /// Takes all fields away.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.fields, self.hash, self.long) = (0, self.seed, false);
    }

    /// Adds a field. There are at most [`MAX_FIELDS`].
    #[inline]
    pub(super) fn push(&mut self, part: Part<'a>) {
        match part {
            None => self.add(None, [0, 0, NULL]),
            Some(text) => self.push_at(text, 0, text.len()),
        }
    }

    /// Adds a text that stands in `data`, where it is faster to look at what follows it too.
    #[inline]
    pub(super) fn push_at(&mut self, data: &'a [u8], start: usize, end: usize) {
        self.long |= end - start > SHORT;
        self.add(Some(&data[start..end]), words(data, start, end, self.seed));
    }

    #[inline]
    fn add(&mut self, part: Part<'a>, words: Words) {
        self.hash = mix(self.hash, &words, self.seed);
        self.parts[self.fields] = part;
        self.words[self.fields] = words;
        self.fields += 1;
    }

    /// The fields.
    pub(super) fn parts(&self) -> &[Part<'a>] {
        &self.parts[..self.fields]
    }
}

/// The hash of a key so far, with one field more.
#[inline]
pub(super) fn mix(hash: u64, words: &Words, seed: u64) -> u64 {
    // The seed is in both factors: none can be made zero by who does not know it.
    fold(hash ^ words[0] ^ PI[0], words[1] ^ words[2].wrapping_mul(PI[1]) ^ seed)
}

/// The part of a hash that its slot holds.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn half(hash: u64) -> u32 {
    hash as u32
}

#[inline]
fn words(data: &[u8], start: usize, end: usize, seed: u64) -> Words {
    let length = end - start;
    if length > SHORT {
        let [first, second] = long_words(&data[start..end], seed);
        return [first, second, length as u64];
    }
    match data[start..].first_chunk() {
        Some(window) => kept(window, length),
        None => {
            let mut window = [0; SHORT];
            window[..length].copy_from_slice(&data[start..end]);
            kept(&window, length)
        }
    }
}

/// The first bytes of sixteen.
#[inline]
pub(super) fn kept(window: &[u8; SHORT], length: usize) -> Words {
    const MASKS: [u64; SHORT + 9] = {
        let mut masks = [u64::MAX; SHORT + 9];
        let mut bytes = 0;
        while bytes < 16 {
            masks[bytes] = if bytes < 8 { 0 } else { (1 << (8 * (bytes - 8))) - 1 };
            bytes += 1;
        }
        masks
    };
    let (low, high) = window.split_at(8);
    let word = |half: &[u8]| half.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
    [word(low) & MASKS[length + 8], word(high) & MASKS[length], length as u64]
}

/// Keys, each with its number: groups of rows, or rows to be found again. Open addressing.
#[derive(Debug)]
pub(super) struct Table {
    fields: usize,
    seed: u64,
    /// The lower half of the hash, and the key's number.
    slots: Vec<(u32, u32)>,
    /// Of each key's fields.
    words: Vec<Words>,
    /// Where each key's texts start in `bytes`.
    starts: Vec<usize>,
    bytes: Vec<u8>,
}

impl Table {
    /// A table of keys with this many fields.
    pub(super) fn new(fields: usize) -> Self {
        Self {
            fields,
            seed: seed(),
            slots: vec![(0, EMPTY); FIRST_SLOTS],
            words: Vec::new(),
            starts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// The seed of its keys' hashes.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// An empty key for this table.
    pub(super) fn key<'a>(&self) -> Key<'a> {
        Key::new(self.seed)
    }

    /// How many keys there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<(u32, u32)>()
            + self.words.capacity() * size_of::<Words>()
            + self.starts.capacity() * size_of::<usize>()
            + self.bytes.capacity()
    }

    /// The number of a key with this hash, if it is known; else the slot where it belongs.
    #[inline]
    fn place(&self, hash: u64, equals: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let half = half(hash);
        let mut place = half as usize & mask;
        loop {
            let (known, number) = self.slots[place];
            if number == EMPTY {
                return Err(place);
            }
            if known == half && equals(number) {
                return Ok(number);
            }
            place = (place + 1) & mask;
        }
    }

    #[inline]
    fn equals(&self, number: u32, key: &Key<'_>) -> bool {
        let first = number as usize * self.fields;
        let words = &self.words[first..first + self.fields];
        words.iter().zip(&key.words).all(|(one, other)| one == other)
            && (!key.long || self.parts(number).zip(key.parts()).all(|(one, other)| one == *other))
    }

    /// The number of a key, if it is known.
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>) -> Option<u32> {
        self.place(key.hash, |number| self.equals(number, key)).ok()
    }

    /// The number of a key of short texts with this hash, of whose words `same` knows whether they are its, if it is known.
    #[inline]
    pub(super) fn find_short(&self, hash: u64, same: impl Fn(&[Words]) -> bool) -> Option<u32> {
        let equals = |number: u32| {
            let first = number as usize * self.fields;
            same(&self.words[first..first + self.fields])
        };
        self.place(hash, equals).ok()
    }

    /// The number of a key, which is added if it is not known.
    pub(super) fn add(&mut self, key: &Key<'_>) -> u32 {
        if (self.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        match self.place(key.hash, |number| self.equals(number, key)) {
            Ok(number) => number,
            Err(slot) => {
                let number = to_u32(self.len());
                self.slots[slot] = (half(key.hash), number);
                self.starts.push(self.bytes.len());
                self.words.extend_from_slice(&key.words[..self.fields]);
                for part in key.parts() {
                    self.bytes.extend_from_slice(part.unwrap_or_default());
                }
                number
            }
        }
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let old = std::mem::replace(&mut self.slots, vec![(0, EMPTY); mask + 1]);
        for slot in old.into_iter().filter(|slot| slot.1 != EMPTY) {
            let mut place = slot.0 as usize & mask;
            while self.slots[place].1 != EMPTY {
                place = (place + 1) & mask;
            }
            self.slots[place] = slot;
        }
    }

    /// The fields of a key.
    pub(super) fn parts(&self, number: u32) -> impl Iterator<Item = Part<'_>> {
        let first = number as usize * self.fields;
        let mut start = self.starts[number as usize];
        self.words[first..first + self.fields].iter().map(move |[_, _, length]| {
            if *length == NULL {
                return None;
            }
            let end = start + usize::try_from(*length).unwrap_or(usize::MAX);
            Some(&self.bytes[std::mem::replace(&mut start, end)..end])
        })
    }

    /// Forgets all keys and gives their memory back.
    pub(super) fn clear(&mut self) {
        *self = Self { seed: self.seed, ..Self::new(self.fields) };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_keys_have_equal_numbers(keys in prop::collection::vec((prop::option::of("[ab]{0,2}|[ab]{15,18}"), prop::option::of("[a-c]{0,9}")), 0..600)) {
            let mut table = Table::new(2);
            let mut known = HashMap::new();
            for (first, second) in &keys {
                let mut key = table.key();
                key.push(first.as_deref().map(str::as_bytes));
                key.push(second.as_deref().map(str::as_bytes));
                let expected = known.get(&(first, second)).copied();
                prop_assert_eq!(table.find(&key), expected);
                let number = table.add(&key);
                prop_assert_eq!(*known.entry((first, second)).or_insert(number), number);
                prop_assert_eq!(&table.parts(number).collect::<Vec<_>>()[..], key.parts());
            }
            prop_assert_eq!(table.len(), known.len());
        }
    }

    #[test]
    fn keys_that_share_a_hash_are_told_apart() {
        let mut table = Table::new(1);
        for text in [&b"a text of more than sixteen bytes"[..], b"short"] {
            let mut key = table.key();
            key.push(Some(text));
            let first = table.add(&key);
            let mut other = table.key();
            let twin: Vec<u8> = text.iter().rev().copied().collect();
            other.push(Some(&twin));
            (other.hash, other.words[0]) = (key.hash, if text.len() > SHORT { key.words[0] } else { other.words[0] });
            assert_ne!(table.add(&other), first);
        }
    }

    #[test]
    fn keys_cannot_be_chosen_to_share_a_hash() {
        let table = Table::new(1);
        // What would make a factor zero if it were of known numbers only.
        for end in [PI[2] ^ PI[1].wrapping_mul(16), PI[0], 0] {
            let hashes = (0..1000_u64).map(|start| {
                let mut key = table.key();
                let text = [start.to_le_bytes(), end.to_le_bytes()].concat();
                key.push(Some(&text));
                key.hash
            });
            assert_eq!(hashes.collect::<HashSet<_>>().len(), 1000);
        }
    }
}
