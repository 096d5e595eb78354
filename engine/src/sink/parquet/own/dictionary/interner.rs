//! The different values of a column, numbered in the order in which they come. Open addressing.

use crate::hash::{PI, fold, long_words, seed};
use crate::scan::to_u32;

/// Slots at the start.
const FIRST_SLOTS: usize = 1 << 8;
/// A slot that holds no number.
const EMPTY: u32 = u32::MAX;
/// Texts that a view holds itself.
const INLINE: usize = 12;
/// Texts that are told apart by their words alone.
const SHORT: usize = 16;

/// Two words of a text and its length: all of a short text, two hashes of a longer one.
type Words = [u64; 3];

/// What values are told apart by.
pub(super) trait Key: Copy + PartialEq {
    fn hash(self, seed: u64) -> u64;
}

impl Key for u64 {
    #[inline]
    fn hash(self, seed: u64) -> u64 {
        fold(self ^ seed, PI[0])
    }
}

impl Key for Words {
    #[inline]
    fn hash(self, seed: u64) -> u64 {
        let [first, second, length] = self;
        fold(first ^ seed, second ^ length.wrapping_mul(PI[1]) ^ seed.rotate_left(32))
    }
}

/// Keys and their numbers.
pub(super) struct Interner<K> {
    slots: Vec<u32>,
    keys: Vec<K>,
    seed: u64,
}

impl<K: Key> Interner<K> {
    pub(super) fn new() -> Self {
        Self { slots: vec![EMPTY; FIRST_SLOTS], keys: Vec::new(), seed: seed() }
    }

    /// The keys in the order of their numbers.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<u32>() + self.keys.capacity() * size_of::<K>()
    }

    /// The number of a key, which is added if it is not known; `same` says whether a number with this key means the same
    /// value.
    #[inline]
    pub(super) fn number(&mut self, key: K, same: impl Fn(u32) -> bool) -> u32 {
        let mask = self.slots.len() - 1;
        let mut place = slot(key.hash(self.seed), mask);
        loop {
            let number = self.slots[place];
            if number == EMPTY {
                break;
            }
            if self.keys[number as usize] == key && same(number) {
                return number;
            }
            place = (place + 1) & mask;
        }
        self.add(key, place)
    }

    #[cold]
    fn add(&mut self, key: K, place: usize) -> u32 {
        let number = to_u32(self.keys.len());
        self.slots[place] = number;
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots = vec![EMPTY; mask + 1];
        for (number, key) in self.keys.iter().enumerate() {
            let mut place = slot(key.hash(self.seed), mask);
            while self.slots[place] != EMPTY {
                place = (place + 1) & mask;
            }
            self.slots[place] = to_u32(number);
        }
    }
}

#[inline]
fn slot(hash: u64, mask: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the lowest digits are meant")]
    let digits = hash as usize;
    digits & mask
}

/// Texts and their numbers, kept as the page that a file's dictionary is.
pub(super) struct Texts {
    interner: Interner<Words>,
    /// Each text after its length in four bytes (`PLAIN`).
    page: Vec<u8>,
    /// Where each text starts in `page`.
    starts: Vec<u32>,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self { interner: Interner::new(), page: Vec::new(), starts: Vec::new() }
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.interner.size() + self.page.capacity() + self.starts.capacity() * size_of::<u32>()
    }

    /// The dictionary as a page.
    pub(super) fn page(&self) -> &[u8] {
        &self.page
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The text with a number.
    pub(super) fn text(&self, number: usize) -> &[u8] {
        let start = self.starts[number] as usize;
        &self.page[start..start + self.length(number)]
    }

    /// The length of the text with a number, in bytes.
    pub(super) fn length(&self, number: usize) -> usize {
        usize::try_from(self.interner.keys()[number][2]).unwrap_or(usize::MAX)
    }

    /// The number of a text.
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        let length = text.len();
        if length > INLINE {
            return self.number_of_long(text);
        }
        let mut window = [0; INLINE];
        window[..length].copy_from_slice(text);
        self.add([word(&window[4..]), u64::from(half(&window)), length as u64], text, true)
    }

    /// The number of a text that a view holds; `text` brings one that it only points to.
    #[inline]
    pub(super) fn number_of_view<'a>(&mut self, view: u128, text: impl FnOnce() -> &'a [u8]) -> u32 {
        let bytes = view.to_le_bytes();
        let length = half(&bytes);
        if length as usize > INLINE {
            return self.number_of_long(text());
        }
        let words = [word(&bytes[8..]), u64::from(half(&bytes[4..])), u64::from(length)];
        self.add(words, &bytes[4..4 + length as usize], true)
    }

    #[inline]
    fn number_of_long(&mut self, text: &[u8]) -> u32 {
        let (length, exact) = (text.len(), text.len() <= SHORT);
        let [first, second] =
            if exact { [word(text), word(&text[length - 8..])] } else { long_words(text, self.interner.seed) };
        self.add([first, second, length as u64], text, exact)
    }

    #[inline]
    fn add(&mut self, words: Words, text: &[u8], exact: bool) -> u32 {
        let Self { interner, page, starts } = self;
        let same = |number: u32| exact || page[starts[number as usize] as usize..].get(..text.len()) == Some(text);
        let known = interner.keys.len();
        let number = interner.number(words, same);
        if number as usize == known {
            page.extend_from_slice(&to_u32(text.len()).to_le_bytes());
            starts.push(to_u32(page.len()));
            page.extend_from_slice(text);
        }
        number
    }
}

/// Whether a view holds its text itself.
#[inline]
pub(super) fn is_inline(view: u128) -> bool {
    half(&view.to_le_bytes()) as usize <= INLINE
}

/// The first eight bytes.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The first four bytes.
#[inline]
fn half(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::StringViewArray;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equal_texts_have_equal_numbers(texts in prop::collection::vec("[ab\0]{0,3}|[ab]{11,18}|[ab]{30,33}", 0..900)) {
            let array = StringViewArray::from_iter_values(&texts);
            let (mut by_text, mut by_view, mut known) = (Texts::new(), Texts::new(), HashMap::new());
            for (index, text) in texts.iter().enumerate() {
                let next = known.len();
                let expected = *known.entry(text).or_insert(next);
                prop_assert_eq!(by_text.number(text.as_bytes()) as usize, expected);
                let number = by_view.number_of_view(array.views()[index], || array.value(index).as_bytes());
                prop_assert_eq!(number as usize, expected);
                prop_assert_eq!(by_view.text(expected), text.as_bytes());
            }
            prop_assert_eq!(by_text.page(), by_view.page());
            prop_assert_eq!(by_view.len(), known.len());
        }

        #[test]
        fn equal_numbers_have_equal_places(numbers in prop::collection::vec(0_u64..500, 0..2000)) {
            let (mut interner, mut known) = (Interner::new(), HashMap::new());
            for number in numbers {
                let next = known.len();
                let expected = *known.entry(number).or_insert(next);
                prop_assert_eq!(interner.number(number, |_| true) as usize, expected);
                prop_assert_eq!(interner.keys()[expected], number);
            }
        }
    }

    #[test]
    fn texts_that_share_their_words_are_told_apart() {
        let mut texts = Texts::new();
        let words = [1, 2, 20];
        let first = texts.add(words, b"a text of 20 bytes..", false);
        let second = texts.add(words, b"a text of 20 bytes!!", false);
        assert_ne!(first, second);
        assert_eq!(texts.add(words, b"a text of 20 bytes..", false), first);
        assert_eq!(texts.text(second as usize), b"a text of 20 bytes!!");
    }
}
