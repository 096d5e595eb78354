//! A column's pages, row by row.

use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use arrow::util::bit_chunk_iterator::UnalignedBitChunk;
use bytes::{Buf, Bytes};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::bits::Hybrid;
use super::{Halt, Read};
use crate::stream::ranges::Windows;

/// What takes the values of pages.
pub trait Values {
    /// The dictionary, of so many values in plain encoding.
    fn dictionary(&mut self, bytes: Bytes, count: usize) -> Read<()>;

    /// The next page's values.
    fn page(&mut self, bytes: Bytes, encoding: Encoding) -> Read<()>;
}

/// Goes through the pages of a column.
pub struct Pages {
    reader: SerializedPageReader<Windows>,
    /// Whether there are levels, which tell values from nulls.
    levels: bool,
    /// Of the page: its rows that are left, and their levels.
    left: usize,
    page: Option<Hybrid>,
    /// Whether it has no bytes for values, as one of nulls may.
    empty: bool,
    /// Which of the rows read have values.
    valid: BooleanBufferBuilder,
}

impl Pages {
    /// The pages of a column without nesting.
    pub fn new(windows: &Windows, column: &ColumnChunkMetaData, rows: usize) -> Read<Self> {
        let reader = SerializedPageReader::new(Arc::new(windows.clone()), column, rows, None).map_err(halt)?;
        let levels = column.column_descr().max_def_level() > 0;
        Ok(Self { reader, levels, left: 0, page: None, empty: true, valid: BooleanBufferBuilder::new(0) })
    }

    /// Whether values are told from nulls.
    pub fn has_levels(&self) -> bool {
        self.levels
    }

    /// Rows that were read and not taken out.
    pub fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Reads so many rows: `take` gets the number of values that come next, page by page.
    pub fn read<V: Values>(
        &mut self,
        values: &mut V,
        mut rows: usize,
        mut take: impl FnMut(&mut V, usize) -> Read<()>,
    ) -> Read<()> {
        while rows > 0 {
            if self.left == 0 {
                self.next_page(values)?;
                continue;
            }
            let length = rows.min(self.left);
            let before = self.valid.len();
            let count = if let Some(levels) = &mut self.page {
                levels.take_bits(length, &mut self.valid)?;
                count_bits(self.valid.as_slice(), before, length)
            } else {
                self.valid.append_n(length, true);
                length
            };
            if count > 0 {
                if self.empty {
                    return Err(Halt::NotOurs);
                }
                take(values, count)?;
            }
            self.left -= length;
            rows -= length;
        }
        Ok(())
    }

    /// How many of the first rows read have values.
    pub fn count_valid(&self, rows: usize) -> usize {
        count_bits(self.valid.as_slice(), 0, rows)
    }

    /// Takes out which of the first rows read have values.
    pub fn take_valid(&mut self, rows: usize) -> BooleanBuffer {
        let all = self.valid.finish();
        if rows < all.len() {
            self.valid.append_buffer(&all.slice(rows, all.len() - rows));
        }
        all.slice(0, rows)
    }

    fn next_page(&mut self, values: &mut impl Values) -> Read<()> {
        let page = self.reader.get_next_page().map_err(halt)?.ok_or(Halt::NotOurs)?;
        let (mut bytes, rows, encoding, levels) = match page {
            Page::DictionaryPage {
                buf, num_values, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, ..
            } => {
                return values.dictionary(buf, num_values as usize);
            }
            Page::DataPage { buf, num_values, encoding, def_level_encoding: Encoding::RLE, .. } => {
                let (mut buf, mut length) = (buf, 0);
                if self.levels {
                    length = read_length(&mut buf)?;
                }
                (buf, num_values, encoding, length)
            }
            Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len: 0, .. } => {
                (buf, num_values, encoding, def_levels_byte_len as usize)
            }
            _ => return Err(Halt::NotOurs),
        };
        if levels > bytes.len() {
            return Err(Halt::NotOurs);
        }
        let levels = bytes.split_to(levels);
        self.page = if self.levels { Some(Hybrid::new(levels, 1)?) } else { None };
        self.left = rows as usize;
        self.empty = bytes.is_empty();
        if bytes.is_empty() { Ok(()) } else { values.page(bytes, encoding) }
    }
}

/// A length in four bytes, taken off the front; what it measures follows.
pub fn read_length(bytes: &mut impl Buf) -> Read<usize> {
    let length = bytes.try_get_u32_le().map_err(|_| Halt::NotOurs)? as usize;
    if length > bytes.remaining() { Err(Halt::NotOurs) } else { Ok(length) }
}

fn count_bits(bits: &[u8], from: usize, length: usize) -> usize {
    UnalignedBitChunk::new(bits, from, length).count_ones()
}

/// What the storage refuses ends the stream; what cannot be understood is for others to judge.
fn halt(error: ParquetError) -> Halt {
    match error {
        ParquetError::External(_) => Halt::Failed(error.into()),
        _ => Halt::NotOurs,
    }
}
