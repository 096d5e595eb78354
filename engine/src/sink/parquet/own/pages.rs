//! A column's pages and its part of the page index.

use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

use super::bounds::{Bounds, Order, statistics};
use super::hybrid::{encode_bits, encode_run};
use super::{EncodedColumn, Plan};
use crate::error::{EngineError, Result};
use crate::scan::to_u32;

/// Rows of a page, at most: as many as the `parquet` crate's pages have, about. A multiple of eight, so that pages which
/// are cut out of a row group begin with a whole byte of the validity.
pub(super) const PAGE_ROWS: usize = 20_000;

/// Writes a column's pages, and gathers what the file's footer and page index say of them.
pub(super) struct Pages {
    plan: Plan,
    sink: TrackedWrite<Vec<u8>>,
    encoding: Encoding,
    columns: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    ascending: bool,
    descending: bool,
    /// Bytes, with the pages' headers.
    compressed: i64,
    uncompressed: i64,
    /// Pages with rows.
    filled: i32,
    /// Where the first page with rows starts, if a dictionary is in front of it.
    dictionary_end: Option<i64>,
    rows: usize,
    nulls: usize,
    text_bytes: Option<usize>,
}

/// The rows of a page.
pub(super) struct DataPage {
    pub(super) rows: usize,
    pub(super) values: usize,
    /// The bytes of its texts, of a column of texts.
    pub(super) text_bytes: Option<usize>,
    pub(super) bounds: PageBounds,
}

/// What the values of a page lie between.
pub(super) enum PageBounds {
    /// It has no values.
    Empty,
    /// No value can be compared, or nobody wants to know.
    Unknown,
    Between(Bounds, Order),
}

impl Pages {
    /// For pages with this encoding.
    pub(super) fn new(plan: &Plan, encoding: Encoding) -> Self {
        let mut columns = ColumnIndexBuilder::new(plan.description.physical_type());
        if !plan.statistics {
            columns.to_invalid();
        }
        Self {
            plan: plan.clone(),
            sink: TrackedWrite::new(Vec::new()),
            encoding,
            columns,
            offsets: OffsetIndexBuilder::new(),
            ascending: true,
            descending: true,
            compressed: 0,
            uncompressed: 0,
            filled: 0,
            dictionary_end: None,
            rows: 0,
            nulls: 0,
            text_bytes: None,
        }
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.sink.inner().capacity()
    }

    /// Whether nulls can be told from values: whether pages begin with levels.
    pub(super) fn has_levels(&self) -> bool {
        self.plan.description.max_def_level() > 0
    }

    /// Writes the dictionary; it comes first.
    pub(super) fn write_dictionary(&mut self, plain: &[u8], values: usize) -> Result<()> {
        let page =
            |buf| Page::DictionaryPage { buf, num_values: to_u32(values), encoding: Encoding::PLAIN, is_sorted: false };
        self.write(plain, page)?;
        self.dictionary_end = Some(self.compressed);
        Ok(())
    }

    /// Writes a page with rows.
    pub(super) fn write_rows(&mut self, plain: &[u8], page: DataPage) -> Result<()> {
        let DataPage { rows, values, text_bytes, bounds } = page;
        let encoding = self.encoding;
        let (offset, size) = self.write(plain, |buf| Page::DataPage {
            buf,
            num_values: to_u32(rows),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })?;
        let nulls = rows - values;
        self.filled += 1;
        self.rows += rows;
        self.nulls += nulls;
        self.offsets.append_row_count(signed(rows));
        self.offsets.append_offset_and_size(offset, size);
        if let Some(bytes) = text_bytes {
            self.text_bytes = Some(self.text_bytes.unwrap_or(0) + bytes);
            self.offsets.append_unencoded_byte_array_data_bytes(Some(signed(bytes)));
        }
        match bounds {
            PageBounds::Empty => self.columns.append(true, Vec::new(), Vec::new(), signed(nulls)),
            // The format has no bounds for such a page, so there are none for the column.
            PageBounds::Unknown => self.columns.to_invalid(),
            PageBounds::Between(Bounds { least, greatest }, order) => {
                self.ascending &= order.ascending;
                self.descending &= order.descending;
                self.columns.append(false, least.bytes, greatest.bytes, signed(nulls));
            }
        }
        self.columns.append_histograms(&None, &self.histogram(rows, nulls));
        Ok(())
    }

    /// Writes a page; where it begins and how many bytes it takes.
    fn write(&mut self, plain: &[u8], page: impl FnOnce(Bytes) -> Page) -> Result<(i64, i32)> {
        if i32::try_from(plain.len()).is_err() {
            let name = self.plan.description.name();
            return Err(EngineError::internal(format!("a page of the column `{name}` has more than 2 GiB")));
        }
        let bytes = self.plan.compressor.compress(plain)?;
        let mut writer = SerializedPageWriter::new(&mut self.sink);
        let written = writer.write_page(CompressedPage::new(page(bytes.into()), plain.len()))?;
        self.compressed += signed(written.compressed_size);
        self.uncompressed += signed(written.uncompressed_size);
        let offset = i64::try_from(written.offset).unwrap_or(i64::MAX);
        Ok((offset, i32::try_from(written.compressed_size).unwrap_or(i32::MAX)))
    }

    fn histogram(&self, rows: usize, nulls: usize) -> Option<LevelHistogram> {
        self.has_levels().then(|| LevelHistogram::from(vec![signed(nulls), signed(rows - nulls)]))
    }

    /// The column, whose values lie between these bounds, if there are any that can be compared.
    pub(super) fn finish(mut self, bounds: Option<Bounds>) -> Result<EncodedColumn> {
        let page_stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let mut stats = vec![page_stats(PageType::DATA_PAGE, self.encoding, self.filled)];
        let mut encodings = vec![Encoding::RLE, self.encoding];
        if self.dictionary_end.is_some() {
            stats.insert(0, page_stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1));
            encodings.insert(0, Encoding::PLAIN);
        }
        let mut metadata = ColumnChunkMetaData::builder(self.plan.description.clone())
            .set_compression(self.plan.compressor.compression())
            .set_encodings(encodings)
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(self.compressed)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(signed(self.rows))
            .set_dictionary_page_offset(self.dictionary_end.map(|_| 0))
            .set_data_page_offset(self.dictionary_end.unwrap_or(0));
        if self.plan.statistics {
            metadata = metadata
                .set_statistics(statistics(&self.plan.kind, bounds, self.nulls as u64))
                .set_unencoded_byte_array_data_bytes(self.text_bytes.map(signed))
                .set_definition_level_histogram(self.histogram(self.rows, self.nulls));
        }
        let metadata = metadata.build()?;
        self.columns.set_boundary_order(match (self.ascending, self.descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (false, true) => BoundaryOrder::DESCENDING,
            (false, false) => BoundaryOrder::UNORDERED,
        });
        let close = ColumnCloseResult {
            bytes_written: metadata.compressed_size().unsigned_abs(),
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: if self.columns.valid() { Some(self.columns.build()?) } else { None },
            offset_index: Some(self.offsets.build()),
        };
        Ok(EncodedColumn { bytes: self.sink.into_inner()?.into(), close })
    }
}

/// Definition levels as pages of version 1 have them: their length, then the validity's bits, or one run.
pub(super) fn encode_levels(valid: &BooleanBuffer, values: usize, page: &mut Vec<u8>) {
    let start = page.len();
    page.extend_from_slice(&[0; 4]);
    if values == valid.len() || values == 0 {
        encode_run(u32::from(values > 0), valid.len(), 1, page);
    } else {
        let bits = valid.sliced();
        encode_bits(&bits.as_slice()[..valid.len().div_ceil(8)], page);
    }
    let length = to_u32(page.len() - start - 4);
    page[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
