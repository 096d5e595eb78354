//! Walks over JSON text once, checks its grammar, and notes where the wanted values stand. Nothing is built or copied.

use super::keys::Keys;
use super::text::{Fault, fault, string_end};

/// How deep lists and objects may be nested.
const MAX_DEPTH: u32 = 128;

const NO_OBJECT: &str = "the line is no JSON object";
const MORE_TEXT: &str = "there is more text behind the object";

/// What kind of value stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The object has no such field.
    #[default]
    Absent,
    Null,
    True,
    False,
    Number,
    /// A text without escapes.
    Text,
    /// A text with escapes.
    Escaped,
    List,
    Object,
}

/// A value's place in the data; that of a text is between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: Kind,
}

impl Span {
    #[expect(clippy::cast_possible_truncation, reason = "blocks are at most MAX_RECORD_BYTES long")]
    fn new(start: usize, end: usize, kind: Kind) -> Self {
        Self { start: start as u32, end: end as u32, kind }
    }

    pub(crate) fn bytes(self, data: &[u8]) -> &[u8] {
        &data[self.start as usize..self.end as usize]
    }

    /// Whether it is null or absent.
    pub(crate) fn is_null(self) -> bool {
        matches!(self.kind, Kind::Absent | Kind::Null)
    }
}

/// A place in JSON text. The end of the data counts as a line end, and a value never passes a line end.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    data: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at }
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.data.get(self.at).copied().unwrap_or(b'\n')
    }

    /// Skips white space within the line.
    #[inline]
    pub(crate) fn space(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\r' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// An object that is all of a line; `slots` takes the places of its wanted fields. Stands before the line end then.
    pub(crate) fn line(&mut self, keys: &mut Keys, slots: &mut [Span]) -> Result<(), Fault> {
        if self.space() != b'{' {
            return fault(self.at, NO_OBJECT);
        }
        self.object(keys, slots, MAX_DEPTH)?;
        match self.space() {
            b'\n' => Ok(()),
            _ => fault(self.at, MORE_TEXT),
        }
    }

    /// The object at this place; of a field that comes twice, the last value counts.
    pub(crate) fn object(&mut self, keys: &mut Keys, slots: &mut [Span], depth: u32) -> Result<(), Fault> {
        self.at += 1;
        if self.space() == b'}' {
            self.at += 1;
            return Ok(());
        }
        keys.start();
        loop {
            if self.peek() != b'"' {
                return fault(self.at, "the name of a field is expected here");
            }
            self.at += 1;
            let slot = match keys.guess(self.data, self.at) {
                Some((slot, length)) => {
                    self.at += length;
                    slot
                }
                None => self.key(keys)?,
            };
            self.space();
            let value = self.value(depth)?;
            if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot)) {
                *slot = value;
            }
            if self.more(b'}')? {
                self.space();
            } else {
                return Ok(());
            }
        }
    }

    /// A field's name that was not foreseen, and the colon behind it.
    fn key(&mut self, keys: &mut Keys) -> Result<Option<usize>, Fault> {
        let start = self.at;
        let (end, escaped) = string_end(self.data, start)?;
        self.at = end + 1;
        if self.space() != b':' {
            return fault(self.at, "a colon is expected here");
        }
        self.at += 1;
        keys.find(&self.data[start..end], escaped).map_err(|what| Fault { at: start, what })
    }

    /// Whether a comma, or the bracket that closes, comes next.
    #[inline]
    fn more(&mut self, closing: u8) -> Result<bool, Fault> {
        let byte = self.space();
        self.at += 1;
        if byte == b',' {
            return Ok(true);
        }
        if byte == closing {
            return Ok(false);
        }
        self.at -= 1;
        match (byte, closing) {
            (b'\n', _) => fault(self.at, "the JSON object does not end in its line"),
            (_, b'}') => fault(self.at, "a comma or a closing brace is expected here"),
            _ => fault(self.at, "a comma or a closing bracket is expected here"),
        }
    }

    /// The value at this place, checked and passed over.
    #[inline]
    pub(crate) fn value(&mut self, depth: u32) -> Result<Span, Fault> {
        let start = self.at;
        let kind = match self.peek() {
            b'"' => {
                let (end, escaped) = string_end(self.data, start + 1)?;
                self.at = end + 1;
                return Ok(Span::new(start + 1, end, if escaped { Kind::Escaped } else { Kind::Text }));
            }
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' | b'[' => self.nested(depth)?,
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            b'n' => self.word(b"null", Kind::Null)?,
            b'\n' => return fault(self.at, "the JSON object does not end in its line"),
            _ => return fault(self.at, "a value is expected here"),
        };
        Ok(Span::new(start, self.at, kind))
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Fault> {
        if !self.data[self.at..].starts_with(word) {
            return fault(self.at, "a value is expected here");
        }
        self.at += word.len();
        Ok(kind)
    }

    #[inline]
    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        let first = self.peek();
        let digits = self.digits();
        if digits == 0 || (digits > 1 && first == b'0') {
            return fault(start, "this is no JSON number");
        }
        if self.peek() == b'.' {
            self.at += 1;
            if self.digits() == 0 {
                return fault(start, "this is no JSON number");
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            if self.digits() == 0 {
                return fault(start, "this is no JSON number");
            }
        }
        Ok(Kind::Number)
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        // Eight at a time: where digits end cannot be foreseen, so that a branch for each would often be a wrong one.
        while let Some(chunk) = self.data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let digits = leading_digits(*chunk);
            self.at += digits;
            if digits < 8 {
                return self.at - start;
            }
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    /// A list or an object, passed over.
    fn nested(&mut self, depth: u32) -> Result<Kind, Fault> {
        let Some(depth) = depth.checked_sub(1) else {
            return fault(self.at, "lists and objects are nested too deep");
        };
        if self.peek() == b'[' {
            self.list(depth, |_| {})?;
            return Ok(Kind::List);
        }
        self.at += 1;
        if self.space() == b'}' {
            self.at += 1;
            return Ok(Kind::Object);
        }
        loop {
            if self.peek() != b'"' {
                return fault(self.at, "the name of a field is expected here");
            }
            let (end, _) = string_end(self.data, self.at + 1)?;
            self.at = end + 1;
            if self.space() != b':' {
                return fault(self.at, "a colon is expected here");
            }
            self.at += 1;
            self.space();
            self.value(depth)?;
            if !self.more(b'}')? {
                return Ok(Kind::Object);
            }
            self.space();
        }
    }

    /// The list at this place; each of its items is handed to `each`.
    pub(crate) fn list(&mut self, depth: u32, mut each: impl FnMut(Span)) -> Result<(), Fault> {
        self.at += 1;
        if self.space() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self.value(depth)?);
            if !self.more(b']')? {
                return Ok(());
            }
            self.space();
        }
    }
}

/// How many of the bytes before the first other one are digits.
#[inline]
fn leading_digits(chunk: [u8; 8]) -> usize {
    const ALL: u64 = u64::MAX / 255;
    let bytes = u64::from_le_bytes(chunk) ^ (ALL * u64::from(b'0'));
    // The highest bit of each byte that is 10 or more; what is carried reaches only bytes behind such a one.
    let others = (bytes.wrapping_add(ALL * (0x80 - 10)) | bytes) & (ALL * 0x80);
    others.trailing_zeros() as usize / 8
}

/// Each field of an object that was walked over before: its name as it stands in the text, whether it holds escapes, its
/// value.
pub(crate) fn each_field(data: &[u8], object: Span, mut each: impl FnMut(&[u8], bool, Span)) -> Result<(), Fault> {
    let mut walker = Walker::new(data, object.start as usize + 1);
    if walker.space() == b'}' {
        return Ok(());
    }
    loop {
        let start = walker.at + 1;
        let (end, escaped) = string_end(data, start)?;
        walker.at = end + 1;
        walker.space();
        walker.at += 1;
        walker.space();
        each(&data[start..end], escaped, walker.value(MAX_DEPTH)?);
        if !walker.more(b'}')? {
            return Ok(());
        }
        walker.space();
    }
}

/// The object that is all of the line at `at`, and where the line ends.
pub(crate) fn line(data: &[u8], at: usize) -> (Result<Span, Fault>, usize) {
    let mut walker = Walker::new(data, at);
    let mut whole = || {
        if walker.space() != b'{' {
            return fault(walker.at, NO_OBJECT);
        }
        let object = walker.value(MAX_DEPTH)?;
        if walker.space() == b'\n' { Ok(object) } else { fault(walker.at, MORE_TEXT) }
    };
    let result = whole();
    let rest = data.get(walker.at..).unwrap_or_default();
    (result, walker.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len()))
}

/// The fields of an object that was walked over before.
pub(crate) fn fields(data: &[u8], object: Span, keys: &mut Keys, slots: &mut [Span]) -> Result<(), Fault> {
    Walker::new(data, object.start as usize).object(keys, slots, MAX_DEPTH)
}

/// The items of a list that was walked over before.
pub(crate) fn items(data: &[u8], list: Span, each: impl FnMut(Span)) -> Result<(), Fault> {
    Walker::new(data, list.start as usize).list(MAX_DEPTH, each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_end_at_the_first_byte_that_is_none() {
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                for behind in [b'0', b'9', 0xFF, b'/', b':'] {
                    let mut chunk = [b'9', b'0', b'5', b'1', b'0', b'9', b'8', b'7'];
                    chunk[place..].fill(behind);
                    chunk[place] = byte;
                    let expected = chunk.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    assert_eq!(leading_digits(chunk), expected, "{chunk:?}");
                }
            }
        }
    }
}
