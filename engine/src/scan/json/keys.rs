//! Finds fields by name. Objects mostly have the same fields in the same order, so that the next name is guessed.

use std::collections::HashMap;
use std::sync::Arc;

use super::text::unescape;

/// How many names behind the expected one are tried before the name is looked up.
const WINDOW: usize = 8;
/// How many names are remembered in their order.
const MAX_ORDER: usize = 256;

/// The wanted fields of an object.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    slots: HashMap<Box<[u8]>, usize>,
    strict: bool,
}

impl Wanted {
    /// These names, the first of which goes to slot 0. With `strict`, other names are wrong.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>, strict: bool) -> Self {
        Self { slots: names.enumerate().map(|(slot, name)| (name.as_bytes().into(), slot)).collect(), strict }
    }
}

/// What a strict object says to a name that is not wanted.
pub(crate) const UNKNOWN_FIELD: &str = "the field is not among the columns, which the sample decided";

/// Finds fields, and learns their order.
#[derive(Debug)]
pub(crate) struct Keys {
    wanted: Arc<Wanted>,
    order: Vec<Token>,
    next: usize,
}

/// A name as it stands in the text, with the quote and the colon behind it.
#[derive(Debug)]
struct Token {
    text: Box<[u8]>,
    /// The same, if it is no longer than a machine word.
    word: u128,
    mask: u128,
    slot: Option<usize>,
}

impl Token {
    fn new(raw: &[u8], slot: Option<usize>) -> Self {
        let text: Box<[u8]> = [raw, b"\":"].concat().into();
        let mut word = [0; 16];
        let mut mask = [0; 16];
        if text.len() <= 16 {
            word[..text.len()].copy_from_slice(&text);
            mask[..text.len()].fill(0xFF);
        }
        Self { text, word: u128::from_le_bytes(word), mask: u128::from_le_bytes(mask), slot }
    }

    #[inline]
    fn stands_at(&self, data: &[u8], at: usize) -> bool {
        let Some(rest) = data.get(at..) else { return false };
        match rest.first_chunk::<16>() {
            Some(chunk) if self.mask != 0 => u128::from_le_bytes(*chunk) & self.mask == self.word,
            _ => rest.starts_with(&self.text),
        }
    }
}

impl Keys {
    pub(crate) fn new(wanted: Arc<Wanted>) -> Self {
        Self { wanted, order: Vec::new(), next: 0 }
    }

    /// A new object begins.
    #[inline]
    pub(crate) fn start(&mut self) {
        self.next = 0;
    }

    /// The slot of the name at `at` if it is one of those expected next, and the length to its value.
    #[inline]
    pub(crate) fn guess(&mut self, data: &[u8], at: usize) -> Option<(Option<usize>, usize)> {
        let near = self.order.get(self.next..)?;
        let found = near.iter().take(WINDOW).position(|token| token.stands_at(data, at))?;
        let token = &near[found];
        self.next += found + 1;
        Some((token.slot, token.text.len()))
    }

    /// The slot of a name that was not expected.
    pub(crate) fn find(&mut self, raw: &[u8], escaped: bool) -> Result<Option<usize>, &'static str> {
        let slot = if escaped { self.wanted.slots.get(unescape(raw)?.as_bytes()) } else { self.wanted.slots.get(raw) };
        let slot = slot.copied();
        if slot.is_none() && self.wanted.strict {
            return Err(UNKNOWN_FIELD);
        }
        if !escaped && self.order.len() < MAX_ORDER {
            let place = self.next.min(self.order.len());
            self.order.insert(place, Token::new(raw, slot));
            self.next = place + 1;
        }
        Ok(slot)
    }
}
