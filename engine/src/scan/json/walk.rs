//! Walks over JSON text once, checks its grammar, and notes where the wanted values stand. Nothing is built or copied.

#![expect(clippy::inline_always, reason = "to hand their results over in memory takes about as long as what they do")]

use super::keys::Keys;
use super::text::{Fault, fault, string_end};

/// How deep lists and objects may be nested.
const MAX_DEPTH: u32 = 128;

const NO_OBJECT: &str = "the line is no JSON object";
const MORE_TEXT: &str = "there is more text behind the object";
const UNFINISHED: &str = "the JSON object does not end in its line";
const NO_VALUE: &str = "a value is expected here";

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

/// What comes next in an object.
enum Next {
    /// A field: its slot, if it is wanted, and the place of its value.
    Field { slot: Option<usize>, value: usize },
    /// Its end: the place behind it.
    End(usize),
}

/// A value, and the place behind it.
type Found = Result<(Span, usize), Fault>;

/// JSON text. Its end counts as a line end, and a value never passes a line end.
///
/// Places are handed on by value, so that they stay in registers: each is needed for the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl Text<'_> {
    #[inline]
    fn peek(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(b'\n')
    }

    /// The first place from `at` on that holds no white space, or ends the line.
    #[inline]
    pub(crate) fn space(self, mut at: usize) -> usize {
        // All white space is below all else that may stand between values.
        while self.peek(at) <= b' ' && matches!(self.peek(at), b' ' | b'\t' | b'\r') {
            at += 1;
        }
        at
    }

    /// The end of the line that begins at `at`, if there is nothing but white space in it.
    #[inline]
    pub(crate) fn blank(self, at: usize) -> Option<usize> {
        let end = self.space(at);
        (self.peek(end) == b'\n').then_some(end)
    }

    /// The place behind an object that is all of a line, which is the line's end; `slots` takes the places of its wanted fields.
    #[inline]
    pub(crate) fn line(self, at: usize, keys: &mut Keys, slots: &mut [Span]) -> Result<usize, Fault> {
        let at = self.space(at);
        if self.peek(at) != b'{' {
            return fault(at, NO_OBJECT);
        }
        self.line_end(self.object(at, keys, slots, MAX_DEPTH)?)
    }

    #[inline]
    fn line_end(self, at: usize) -> Result<usize, Fault> {
        let at = self.space(at);
        if self.peek(at) == b'\n' { Ok(at) } else { fault(at, MORE_TEXT) }
    }

    /// The place behind the object at this place; of a field that comes twice, the last value counts.
    #[inline]
    pub(crate) fn object(self, at: usize, keys: &mut Keys, slots: &mut [Span], depth: u32) -> Result<usize, Fault> {
        keys.start();
        let mut at = at + 1;
        let mut first = true;
        loop {
            let slot = match keys.guess(self.0.get(at..).unwrap_or_default(), first) {
                Some((slot, length)) => {
                    // What was learned may end at a colon that white space follows here.
                    at = self.space(at + length);
                    slot
                }
                None => match self.key(at, keys, first)? {
                    Next::Field { slot, value } => {
                        at = value;
                        slot
                    }
                    Next::End(end) => return Ok(end),
                },
            };
            let (value, end) = self.value(at, depth)?;
            if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot)) {
                *slot = value;
            }
            if self.peek(end) == b'}' {
                return Ok(end + 1);
            }
            at = end;
            first = false;
        }
    }

    /// What comes next in an object, if it was not foreseen; `begin` is behind the brace, or behind a value.
    #[inline(never)]
    fn key(self, begin: usize, keys: &mut Keys, first: bool) -> Result<Next, Fault> {
        let at = if first {
            let at = self.space(begin);
            if self.peek(at) == b'}' {
                return Ok(Next::End(at + 1));
            }
            at
        } else {
            let (more, at) = self.more(begin, b'}')?;
            if !more {
                return Ok(Next::End(at));
            }
            at
        };
        let (name, escaped, value) = self.name(at)?;
        let raw = name.bytes(self.0);
        let slot = keys.find(raw, escaped).map_err(|what| Fault { at: name.start as usize, what })?;
        keys.learn(&self.0[begin..value], slot, first);
        Ok(Next::Field { slot, value })
    }

    /// A field's name and whether it holds escapes; and the place behind its colon, and white space around.
    #[inline(always)]
    fn name(self, at: usize) -> Result<(Span, bool, usize), Fault> {
        let start = self.space(at) + 1;
        if self.peek(start - 1) != b'"' {
            return fault(start - 1, "the name of a field is expected here");
        }
        let (end, escaped) = string_end(self.0, start)?;
        let at = self.space(end + 1);
        if self.peek(at) != b':' {
            return fault(at, "a colon is expected here");
        }
        Ok((Span::new(start, end, Kind::Text), escaped, self.space(at + 1)))
    }

    /// Whether a comma, or the bracket that closes, comes next; and the place behind it.
    #[inline]
    fn more(self, at: usize, closing: u8) -> Result<(bool, usize), Fault> {
        let at = self.space(at);
        match (self.peek(at), closing) {
            (b',', _) => Ok((true, at + 1)),
            (byte, _) if byte == closing => Ok((false, at + 1)),
            (b'\n', _) => fault(at, UNFINISHED),
            (_, b'}') => fault(at, "a comma or a closing brace is expected here"),
            _ => fault(at, "a comma or a closing bracket is expected here"),
        }
    }

    /// The value at this place, checked and passed over.
    #[inline(always)]
    pub(crate) fn value(self, at: usize, depth: u32) -> Found {
        match self.peek(at) {
            b'"' => {
                let (end, escaped) = string_end(self.0, at + 1)?;
                let kind = if escaped { Kind::Escaped } else { Kind::Text };
                Ok((Span::new(at + 1, end, kind), end + 1))
            }
            b'-' | b'0'..=b'9' => {
                let end = self.number(at);
                if end == at {
                    return fault(at, "this is no JSON number");
                }
                Ok((Span::new(at, end, Kind::Number), end))
            }
            _ => {
                let (kind, end) = self.other(at, depth)?;
                Ok((Span::new(at, end, kind), end))
            }
        }
    }

    /// A value that is neither text nor number, and the place behind it.
    #[inline(never)]
    fn other(self, at: usize, depth: u32) -> Result<(Kind, usize), Fault> {
        match self.peek(at) {
            b'{' => Ok((Kind::Object, self.nested(at, depth)?)),
            b'[' => Ok((Kind::List, self.list(at, depth, |_| {})?)),
            b't' => self.word(at, b"true", Kind::True),
            b'f' => self.word(at, b"false", Kind::False),
            b'n' => self.word(at, b"null", Kind::Null),
            b'\n' => fault(at, UNFINISHED),
            _ => fault(at, NO_VALUE),
        }
    }

    #[inline]
    fn word<const N: usize>(self, at: usize, word: &'static [u8; N], kind: Kind) -> Result<(Kind, usize), Fault> {
        match self.0.get(at..).and_then(<[u8]>::first_chunk::<N>) {
            Some(found) if found == word => Ok((kind, at + N)),
            _ => fault(at, NO_VALUE),
        }
    }

    /// The place behind the number at this place; the place itself if there is none.
    #[inline(always)]
    fn number(self, start: usize) -> usize {
        let first = start + usize::from(self.peek(start) == b'-');
        let mut at = self.digits(first);
        if at == first || (at > first + 1 && self.peek(first) == b'0') {
            return start;
        }
        if self.peek(at) == b'.' {
            let decimals = at + 1;
            at = self.digits(decimals);
            if at == decimals {
                return start;
            }
        }
        if self.peek(at) | 0x20 == b'e' {
            let sign = matches!(self.peek(at + 1), b'+' | b'-');
            let exponent = at + 1 + usize::from(sign);
            at = self.digits(exponent);
            if at == exponent {
                return start;
            }
        }
        at
    }

    /// The place behind the digits from `at` on.
    #[inline]
    fn digits(self, mut at: usize) -> usize {
        // Eight at a time: where digits end cannot be foreseen, so that a branch for each would often be a wrong one.
        while let Some(chunk) = self.0.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let digits = leading_digits(*chunk);
            at += digits;
            if digits < 8 {
                return at;
            }
        }
        while self.peek(at).is_ascii_digit() {
            at += 1;
        }
        at
    }

    /// The place behind an object whose fields nobody asks for.
    fn nested(self, at: usize, depth: u32) -> Result<usize, Fault> {
        let depth = deeper(at, depth)?;
        let mut at = self.space(at + 1);
        if self.peek(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let (_, _, place) = self.name(at)?;
            let (_, end) = self.value(place, depth)?;
            let (more, next) = self.more(end, b'}')?;
            if !more {
                return Ok(next);
            }
            at = next;
        }
    }

    /// The place behind the list at this place; each of its items is handed to `each`.
    pub(crate) fn list(self, at: usize, depth: u32, mut each: impl FnMut(Span)) -> Result<usize, Fault> {
        let depth = deeper(at, depth)?;
        let mut at = self.space(at + 1);
        if self.peek(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            let (item, end) = self.value(at, depth)?;
            each(item);
            let (more, next) = self.more(end, b']')?;
            if !more {
                return Ok(next);
            }
            at = self.space(next);
        }
    }
}

/// The depth that is left within the list or object at `at`.
fn deeper(at: usize, depth: u32) -> Result<u32, Fault> {
    depth.checked_sub(1).ok_or(Fault { at, what: "lists and objects are nested too deep" })
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
    let text = Text(data);
    let mut at = text.space(object.start as usize + 1);
    if text.peek(at) == b'}' {
        return Ok(());
    }
    loop {
        let (name, escaped, place) = text.name(at)?;
        let (value, end) = text.value(place, MAX_DEPTH)?;
        each(name.bytes(data), escaped, value);
        let (more, next) = text.more(end, b'}')?;
        if !more {
            return Ok(());
        }
        at = next;
    }
}

/// The object that is all of the line at `at`, and where the line ends.
pub(crate) fn line(data: &[u8], at: usize) -> (Result<Span, Fault>, usize) {
    let text = Text(data);
    let whole = || {
        let start = text.space(at);
        if text.peek(start) != b'{' {
            return fault(start, NO_OBJECT);
        }
        let (object, end) = text.value(start, MAX_DEPTH)?;
        Ok((object, text.line_end(end)?))
    };
    match whole() {
        Ok((object, end)) => (Ok(object), end),
        Err(fault) => (Err(fault), line_end_behind(data, fault.at)),
    }
}

/// The end of the line that `at` is in.
pub(crate) fn line_end_behind(data: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', data.get(at..).unwrap_or_default()).map_or(data.len(), |found| at + found)
}

/// The fields of an object that was walked over before.
pub(crate) fn fields(data: &[u8], object: Span, keys: &mut Keys, slots: &mut [Span]) -> Result<(), Fault> {
    Text(data).object(object.start as usize, keys, slots, MAX_DEPTH).map(|_| ())
}

/// The items of a list that was walked over before.
pub(crate) fn items(data: &[u8], list: Span, each: impl FnMut(Span)) -> Result<(), Fault> {
    Text(data).list(list.start as usize, MAX_DEPTH, each).map(|_| ())
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
