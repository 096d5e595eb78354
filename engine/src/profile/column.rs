//! What is gathered of one column by one thread, and the report that comes of all threads together.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes_with_hasher};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use serde::Serialize;
use serde_json::Value;

use super::distinct::{Frequent, Sketch};
use super::spread::{Histogram, Reservoir};
use crate::error::Result;
use crate::inspect::rows_json;
use crate::types::type_name;

/// The fractions at which quantiles are told.
const FRACTIONS: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// Frequent values that are told.
const TOP: usize = 10;

/// How much memory a column may use in one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Values in the sample that quantiles are taken from.
    pub(super) sample: usize,
    /// Values that are counted.
    pub(super) counted: usize,
}

/// What can be told of a type's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Number {
        whole: bool,
    },
    /// Dates, times and timestamps: numbers inside.
    Temporal,
    Text,
    Boolean,
    Other,
}

impl Sort {
    fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Number { whole: false },
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Self::Number { whole: false }
            }
            kind if kind.is_integer() => Self::Number { whole: true },
            kind if kind.is_temporal() && !matches!(kind, DataType::Duration(_) | DataType::Interval(_)) => {
                Self::Temporal
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Boolean => Self::Boolean,
            _ => Self::Other,
        }
    }
}

/// What one thread knows of a column.
#[derive(Debug)]
pub(super) struct Column {
    field: Field,
    sort: Sort,
    count: u64,
    nulls: u64,
    distinct: Option<(Sketch, Frequent)>,
    extremes: Option<(MinAccumulator, MaxAccumulator)>,
    numbers: Option<Numbers>,
    lengths: Lengths,
    hashes: Vec<u64>,
}

#[derive(Debug)]
struct Numbers {
    sample: Reservoir,
    histogram: Histogram,
    /// Finite values: how many, their mean, and the sum of squared distances from it (Welford).
    moments: (f64, f64, f64),
    not_finite: u64,
}

/// Lengths of texts, in characters.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    least: u64,
    most: u64,
    sum: u64,
}

impl Column {
    pub(super) fn new(field: &Field, sizes: Sizes) -> Result<Self> {
        let sort = Sort::of(field.data_type());
        let simple = sort != Sort::Other;
        let kind = field.data_type();
        Ok(Self {
            field: field.clone(),
            sort,
            count: 0,
            nulls: 0,
            distinct: simple.then(|| (Sketch::default(), Frequent::new(sizes.counted))),
            extremes: if simple {
                Some((MinAccumulator::try_new(kind)?, MaxAccumulator::try_new(kind)?))
            } else {
                None
            },
            numbers: matches!(sort, Sort::Number { .. } | Sort::Temporal).then(|| Numbers {
                sample: Reservoir::new(sizes.sample),
                histogram: Histogram::new(sort != Sort::Number { whole: false }),
                moments: (0.0, 0.0, 0.0),
                not_finite: 0,
            }),
            lengths: Lengths { least: u64::MAX, most: 0, sum: 0 },
            hashes: Vec::new(),
        })
    }

    /// Takes the values of some rows; `row` is the number of the first one.
    pub(super) fn add(&mut self, array: &ArrayRef, row: u64) -> Result<()> {
        let nulls = array.logical_null_count();
        self.nulls += nulls as u64;
        self.count += (array.len() - nulls) as u64;
        if nulls == array.len() {
            return Ok(());
        }
        if let Some((sketch, frequent)) = &mut self.distinct {
            self.hashes.clear();
            self.hashes.resize(array.len(), 0);
            create_hashes_with_hasher([array], &QualityRandomState::with_seed(0), &mut self.hashes)?;
            let valid = array.logical_nulls();
            for (row, hash) in self.hashes.iter().enumerate() {
                if valid.as_ref().is_none_or(|valid| valid.is_valid(row)) {
                    sketch.add(*hash);
                    frequent.add(*hash, || ScalarValue::try_from_array(array, row).ok());
                }
            }
        }
        if let Some((min, max)) = &mut self.extremes {
            min.update_batch(std::slice::from_ref(array))?;
            max.update_batch(std::slice::from_ref(array))?;
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.add(array, row)?;
        }
        match array.data_type() {
            DataType::Utf8 => self.lengths.add(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.lengths.add(array.as_string::<i64>().iter()),
            DataType::Utf8View => self.lengths.add(array.as_string_view().iter()),
            _ => {}
        }
        Ok(())
    }

    /// Takes what another thread knows.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        self.count += other.count;
        self.nulls += other.nulls;
        if let (Some((sketch, frequent)), Some((more, values))) = (&mut self.distinct, other.distinct) {
            sketch.merge(&more);
            frequent.merge(values);
        }
        if let (Some((min, max)), Some((mut low, mut high))) = (&mut self.extremes, other.extremes) {
            min.update_batch(&[low.evaluate()?.to_array()?])?;
            max.update_batch(&[high.evaluate()?.to_array()?])?;
        }
        if let (Some(numbers), Some(more)) = (&mut self.numbers, other.numbers) {
            numbers.merge(more);
        }
        self.lengths.least = self.lengths.least.min(other.lengths.least);
        self.lengths.most = self.lengths.most.max(other.lengths.most);
        self.lengths.sum += other.lengths.sum;
        Ok(())
    }

    /// The report.
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub(super) fn finish(self) -> Result<ColumnProfile> {
        let kind = self.field.data_type();
        let (mut low, mut high) = (Value::Null, Value::Null);
        if let Some((mut min, mut max)) = self.extremes {
            (low, high) = (json(&min.evaluate()?)?, json(&max.evaluate()?)?);
        }
        let (mut distinct, mut distinct_exact) = (None, false);
        let (mut top_values, mut top_values_error) = (Vec::new(), 0);
        if let Some((sketch, frequent)) = self.distinct {
            distinct_exact = frequent.exact().is_some();
            distinct = Some(frequent.exact().unwrap_or_else(|| sketch.estimate().min(self.count)));
            let (top, error) = frequent.top(TOP);
            top_values_error = error;
            for (value, count) in top {
                top_values.push(TopValue { value: json(&value)?, count });
            }
        }
        let numbers = self.numbers.map(|numbers| numbers.finish(kind, self.sort)).transpose()?.unwrap_or_default();
        Ok(ColumnProfile {
            name: self.field.name().clone(),
            kind: type_name(kind),
            count: self.count,
            nulls: self.nulls,
            distinct,
            distinct_exact,
            min: low,
            max: high,
            numbers,
            top_values,
            top_values_error,
            lengths: (self.sort == Sort::Text && self.count > 0).then(|| TextLengths {
                min: self.lengths.least,
                max: self.lengths.most,
                mean: self.lengths.sum as f64 / self.count as f64,
            }),
        })
    }
}

impl Numbers {
    fn add(&mut self, array: &ArrayRef, row: u64) -> Result<()> {
        let floats = match array.data_type() {
            DataType::Float64 => std::sync::Arc::clone(array),
            kind if Sort::of(kind) == Sort::Temporal => cast(&inside(array)?, &DataType::Float64)?,
            _ => cast(array, &DataType::Float64)?,
        };
        let floats = floats.as_primitive::<Float64Type>();
        let (mut count, mut mean, mut squares) = self.moments;
        for (number, value) in floats.iter().enumerate() {
            let Some(value) = value else { continue };
            if !value.is_finite() {
                self.not_finite += 1;
                continue;
            }
            self.sample.add(row + number as u64, value);
            self.histogram.add(value);
            count += 1.0;
            let distance = value - mean;
            mean += distance / count;
            squares += distance * (value - mean);
        }
        self.moments = (count, mean, squares);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.sample.merge(other.sample);
        self.histogram.merge(other.histogram);
        self.not_finite += other.not_finite;
        let ((n, mean, squares), (m, other_mean, more)) = (self.moments, other.moments);
        if n + m > 0.0 {
            let distance = other_mean - mean;
            self.moments =
                (n + m, mean + distance * m / (n + m), squares + more + distance * distance * n * m / (n + m));
        }
    }

    fn finish(self, kind: &DataType, sort: Sort) -> Result<NumberProfile> {
        let (count, mean, squares) = self.moments;
        let number = sort != Sort::Temporal;
        let (values, exact) = self.sample.quantiles(&FRACTIONS);
        let whole = sort == Sort::Number { whole: true };
        let shown = |value: f64| if number { Ok(shown(value, whole)) } else { temporal(value, kind) };
        let quantiles = FRACTIONS.iter().zip(values).map(|(p, value)| Ok(Quantile { p: *p, value: shown(value)? }));
        let bins = self.histogram.bins().into_iter();
        Ok(NumberProfile {
            mean: (number && count > 0.0).then_some(mean),
            stddev: (number && count > 1.0).then(|| (squares / (count - 1.0)).sqrt()),
            not_finite: self.not_finite,
            quantiles: quantiles.collect::<Result<_>>()?,
            quantiles_exact: exact,
            histogram: bins
                .map(|(lower, upper, count)| Ok(HistogramBin { lower: shown(lower)?, upper: shown(upper)?, count }))
                .collect::<Result<_>>()?,
        })
    }
}

impl Lengths {
    fn add<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) {
        for text in texts.flatten() {
            let length = if text.is_ascii() { text.len() } else { text.chars().count() } as u64;
            self.least = self.least.min(length);
            self.most = self.most.max(length);
            self.sum += length;
        }
    }
}

/// The integers that dates and times are made of.
fn inside(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    })
}

/// The date or time of a number.
fn temporal(value: f64, kind: &DataType) -> Result<Value> {
    #[expect(clippy::cast_possible_truncation, reason = "it was an integer")]
    let whole = ScalarValue::Int64(Some(value as i64)).to_array()?;
    let whole = match kind {
        DataType::Date32 | DataType::Time32(_) => cast(&whole, &DataType::Int32)?,
        _ => whole,
    };
    json(&ScalarValue::try_from_array(&cast(&whole, kind)?, 0)?)
}

fn shown(value: f64, whole: bool) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it was an integer, or the border of a bin of integers")]
    if whole && value.abs() < 9_007_199_254_740_992.0 {
        return Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// A value as JSON; texts are cut off at 200 characters.
fn json(value: &ScalarValue) -> Result<Value> {
    let array = value.to_array()?;
    let array = match array.data_type() {
        // Decimals as text keep all their digits; times are written as they are read.
        DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Time32(_) | DataType::Time64(_) => {
            cast(&array, &DataType::Utf8)?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) if array.is_null(0) => return Ok(Value::Null),
        _ => array,
    };
    let schema = Schema::new(vec![Field::new("v", array.data_type().clone(), true)]);
    let rows = rows_json(&RecordBatch::try_new(std::sync::Arc::new(schema), vec![array])?, 1)?;
    Ok(match rows.into_iter().flatten().next() {
        Some(Value::String(text)) if text.chars().count() > 200 => {
            Value::String(text.chars().take(200).chain(['…']).collect())
        }
        Some(value) => value,
        None => Value::Null,
    })
}

/// What a column holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnProfile {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Values that are not null.
    count: u64,
    nulls: u64,
    /// Different values, exact or estimated; null for lists, structs and binary.
    distinct: Option<u64>,
    distinct_exact: bool,
    min: Value,
    max: Value,
    #[serde(flatten)]
    numbers: NumberProfile,
    top_values: Vec<TopValue>,
    /// By how much a count of `top_values` may be too low; 0: they are exact.
    top_values_error: u64,
    /// Lengths of texts in characters.
    lengths: Option<TextLengths>,
}

/// What is told of numbers, dates and times; empty for others.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct NumberProfile {
    mean: Option<f64>,
    /// Of the sample: divided by n - 1.
    stddev: Option<f64>,
    /// NaN and infinite values, which mean, quantiles and histogram leave out.
    not_finite: u64,
    quantiles: Vec<Quantile>,
    quantiles_exact: bool,
    histogram: Vec<HistogramBin>,
}

#[derive(Debug, Serialize)]
struct Quantile {
    p: f64,
    value: Value,
}

/// Values from `lower` (included) to `upper` (not included).
#[derive(Debug, Serialize)]
struct HistogramBin {
    lower: Value,
    upper: Value,
    count: u64,
}

#[derive(Debug, Serialize)]
struct TopValue {
    value: Value,
    count: u64,
}

#[derive(Debug, Serialize)]
struct TextLengths {
    min: u64,
    max: u64,
    mean: f64,
}
