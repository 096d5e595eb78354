//! From a row group's pages straight to messages: what results are mostly made of.
//!
//! The `parquet` crate decodes into arrays, which are copied into a message then. Columns without nesting whose values are
//! in Arrow as they are in Parquet (numbers of four and eight bytes, dates, times, booleans, texts, bytes), in the encodings
//! that the engine writes and other writers mostly use, need no arrays. Whatever else a row group has, it is not ours from
//! there on: the crate reads on, or says what is wrong with it.

mod bits;
mod delta;
mod message;
mod numbers;
mod pages;
mod texts;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow_flight::FlightData;
use parquet::basic::{Encoding, LogicalType, TimeUnit as StoredUnit, Type as PhysicalType};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use self::message::Body;
use self::numbers::{Booleans, Numbers};
use self::pages::Pages;
use self::texts::Texts;
use crate::error::Error;
use crate::stream::ranges::Windows;

pub use self::message::Pool;

/// Why decoding stops.
#[derive(Debug)]
pub enum Halt {
    /// It is damaged, or nothing that is read here.
    NotOurs,
    /// The storage does not give it.
    Failed(Error),
}

type Read<T> = Result<T, Halt>;

/// A row group that is being read.
pub struct RowGroup {
    columns: Vec<Column>,
    left: usize,
}

struct Column {
    pages: Pages,
    values: Values,
    nullable: bool,
}

enum Values {
    Booleans(Booleans),
    Four(Numbers<4>),
    Eight(Numbers<8>),
    Texts(Texts),
}

impl RowGroup {
    /// A row group whose columns go out with this schema, if all of them are read here.
    pub fn open(windows: &Windows, group: &RowGroupMetaData, schema: &Schema) -> Option<Self> {
        let left = usize::try_from(group.num_rows()).ok()?;
        if group.num_columns() != schema.fields().len() {
            return None;
        }
        let columns = group.columns().iter().zip(schema.fields());
        let columns = columns.map(|(stored, field)| {
            let values = Values::new(stored, field)?;
            let pages = Pages::new(windows, stored, left).ok()?;
            Some(Column { pages, values, nullable: field.is_nullable() })
        });
        Some(Self { columns: columns.collect::<Option<_>>()?, left })
    }

    /// The next rows: at most so many, in a body of at most `target` bytes (or one row); none at the end.
    pub fn next(&mut self, rows: usize, target: usize, pool: &Arc<Pool>) -> Read<Option<(FlightData, usize)>> {
        let rows = self.fitting(rows.min(self.left), target as u64)?;
        if rows == 0 {
            return Ok(None);
        }
        let mut body = Body::new(pool);
        for column in &mut self.columns {
            column.write(rows, &mut body)?;
        }
        self.left -= rows;
        Ok(Some((body.finish(rows), rows)))
    }

    /// How many of the next rows fit, at least one if there is any.
    fn fitting(&mut self, mut rows: usize, target: u64) -> Read<usize> {
        for column in &mut self.columns {
            rows = column.prepare(rows, target)?;
        }
        while rows > 1 {
            let size = self.columns.iter().map(|column| column.size(rows)).sum::<u64>();
            if size <= target {
                break;
            }
            // Rows are about as long as each other, mostly.
            let fewer = rows as u64 * target / size;
            rows = usize::try_from(fewer).unwrap_or(rows).clamp(1, rows - 1);
        }
        Ok(rows)
    }
}

impl Column {
    /// How many of so many rows are known well enough to be written.
    fn prepare(&mut self, rows: usize, target: u64) -> Read<usize> {
        match &mut self.values {
            Values::Texts(texts) => texts.prepare(&mut self.pages, rows, target),
            _ => Ok(rows),
        }
    }

    /// The bytes of the next rows, about.
    fn size(&self, rows: usize) -> u64 {
        let count = rows as u64;
        let values = match &self.values {
            Values::Booleans(_) => count.div_ceil(8),
            Values::Four(_) => count * 4,
            Values::Eight(_) => count * 8,
            Values::Texts(texts) => texts.size(&self.pages, rows),
        };
        values + if self.pages.has_levels() { count.div_ceil(8) } else { 0 }
    }

    fn write(&mut self, rows: usize, body: &mut Body) -> Read<()> {
        let nulls = match &mut self.values {
            Values::Booleans(column) => column.write(&mut self.pages, rows, body),
            Values::Four(column) => column.write(&mut self.pages, rows, body),
            Values::Eight(column) => column.write(&mut self.pages, rows, body),
            Values::Texts(column) => column.write(&mut self.pages, rows, body),
        }?;
        if nulls > 0 && !self.nullable { Err(Halt::NotOurs) } else { Ok(()) }
    }
}

impl Values {
    /// What reads a column, if it is read here.
    fn new(stored: &ColumnChunkMetaData, field: &Field) -> Option<Self> {
        let description = stored.column_descr();
        let flat = description.path().parts().len() == 1
            && description.max_rep_level() == 0
            && description.max_def_level() <= 1;
        if !flat || !stored.encodings().all(is_read) {
            return None;
        }
        let times = match (field.data_type(), description.logical_type_ref()) {
            (DataType::Timestamp(unit, _), Some(LogicalType::Timestamp(stored))) => is_same(*unit, stored.unit),
            (DataType::Timestamp(..), _) => return None,
            _ => true,
        };
        match (stored.column_type(), field.data_type()) {
            (PhysicalType::BOOLEAN, DataType::Boolean) => Some(Self::Booleans(Booleans::new())),
            (PhysicalType::INT32, DataType::Int32 | DataType::UInt32 | DataType::Date32) => {
                Some(Self::Four(Numbers::new(true)))
            }
            (PhysicalType::FLOAT, DataType::Float32) => Some(Self::Four(Numbers::new(false))),
            (PhysicalType::INT64, DataType::Int64 | DataType::UInt64 | DataType::Timestamp(..)) if times => {
                Some(Self::Eight(Numbers::new(true)))
            }
            (PhysicalType::DOUBLE, DataType::Float64) => Some(Self::Eight(Numbers::new(false))),
            (PhysicalType::BYTE_ARRAY, DataType::Utf8) => Some(Self::Texts(Texts::new(true))),
            (PhysicalType::BYTE_ARRAY, DataType::Binary) => Some(Self::Texts(Texts::new(false))),
            _ => None,
        }
    }
}

/// Whether pages in this encoding are read here. A column that has others is left to the crate from its beginning.
fn is_read(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::PLAIN
            | Encoding::RLE
            | Encoding::PLAIN_DICTIONARY
            | Encoding::RLE_DICTIONARY
            | Encoding::DELTA_BINARY_PACKED
            | Encoding::DELTA_LENGTH_BYTE_ARRAY
    )
}

fn is_same(unit: TimeUnit, stored: StoredUnit) -> bool {
    matches!(
        (unit, stored),
        (TimeUnit::Millisecond, StoredUnit::MILLIS)
            | (TimeUnit::Microsecond, StoredUnit::MICROS)
            | (TimeUnit::Nanosecond, StoredUnit::NANOS)
    )
}

#[cfg(test)]
mod tests;
