//! Reads Thrift's compact protocol with every claimed length checked against the bytes that are there.
//!
//! The Parquet crate makes room for what a list claims to hold, and follows nesting as deep as it goes: a few bytes could
//! end the process. So whatever of a file is given to the crate's decoder is walked over by this one first, which makes
//! room for nothing.

/// What is wrong with the bytes.
pub(super) type Walked<T> = Result<T, &'static str>;

/// Structures in structures, at most. Parquet's own go four deep.
const MAX_DEPTH: usize = 32;

pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// A place in bytes of the compact protocol.
#[derive(Debug, Clone)]
pub(super) struct Thrift<'a> {
    data: &'a [u8],
    at: usize,
}

/// A field of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) id: i16,
    pub(super) kind: u8,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn left(&self) -> usize {
        self.data.len() - self.at
    }

    fn byte(&mut self) -> Walked<u8> {
        let byte = *self.data.get(self.at).ok_or("it ends too early")?;
        self.at += 1;
        Ok(byte)
    }

    fn bytes(&mut self, count: u64) -> Walked<()> {
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => {
                self.at += count;
                Ok(())
            }
            _ => Err("a text in it is longer than it"),
        }
    }

    fn varint(&mut self) -> Walked<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in it has no end")
    }

    /// A whole number of any size.
    #[expect(clippy::cast_possible_wrap, reason = "zigzag: the sign is the last bit")]
    pub(super) fn int(&mut self) -> Walked<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field of a structure; `None` at its end. `last` is the id of the field before, 0 at first.
    pub(super) fn field(&mut self, last: &mut i16) -> Walked<Option<Field>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => i16::try_from(self.int()?).map_err(|_| "a field's number is too large")?,
            step => last.checked_add(i16::from(step)).ok_or("a field's number is too large")?,
        };
        *last = id;
        Ok(Some(Field { id, kind: head & 0x0f }))
    }

    /// The kind and number of a list's elements. Each takes a byte at least.
    pub(super) fn list(&mut self) -> Walked<(u8, usize)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        match usize::try_from(count) {
            Ok(count) if count <= self.left() => Ok((head & 0x0f, count)),
            _ => Err("a list in it claims more elements than there are bytes"),
        }
    }

    /// Steps over a field's value, all in it checked.
    pub(super) fn skip(&mut self, kind: u8) -> Walked<()> {
        self.skip_value(kind, false, MAX_DEPTH)
    }

    fn skip_value(&mut self, kind: u8, element: bool, depth: usize) -> Walked<()> {
        if depth == 0 {
            return Err("it is nested too deeply");
        }
        match kind {
            // Truth values are part of a field's head, but not of a list's.
            1 | 2 if element => self.byte().map(drop),
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(length)
            }
            LIST | 10 => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_value(kind, true, depth - 1))
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                for _ in 0..count {
                    self.skip_value(kinds >> 4, true, depth - 1)?;
                    self.skip_value(kinds & 0x0f, true, depth - 1)?;
                }
                Ok(())
            }
            STRUCT => {
                let mut last = 0;
                while let Some(field) = self.field(&mut last)? {
                    self.skip_value(field.kind, false, depth - 1)?;
                }
                Ok(())
            }
            _ => Err("a value in it has no known kind"),
        }
    }

    /// Looks at the fields of a structure: `known` reads those that it knows and says so; all others are stepped over.
    pub(super) fn fields(&mut self, mut known: impl FnMut(&mut Self, Field) -> Walked<bool>) -> Walked<()> {
        let mut last = 0;
        while let Some(field) = self.field(&mut last)? {
            if !known(self, field)? {
                self.skip(field.kind)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_never_claims_more_than_there_is() {
        // A structure with a list of structures, which claims 2^28 of them.
        let lie = [0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00];
        assert!(Thrift::new(&lie).skip(STRUCT).is_err());
        let good = [0x19, 0x15, 0x02, 0x00];
        let mut walked = Thrift::new(&good);
        walked.skip(STRUCT).unwrap();
        assert_eq!(walked.position(), good.len());
    }

    #[test]
    fn nesting_has_an_end() {
        assert_eq!(Thrift::new(&[0x1c; 1000]).skip(STRUCT), Err("it is nested too deeply"));
    }

    #[test]
    fn numbers() {
        assert_eq!(Thrift::new(&[0x03]).int(), Ok(-2));
        assert_eq!(Thrift::new(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).int(), Ok(i64::from(i32::MAX)));
        assert!(Thrift::new(&[0xff; 20]).int().is_err());
    }
}
