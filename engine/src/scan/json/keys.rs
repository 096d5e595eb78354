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

/// What stands between an object's brace, or a value, and the next value: comma, white space, a name in quotes, a colon.
#[derive(Debug)]
struct Token {
    text: Box<[u8]>,
    /// Its first sixteen bytes, if it has that many; else all of it.
    word: u128,
    mask: u128,
    slot: Option<usize>,
    /// Whether it begins an object, so that no comma is in it.
    first: bool,
}

impl Token {
    fn new(text: &[u8], slot: Option<usize>, first: bool) -> Self {
        let length = text.len().min(16);
        let mut word = [0; 16];
        let mut mask = [0; 16];
        word[..length].copy_from_slice(&text[..length]);
        mask[..length].fill(0xFF);
        Self { text: text.into(), word: u128::from_le_bytes(word), mask: u128::from_le_bytes(mask), slot, first }
    }

    #[inline]
    fn begins(&self, rest: &[u8]) -> bool {
        match rest.first_chunk::<16>() {
            Some(chunk) => {
                u128::from_le_bytes(*chunk) & self.mask == self.word
                    && (self.text.len() <= 16 || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
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

    /// The slot of the field that comes next, and the length to its value, if it is one of those expected; `rest` begins
    /// behind the brace of the object, or behind a value.
    #[inline]
    pub(crate) fn guess(&mut self, rest: &[u8], first: bool) -> Option<(Option<usize>, usize)> {
        let token = self.order.get(self.next)?;
        if token.first == first && token.begins(rest) {
            self.next += 1;
            return Some((token.slot, token.text.len()));
        }
        self.guess_behind(rest, first)
    }

    /// The same, if fields are left out.
    #[inline(never)]
    fn guess_behind(&mut self, rest: &[u8], first: bool) -> Option<(Option<usize>, usize)> {
        let near = self.order.get(self.next..)?;
        let found = near.iter().take(WINDOW).position(|token| token.first == first && token.begins(rest))?;
        let token = &near[found];
        self.next += found + 1;
        Some((token.slot, token.text.len()))
    }

    /// The slot of a name.
    pub(crate) fn find(&self, raw: &[u8], escaped: bool) -> Result<Option<usize>, &'static str> {
        let slot = if escaped { self.wanted.slots.get(unescape(raw)?.as_bytes()) } else { self.wanted.slots.get(raw) };
        match slot {
            None if self.wanted.strict => Err(UNKNOWN_FIELD),
            slot => Ok(slot.copied()),
        }
    }

    /// Remembers what stood where another field was expected.
    pub(crate) fn learn(&mut self, text: &[u8], slot: Option<usize>, first: bool) {
        if self.order.len() < MAX_ORDER {
            let place = self.next.min(self.order.len());
            self.order.insert(place, Token::new(text, slot, first));
            self.next = place + 1;
        }
    }
}
