//! Columns whose values have a fixed width: numbers of four or eight bytes, and booleans.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use parquet::basic::Encoding;

use super::bits::Hybrid;
use super::delta::Delta;
use super::message::Body;
use super::pages::{Pages, Values, read_length};
use super::{Halt, Read};

/// Numbers of `WIDTH` bytes, which are in Arrow as they are in Parquet.
pub struct Numbers<const WIDTH: usize> {
    whole: bool,
    dictionary: Vec<[u8; WIDTH]>,
    page: Page,
    indices: Vec<u32>,
}

enum Page {
    Plain(Bytes),
    Dictionary(Hybrid),
    Delta(Delta),
}

impl<const WIDTH: usize> Numbers<WIDTH> {
    /// A column without rows; `whole` for integers.
    pub fn new(whole: bool) -> Self {
        Self { whole, dictionary: Vec::new(), page: Page::Plain(Bytes::new()), indices: Vec::new() }
    }

    /// Writes the next rows into a message; how many are null.
    pub fn write(&mut self, pages: &mut Pages, rows: usize, body: &mut Body) -> Read<usize> {
        let levels = body.levels(pages.has_levels(), rows);
        let (places, _) = body.room(rows * WIDTH).as_chunks_mut::<WIDTH>();
        let mut count = 0;
        pages.read(self, rows, |column, more| {
            column.take(&mut places[count..count + more])?;
            count += more;
            Ok(())
        })?;
        let valid = pages.take_valid(rows);
        spread(places, &valid, count);
        body.end(rows * WIDTH);
        body.column(rows, rows - count, levels, &valid);
        Ok(rows - count)
    }

    fn take(&mut self, places: &mut [[u8; WIDTH]]) -> Read<()> {
        match &mut self.page {
            Page::Plain(bytes) => {
                let length = places.len() * WIDTH;
                if length > bytes.len() {
                    return Err(Halt::NotOurs);
                }
                places.as_flattened_mut().copy_from_slice(&bytes.split_to(length));
            }
            Page::Dictionary(indices) => {
                self.indices.resize(places.len(), 0);
                indices.take(&mut self.indices)?;
                for (place, index) in places.iter_mut().zip(&self.indices) {
                    *place = *self.dictionary.get(*index as usize).ok_or(Halt::NotOurs)?;
                }
            }
            Page::Delta(numbers) => {
                let mut places = places.iter_mut();
                numbers.take(places.len(), |numbers| {
                    for (number, place) in numbers.iter().zip(&mut places) {
                        place.copy_from_slice(&number.to_le_bytes()[..WIDTH]);
                    }
                })?;
            }
        }
        Ok(())
    }
}

impl<const WIDTH: usize> Values for Numbers<WIDTH> {
    fn dictionary(&mut self, bytes: Bytes, count: usize) -> Read<()> {
        let (numbers, _) = bytes.as_chunks::<WIDTH>();
        self.dictionary = numbers.get(..count).ok_or(Halt::NotOurs)?.to_vec();
        Ok(())
    }

    fn page(&mut self, bytes: Bytes, encoding: Encoding) -> Read<()> {
        self.page = match encoding {
            Encoding::PLAIN => Page::Plain(bytes),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => Page::Dictionary(Hybrid::indices(bytes)?),
            Encoding::DELTA_BINARY_PACKED if self.whole => Page::Delta(Delta::new(bytes)?),
            _ => return Err(Halt::NotOurs),
        };
        Ok(())
    }
}

/// Moves values, which lie one after the other, to their rows; nulls are zero.
fn spread<const WIDTH: usize>(places: &mut [[u8; WIDTH]], valid: &BooleanBuffer, mut count: usize) {
    // From the end on: no value is overwritten before it is moved.
    for row in (0..places.len()).rev() {
        if count == row + 1 {
            return;
        }
        if valid.value(row) {
            count -= 1;
            places[row] = places[count];
        } else {
            places[row] = [0; WIDTH];
        }
    }
}

/// Booleans, which are bits in both.
pub struct Booleans {
    page: Hybrid,
    bits: BooleanBufferBuilder,
}

impl Booleans {
    /// A column without rows.
    pub fn new() -> Self {
        Self { page: Hybrid::bits(Bytes::new()), bits: BooleanBufferBuilder::new(0) }
    }

    /// Writes the next rows into a message; how many are null.
    pub fn write(&mut self, pages: &mut Pages, rows: usize, body: &mut Body) -> Read<usize> {
        let levels = body.levels(pages.has_levels(), rows);
        pages.read(self, rows, |column, more| column.page.take_bits(more, &mut column.bits))?;
        let (bits, valid) = (self.bits.finish(), pages.take_valid(rows));
        let nulls = rows - bits.len();
        if nulls == 0 {
            body.bits(&bits);
        } else {
            let mut values = bits.iter();
            body.bits(&valid.iter().map(|valid| valid && values.next() == Some(true)).collect());
        }
        body.column(rows, nulls, levels, &valid);
        Ok(nulls)
    }
}

impl Values for Booleans {
    fn dictionary(&mut self, _: Bytes, _: usize) -> Read<()> {
        Err(Halt::NotOurs)
    }

    fn page(&mut self, mut bytes: Bytes, encoding: Encoding) -> Read<()> {
        self.page = match encoding {
            Encoding::PLAIN => Hybrid::bits(bytes),
            Encoding::RLE => {
                let length = read_length(&mut bytes)?;
                Hybrid::new(bytes.split_to(length), 1)?
            }
            _ => return Err(Halt::NotOurs),
        };
        Ok(())
    }
}
