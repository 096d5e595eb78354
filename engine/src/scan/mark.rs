//! Short texts that mean something in a file: delimiters, the beginnings of comments.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The longest one, in bytes.
const MAX_BYTES: usize = 8;

/// A text of 1 to 8 bytes without line ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

impl Mark {
    /// The mark that `text` is; `None` if it is too long, empty or holds a line end.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_BYTES];
        let fits = !text.is_empty() && text.len() <= MAX_BYTES && memchr::memchr2(b'\n', b'\r', text).is_none();
        bytes.get_mut(..text.len()).filter(|_| fits)?.copy_from_slice(text);
        Some(Self { bytes, length: u8::try_from(text.len()).ok()? })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// How many bytes it has.
    pub fn width(self) -> u8 {
        self.length
    }

    /// Its first byte.
    pub fn first(self) -> u8 {
        self.bytes[0]
    }

    /// The byte that it is, if it is only one.
    pub fn single(self) -> Option<u8> {
        (self.length == 1).then_some(self.bytes[0])
    }
}

impl From<u8> for Mark {
    fn from(byte: u8) -> Self {
        let mut bytes = [0; MAX_BYTES];
        bytes[0] = byte;
        Self { bytes, length: 1 }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text.as_bytes()).ok_or_else(|| {
            D::Error::custom(format!("`{}` is not a text of 1 to {MAX_BYTES} bytes", text.escape_debug()))
        })
    }
}
