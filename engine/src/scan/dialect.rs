//! How a text file is written.

use karyaksham_spec::{Compression, DateOrder, Decimal, Encoding};
use serde::{Deserialize, Serialize};

use super::mark::Mark;

/// The dialect of a delimited text file, as it stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dialect {
    /// The delimiter: one character, or several of up to 8 bytes together.
    #[serde(default = "comma")]
    pub delimiter: Mark,
    /// The quote, one ASCII character; absent: nothing is quoted.
    #[serde(default = "Dialect::double_quote", with = "optional_character")]
    pub quote: Option<u8>,
    /// The escape inside quotes; absent: a quote is doubled. Where nothing is quoted, the escape stands before delimiters
    /// and line ends that are text.
    #[serde(default, with = "optional_character")]
    pub escape: Option<u8>,
    /// Whether records hold the names.
    #[serde(default = "yes")]
    pub header: bool,
    /// How many records the header has, if there is one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub header_rows: u32,
    /// Lines before the header, or before the first record, that are no part of the table.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_rows: u64,
    /// What lines that are no records begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Mark>,
    /// The text encoding.
    #[serde(default = "utf8")]
    pub encoding: Encoding,
    /// What ends a record.
    #[serde(default)]
    pub line_ending: LineEnding,
    /// The compression of the file.
    #[serde(default)]
    pub compression: Compression,
    /// Unquoted fields that are null, beside the empty one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_values: Vec<String>,
    /// The order of day and month in dates whose year stands last; absent: such dates are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// The sign before decimals; absent: a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
}

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnding {
    /// `\n`; a `\r` before it is dropped.
    #[default]
    Lf,
    /// `\r\n` in most records; read as `lf`.
    Crlf,
    /// `\r` alone.
    Cr,
    /// Any of the three, from record to record.
    Mixed,
}

impl Dialect {
    #[expect(clippy::unnecessary_wraps, reason = "serde's default for an optional field")]
    fn double_quote() -> Option<u8> {
        Some(b'"')
    }

    /// The byte that ends a record.
    pub fn terminator(&self) -> u8 {
        if self.line_ending == LineEnding::Cr { b'\r' } else { b'\n' }
    }

    /// How many records in front are the header.
    pub fn header_records(&self) -> u32 {
        if self.header { self.header_rows.max(1) } else { 0 }
    }

    /// Whether a record of this dialect, copied as it stands, means the same to every reader of RFC 4180 that knows the
    /// delimiter. What stands before the first record does not matter.
    pub fn is_verbatim(&self) -> bool {
        self.delimiter.single().is_some()
            && matches!(self.quote, None | Some(b'"'))
            && (self.escape.is_none() || self.escape == self.quote)
            && matches!(self.line_ending, LineEnding::Lf | LineEnding::Crlf)
            && self.comment.is_none()
            && self.null_values.is_empty()
            && self.date_order.is_none()
            && self.decimal != Some(Decimal::Comma)
    }

    /// Where the first record of a text starts, behind the lines that are skipped, and how many lines those are.
    pub fn preamble(&self, text: &[u8]) -> (usize, u64) {
        let mut lines = LineSkipper::new(self);
        let start = lines.skip(text);
        (start, self.skip_rows - lines.left)
    }
}

/// Skips lines in a text that comes in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineSkipper {
    /// Lines to skip yet.
    pub(super) left: u64,
    ending: LineEnding,
    /// Whether the last byte was a carriage return that ended a line, unless a line feed follows.
    after_return: bool,
}

impl LineSkipper {
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self { left: dialect.skip_rows, ending: dialect.line_ending, after_return: false }
    }

    /// Whether bytes may be skipped yet.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && !self.after_return
    }

    /// How many bytes of the next piece belong to lines that are skipped.
    pub(super) fn skip(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        if self.after_return && text.first() == Some(&b'\n') {
            at = 1;
        }
        self.after_return &= text.is_empty();
        while self.left > 0 {
            let rest = &text[at..];
            let end = match self.ending {
                LineEnding::Cr => memchr::memchr(b'\r', rest),
                LineEnding::Mixed => memchr::memchr2(b'\r', b'\n', rest),
                LineEnding::Lf | LineEnding::Crlf => memchr::memchr(b'\n', rest),
            };
            let Some(end) = end else { return text.len() };
            at += end + 1;
            self.left -= 1;
            if self.ending == LineEnding::Mixed && rest[end] == b'\r' {
                match text.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
        }
        at
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: comma(),
            quote: Self::double_quote(),
            escape: None,
            header: true,
            header_rows: 1,
            skip_rows: 0,
            comment: None,
            encoding: utf8(),
            line_ending: LineEnding::Lf,
            compression: Compression::None,
            null_values: Vec::new(),
            date_order: None,
            decimal: None,
        }
    }
}

fn comma() -> Mark {
    b','.into()
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn utf8() -> Encoding {
    Encoding::Utf8
}

mod optional_character {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn serialize<S: Serializer>(byte: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        match byte {
            Some(byte) => serializer.serialize_char(char::from(*byte)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
        match Option::<String>::deserialize(deserializer)?.as_deref().map(str::as_bytes) {
            None | Some([]) => Ok(None),
            Some([byte]) if byte.is_ascii() => Ok(Some(*byte)),
            Some(_) => Err(D::Error::custom("not one ASCII character")),
        }
    }
}
