//! Sort keys as integers.
//!
//! Each key column becomes some bits: numbers and times their distance from the column's least value, texts with few
//! different values the rank among them, and a bit more where there are nulls. If all columns of a row fit into 128 bits,
//! comparing two rows is comparing two integers. Otherwise the integers are the first sixteen bytes of Arrow's row
//! format, and rows whose integers are equal are compared by the whole of it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

/// A text column with more different values than this is not ranked.
const MAX_TEXTS: usize = 4096;
/// Bits of a packed key.
const KEY_BITS: u32 = 128;

/// One key column of one batch, as far as it can be told without the others.
pub(super) struct Scanned {
    values: Values,
    nulls: Option<NullBuffer>,
}

enum Values {
    /// In an order that is the values' own.
    Numbers { ordered: Vec<u64>, least: u64, most: u64 },
    /// Numbers of texts, and the texts.
    Texts { numbers: Vec<u32>, texts: Vec<Arc<[u8]>> },
}

/// Scans a key column; `None` if it cannot be packed.
pub(super) fn scan(array: &ArrayRef) -> Option<Scanned> {
    let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let values = match array.data_type() {
        DataType::Utf8View => texts(array.as_string_view().iter().map(|text| text.map(str::as_bytes)))?,
        DataType::Utf8 => texts(array.as_string::<i32>().iter().map(|text| text.map(str::as_bytes)))?,
        DataType::LargeUtf8 => texts(array.as_string::<i64>().iter().map(|text| text.map(str::as_bytes)))?,
        _ => numbers(ordered(array)?, nulls.as_ref()),
    };
    Some(Scanned { values, nulls })
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Option<Values> {
    let mut known: HashMap<&[u8], u32> = HashMap::new();
    let mut texts = Vec::new();
    let mut numbers = Vec::with_capacity(values.size_hint().0);
    for value in values {
        let value = value.unwrap_or_default();
        let number = match known.get(value) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(texts.len()).ok().filter(|_| texts.len() < MAX_TEXTS)?;
                known.insert(value, number);
                texts.push(Arc::from(value));
                number
            }
        };
        numbers.push(number);
    }
    Some(Values::Texts { numbers, texts })
}

fn numbers(ordered: Vec<u64>, nulls: Option<&NullBuffer>) -> Values {
    let (mut least, mut most) = (u64::MAX, 0);
    for (row, value) in ordered.iter().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
            least = least.min(*value);
            most = most.max(*value);
        }
    }
    Values::Numbers { ordered, least, most }
}

/// Numbers and times as integers without sign, in the values' order; `None` for other types.
fn ordered(array: &ArrayRef) -> Option<Vec<u64>> {
    const SIGN: u64 = 1 << 63;
    fn map<T: ArrowPrimitiveType>(array: &ArrayRef, value: impl Fn(T::Native) -> u64) -> Vec<u64> {
        array.as_primitive::<T>().values().iter().map(|native| value(*native)).collect()
    }
    let signed = |value: i64| value.cast_unsigned() ^ SIGN;
    // As `total_cmp`: negative numbers turned round.
    let float = |value: f64| {
        let bits = value.to_bits();
        if bits & SIGN == 0 { bits ^ SIGN } else { !bits }
    };
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().values().iter().map(u64::from).collect(),
        DataType::Int8 => map::<Int8Type>(array, |value| signed(value.into())),
        DataType::Int16 => map::<Int16Type>(array, |value| signed(value.into())),
        DataType::Int32 => map::<Int32Type>(array, |value| signed(value.into())),
        DataType::Int64 => map::<Int64Type>(array, signed),
        DataType::UInt8 => map::<UInt8Type>(array, u64::from),
        DataType::UInt16 => map::<UInt16Type>(array, u64::from),
        DataType::UInt32 => map::<UInt32Type>(array, u64::from),
        DataType::UInt64 => map::<UInt64Type>(array, |value| value),
        DataType::Float32 => map::<Float32Type>(array, |value| float(value.into())),
        DataType::Float64 => map::<Float64Type>(array, float),
        DataType::Date32 => map::<Date32Type>(array, |value| signed(value.into())),
        DataType::Date64 => map::<Date64Type>(array, signed),
        DataType::Timestamp(TimeUnit::Second, _) => map::<TimestampSecondType>(array, signed),
        DataType::Timestamp(TimeUnit::Millisecond, _) => map::<TimestampMillisecondType>(array, signed),
        DataType::Timestamp(TimeUnit::Microsecond, _) => map::<TimestampMicrosecondType>(array, signed),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => map::<TimestampNanosecondType>(array, signed),
        _ => return None,
    })
}

/// How one key column of all batches is packed.
struct Packing {
    options: SortOptions,
    nullable: bool,
    kind: Kind,
    bits: u32,
}

enum Kind {
    Numbers { least: u64, most: u64 },
    Ranks { ranks: HashMap<Arc<[u8]>, u64>, highest: u64 },
}

/// How the key columns of all batches are packed.
pub(super) struct Packer(Vec<Packing>);

impl Packer {
    /// From the key columns of each batch; `None` if they do not fit.
    pub(super) fn new(batches: &[Vec<Scanned>], options: &[SortOptions]) -> Option<Self> {
        let columns: Option<Vec<Packing>> = options
            .iter()
            .enumerate()
            .map(|(column, options)| Packing::new(batches.iter().map(|batch| &batch[column]), *options))
            .collect();
        let columns = columns?;
        (columns.iter().map(|column| column.bits).sum::<u32>() <= KEY_BITS).then_some(Self(columns))
    }

    /// The keys of a batch's rows.
    pub(super) fn pack(&self, columns: &[Scanned], rows: usize) -> Vec<u128> {
        let mut keys = vec![0_u128; rows];
        for (packing, column) in self.0.iter().zip(columns) {
            packing.add(column, &mut keys);
        }
        keys
    }
}

impl Packing {
    fn new<'a>(batches: impl Iterator<Item = &'a Scanned>, options: SortOptions) -> Option<Self> {
        let (mut nullable, mut least, mut most) = (false, u64::MAX, 0);
        let mut ranks: Option<HashMap<Arc<[u8]>, u64>> = None;
        for batch in batches {
            nullable |= batch.nulls.is_some();
            match &batch.values {
                Values::Numbers { least: low, most: high, .. } => {
                    least = least.min(*low);
                    most = most.max(*high);
                }
                Values::Texts { texts, .. } => {
                    let ranks = ranks.get_or_insert_default();
                    ranks.extend(texts.iter().map(|text| (Arc::clone(text), 0)));
                    if ranks.len() > MAX_TEXTS {
                        return None;
                    }
                }
            }
        }
        let (kind, span) = match ranks {
            Some(mut ranks) => {
                let mut texts: Vec<_> = ranks.iter_mut().collect();
                texts.sort_unstable_by(|a, b| a.0.cmp(b.0));
                let highest = (texts.len() as u64).saturating_sub(1);
                for (rank, (_, number)) in (0..).zip(texts) {
                    *number = rank;
                }
                (Kind::Ranks { ranks, highest }, highest)
            }
            // Nothing but nulls: any span will do.
            None if least > most => (Kind::Numbers { least: 0, most: 0 }, 0),
            None => (Kind::Numbers { least, most }, most - least),
        };
        let bits = u64::BITS - span.leading_zeros() + u32::from(nullable);
        Some(Self { options, nullable, kind, bits })
    }

    /// Puts this column's bits below those of the columns before.
    fn add(&self, column: &Scanned, keys: &mut [u128]) {
        let (bits, descending) = (self.bits, self.options.descending);
        // Null rows hold any value: it must not reach the columns before, and is set right below.
        let mask = (1_u128 << (bits - u32::from(self.nullable))) - 1;
        match (&self.kind, &column.values) {
            (Kind::Numbers { least, most }, Values::Numbers { ordered, .. }) => {
                for (key, value) in keys.iter_mut().zip(ordered) {
                    let value = if descending { most.wrapping_sub(*value) } else { value.wrapping_sub(*least) };
                    *key = (*key << bits) | (u128::from(value) & mask);
                }
            }
            (Kind::Ranks { ranks, highest }, Values::Texts { numbers, texts }) => {
                let rank = |text| ranks.get(text).map_or(0, |rank| if descending { highest - rank } else { *rank });
                let codes: Vec<u64> = texts.iter().map(rank).collect();
                for (key, number) in keys.iter_mut().zip(numbers) {
                    *key = (*key << bits) | u128::from(codes[*number as usize]);
                }
            }
            _ => {}
        }
        if self.nullable {
            let (above, below) = if self.options.nulls_first { (1_u128, 0) } else { (0, 1_u128) };
            let value_bits = bits - 1;
            for (row, key) in keys.iter_mut().enumerate() {
                if column.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                    *key |= above << value_bits;
                } else {
                    *key = (*key & !mask) | (below << value_bits);
                }
            }
        }
    }
}
