//! Columns that are encoded by us: those whose values repeat, since the `parquet` crate hashes each value's bytes, and
//! texts that do not, since it copies them three times (`docs/adr/0014-own-dictionary-columns.md`,
//! `docs/adr/0015-own-text-columns.md`).

mod bounds;
mod compress;
mod delta;
mod dictionary;
mod hybrid;
mod pages;
mod texts;

use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::schema::types::ColumnDescPtr;

use crate::error::Result;

pub(super) use compress::Compressor;
pub(super) use dictionary::DictionaryColumn;
pub(super) use texts::TextColumn;

/// A column of a row group that is encoded by us.
pub(super) enum OwnColumn {
    Dictionary(Box<DictionaryColumn>),
    Texts(Box<TextColumn>),
}

/// How a column is written.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) kind: DataType,
    /// The column of the file.
    pub(super) description: ColumnDescPtr,
    pub(super) compressor: Compressor,
    /// Whether least and greatest values are written.
    pub(super) statistics: bool,
}

/// An encoded column: its pages, and what the file's footer says of them.
pub(super) struct EncodedColumn {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

impl OwnColumn {
    /// A column without rows, whose values repeat; a dictionary of `limit` bytes is too large.
    pub(super) fn dictionary(plan: Plan, limit: usize) -> Self {
        Self::Dictionary(Box::new(DictionaryColumn::new(plan, limit)))
    }

    /// A column without rows, of texts that hardly repeat.
    pub(super) fn texts(plan: &Plan) -> Self {
        Self::Texts(Box::new(TextColumn::new(plan)))
    }

    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Dictionary(column) => column.size(),
            Self::Texts(column) => column.size(),
        }
    }

    /// Encodes what is left of the rows taken.
    pub(super) fn finish(self) -> Result<EncodedColumn> {
        match self {
            Self::Dictionary(column) => column.finish(),
            Self::Texts(column) => column.finish(),
        }
    }
}

/// Texts that are fetched at one time.
const FETCHED_AT_ONCE: usize = 32;

/// Brings texts that are about to be used into the processor's cache. They lie far apart, in read buffers that have left it:
/// asked for one after the other, each is waited for; asked for together, they come together.
fn fetch<'a>(texts: impl Iterator<Item = &'a [u8]>) {
    let ends = texts.filter_map(|text| Some(text.first()? ^ text.last()?));
    std::hint::black_box(ends.fold(0, |all, ends| all ^ ends));
}

#[cfg(test)]
mod tests;
