//! How columns are stored: compression, encodings, dictionaries, statistics. The figures behind the choices are in
//! `docs/performance/parquet.md`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use karyaksham_spec::{Output, OutputCompression};
use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::{Compression, Encoding, GzipLevel, PageType, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{KeyValue, PageEncodingStats};
use parquet::file::page_index::column_index::{ByteArrayColumnIndex, ColumnIndexMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::own::{Compressor, DictionaryColumn, OwnColumn, Plan, TextColumn};
use super::{ROW_GROUP_BYTES, ROW_GROUP_ROWS};
use crate::error::Result;
use crate::sink::plain_schema;

/// Rows of the first batch that tell whether a column's values repeat.
const SAMPLE_ROWS: usize = 4096;
/// Fewer pages do not tell whether a column's values are scattered.
const SCATTERED_PAGES: usize = 4;
/// Samples smaller than this tell nothing.
const SAMPLE_LEAST: usize = 512;

/// What earlier row groups told of columns, by their paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Columns that have no dictionary.
    pub(super) plain: HashSet<ColumnPath>,
    /// Texts whose least and greatest values let no reader skip anything.
    pub(super) scattered: HashSet<ColumnPath>,
}

impl Known {
    /// Learns from a column that was written.
    pub(super) fn learn(&mut self, column: &ColumnCloseResult) {
        let path = column.metadata.column_path();
        let data_page = |page: &PageEncodingStats| page.page_type != PageType::DICTIONARY_PAGE;
        let elsewhere = |page: &PageEncodingStats| page.encoding != Encoding::RLE_DICTIONARY;
        let pages = column.metadata.page_encoding_stats().map_or(&[][..], Vec::as_slice);
        if pages.iter().any(|page| data_page(page) && elsewhere(page)) {
            self.plain.insert(path.clone());
        }
        match &column.column_index {
            Some(ColumnIndexMetaData::BYTE_ARRAY(index)) if is_scattered(index) => {
                self.scattered.insert(path.clone());
            }
            Some(_) => {
                self.scattered.remove(path);
            }
            // It was written without.
            None => {}
        }
    }
}

/// Whether each page has values from all over: there are texts that lie between the ends of every page. A column with the
/// same text everywhere is not meant: readers that look for another skip all of it.
fn is_scattered(index: &ByteArrayColumnIndex) -> bool {
    let pages = index.min_values_iter().flatten().count();
    let greatest_start = index.min_values_iter().flatten().max();
    let least_end = index.max_values_iter().flatten().min();
    pages >= SCATTERED_PAGES && greatest_start < least_end
}

/// What is the same for all row groups of a file.
#[derive(Clone)]
pub(super) struct Layout {
    compression: Compression,
    compressor: Compressor,
    stored_schema: String,
    dictionary_bytes: usize,
}

impl Layout {
    pub(super) fn new(output: &Output, schema: &Schema, dictionary_bytes: usize) -> Result<Self> {
        let compression = compression(output)?;
        Ok(Self {
            compression,
            compressor: Compressor::new(compression),
            // The stored Arrow schema names plain types: readers should not meet views.
            stored_schema: encode_arrow_schema(&plain_schema(schema)),
            dictionary_bytes,
        })
    }

    /// Whether a column's dictionary would be made by us, if it has one: the file's compression is one that we know.
    fn has_own_dictionary(&self, field: &Field) -> bool {
        self.is_ours() && DictionaryColumn::takes(field.data_type())
    }

    /// Whether the file's compression is one that we know.
    fn is_ours(&self) -> bool {
        Compressor::knows(self.compression)
    }

    /// The properties of the file, and of row groups in which these columns are known.
    pub(super) fn properties(&self, schema: &Schema, known: &Known) -> WriterProperties {
        let stored = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), self.stored_schema.clone());
        let mut builder = WriterProperties::builder()
            .set_compression(self.compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_created_by(format!("karyaksham {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![stored]));
        for path in &known.plain {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        for path in &known.scattered {
            builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        for field in schema.fields() {
            builder = encoding(builder, path(field), field.data_type());
        }
        builder.build()
    }
}

/// How a row group is written, by what is known of its columns.
pub(super) struct RowGroupLayout {
    layout: Layout,
    known: Known,
    /// The crate gives properties to a whole file only, so there is a file for show; nothing is written to it.
    file: SerializedFileWriter<Vec<u8>>,
}

impl RowGroupLayout {
    pub(super) fn new(schema: &Schema, layout: &Layout, known: &Known) -> Result<Self> {
        // The crate's writers stand by for columns whose dictionary becomes too large; they have none.
        let mut standby = known.clone();
        let own = schema.fields().iter().filter(|field| layout.has_own_dictionary(field));
        standby.plain.extend(own.map(|field| path(field)));
        let file = new_file(schema, layout, &standby)?;
        Ok(Self { layout: layout.clone(), known: known.clone(), file })
    }

    /// Makes the crate's writers of columns.
    pub(super) fn factory(&self, schema: &SchemaRef) -> ArrowRowGroupWriterFactory {
        ArrowRowGroupWriterFactory::new(&self.file, SchemaRef::clone(schema))
    }

    /// A column that is encoded by us, if it is one, with its place among the file's columns.
    pub(super) fn own(&self, field: &Field, leaf: usize) -> Option<OwnColumn> {
        let Self { layout, known, file } = self;
        let path = path(field);
        let plan = Plan {
            kind: field.data_type().clone(),
            description: file.schema_descr().column(leaf),
            compressor: layout.compressor.clone(),
            statistics: !known.scattered.contains(&path),
        };
        let repeats = !known.plain.contains(&path);
        if repeats && layout.has_own_dictionary(field) {
            Some(OwnColumn::dictionary(plan, layout.dictionary_bytes))
        } else if !repeats && layout.is_ours() && TextColumn::takes(field.data_type()) {
            Some(OwnColumn::texts(&plan))
        } else {
            None
        }
    }
}

/// A file by these properties.
pub(super) fn new_file(schema: &Schema, layout: &Layout, known: &Known) -> Result<SerializedFileWriter<Vec<u8>>> {
    let columns = ArrowSchemaConverter::new().convert(schema)?;
    let properties = Arc::new(layout.properties(schema, known));
    Ok(SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties)?)
}

fn path(field: &Field) -> ColumnPath {
    ColumnPath::new(vec![field.name().clone()])
}

/// What values are encoded with that are in no dictionary: differences for whole numbers and times, texts apart from
/// their lengths. All common readers know both, and they compress better and faster than the plain ones.
fn encoding(builder: WriterPropertiesBuilder, path: ColumnPath, kind: &DataType) -> WriterPropertiesBuilder {
    match kind {
        DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) | DataType::Date32 => {
            builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            builder.set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY)
        }
        _ => builder,
    }
}

fn compression(output: &Output) -> Result<Compression> {
    let level = output.level;
    Ok(match output.compression.unwrap_or(OutputCompression::Zstd) {
        OutputCompression::None => Compression::UNCOMPRESSED,
        OutputCompression::Snappy => Compression::SNAPPY,
        OutputCompression::Lz4 => Compression::LZ4_RAW,
        OutputCompression::Gzip => {
            Compression::GZIP(GzipLevel::try_new(level.and_then(|level| u32::try_from(level).ok()).unwrap_or(6))?)
        }
        OutputCompression::Zstd => Compression::ZSTD(ZstdLevel::try_new(level.unwrap_or(1))?),
    })
}

/// The columns that a dictionary would not serve, as the first rows tell: their values hardly ever repeat, so that it would
/// be given up, or they are numbers whose differences take less room.
pub(super) fn plain_columns(batch: &RecordBatch) -> HashSet<ColumnPath> {
    let schema = batch.schema();
    let plain = |index: &usize| is_plain(batch.column(*index).as_ref());
    (0..batch.num_columns()).filter(plain).map(|index| path(schema.field(index))).collect()
}

fn is_plain(array: &dyn Array) -> bool {
    let array = array.slice(0, array.len().min(SAMPLE_ROWS));
    let valid = array.len() - array.null_count();
    if valid < SAMPLE_LEAST {
        return false;
    }
    match array.data_type() {
        DataType::Utf8View => {
            mostly_unique(array.as_string_view().iter().flatten().collect::<HashSet<_>>().len(), valid)
        }
        DataType::Utf8 => mostly_unique(array.as_string::<i32>().iter().flatten().collect::<HashSet<_>>().len(), valid),
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter().flatten();
            mostly_unique(values.map(f64::to_bits).collect::<HashSet<_>>().len(), valid)
        }
        DataType::Int64 => are_plain(&array.as_primitive::<Int64Type>().iter().flatten().collect::<Vec<_>>()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            are_plain(&array.as_primitive::<TimestampMicrosecondType>().iter().flatten().collect::<Vec<_>>())
        }
        _ => false,
    }
}

/// Of 4,096 values drawn from a dictionary's worth (some ten thousands), a tenth or so repeat.
fn mostly_unique(distinct: usize, values: usize) -> bool {
    distinct * 100 > values * 97
}

/// Whether whole numbers hardly ever repeat, or take more room as a row group's dictionary and numbers in it than as
/// differences ([`Encoding::DELTA_BINARY_PACKED`]). Numbers that mostly repeat have a dictionary in any case.
fn are_plain(numbers: &[i64]) -> bool {
    let distinct = numbers.iter().collect::<HashSet<_>>().len();
    if mostly_unique(distinct, numbers.len()) {
        return true;
    }
    if distinct * 2 < numbers.len() {
        return false;
    }
    let steps = || numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (least, greatest) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
    let step_bits = (u64::BITS - greatest.wrapping_sub(least).cast_unsigned().leading_zeros()) as usize;
    // As many values as make so many of these repeat, if all are as likely (the birthday problem); else there are more.
    let values = numbers.len() * numbers.len() / (2 * (numbers.len() - distinct));
    let bits = (usize::BITS - values.leading_zeros()) as usize + values * u64::BITS as usize / ROW_GROUP_ROWS;
    step_bits <= bits
}
