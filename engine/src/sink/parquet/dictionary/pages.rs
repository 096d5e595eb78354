//! A column's pages and its part of the page index.

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnChunkMetaDataBuilder, ColumnIndexBuilder, LevelHistogram, OffsetIndexBuilder,
    PageEncodingStats,
};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::bounds::{Bounds, Ranks, statistics};
use super::indices::{encode, encode_bits, encode_run, width};
use super::{DictionaryColumn, Values, low};
use crate::error::Result;
use crate::scan::to_u32;

/// Rows of a page: as many as the `parquet` crate's pages have, about. A multiple of eight, so that each begins with a
/// whole byte of the validity.
pub(super) const PAGE_ROWS: usize = 20_000;

/// An encoded column: its pages, and what the file's footer says of them.
pub(in crate::sink::parquet) struct EncodedColumn {
    pub(in crate::sink::parquet) bytes: Bytes,
    pub(in crate::sink::parquet) close: ColumnCloseResult,
}

impl DictionaryColumn {
    /// Encodes the rows taken.
    pub(in crate::sink::parquet) fn finish(
        mut self,
        column: &ColumnDescPtr,
        compression: Compression,
    ) -> Result<EncodedColumn> {
        let validity = self.validity.finish();
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = Pages::new(&mut sink, compression)?;
        let dictionary = self.dictionary_page();
        pages.write(&dictionary, |buf| Page::DictionaryPage {
            buf,
            num_values: to_u32(self.values.len()),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })?;
        let data_page_offset = pages.compressed;

        let mut index = PageIndex::new(&self, column);
        let width = width(self.values.len());
        let (mut at, mut numbers, mut page) = (0, Vec::new(), Vec::new());
        for start in (0..validity.len()).step_by(PAGE_ROWS) {
            let valid = validity.slice(start, PAGE_ROWS.min(validity.len() - start));
            let count = valid.count_set_bits();
            self.indices.read(at, count, &mut numbers);
            at += count;
            page.clear();
            if index.levels {
                encode_levels(&valid, count, &mut page);
            }
            page.push(width);
            encode(&numbers, width, &mut page);
            let (offset, size) = pages.write(&page, |buf| Page::DataPage {
                buf,
                num_values: to_u32(valid.len()),
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            })?;
            index.add(&numbers, valid.len(), offset, size);
        }

        let page_stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let data_pages = i32::try_from(validity.len().div_ceil(PAGE_ROWS)).unwrap_or(i32::MAX);
        let metadata = ColumnChunkMetaData::builder(ColumnDescPtr::clone(column))
            .set_compression(compression)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                page_stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                page_stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, data_pages),
            ])
            .set_total_compressed_size(pages.compressed)
            .set_total_uncompressed_size(pages.uncompressed)
            .set_num_values(signed(validity.len()))
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(data_page_offset);
        let close = index.close(metadata)?;
        pages.writer.close()?;
        Ok(EncodedColumn { bytes: sink.into_inner()?.into(), close })
    }

    fn dictionary_page(&self) -> Vec<u8> {
        match &self.values {
            Values::Texts(known) => known.page().to_vec(),
            Values::Numbers(known) if matches!(self.kind, DataType::Int32 | DataType::Date32) => {
                known.keys().iter().flat_map(|key| low(*key).to_le_bytes()).collect()
            }
            Values::Numbers(known) => known.keys().iter().flat_map(|key| key.to_le_bytes()).collect(),
        }
    }
}

/// Writes pages and adds up what they take.
struct Pages<'a> {
    writer: SerializedPageWriter<'a, Vec<u8>>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// Bytes, with the pages' headers.
    compressed: i64,
    uncompressed: i64,
}

impl<'a> Pages<'a> {
    fn new(sink: &'a mut TrackedWrite<Vec<u8>>, compression: Compression) -> Result<Self> {
        let compressor = match compression {
            Compression::ZSTD(level) => Some(zstd::bulk::Compressor::new(level.compression_level())?),
            _ => None,
        };
        Ok(Self { writer: SerializedPageWriter::new(sink), compressor, compressed: 0, uncompressed: 0 })
    }

    /// Writes a page; where it begins and how many bytes it takes.
    fn write(&mut self, plain: &[u8], page: impl FnOnce(Bytes) -> Page) -> Result<(i64, i32)> {
        let bytes = match &mut self.compressor {
            Some(compressor) => compressor.compress(plain)?,
            None => plain.to_vec(),
        };
        let written = self.writer.write_page(CompressedPage::new(page(bytes.into()), plain.len()))?;
        self.compressed += signed(written.compressed_size);
        self.uncompressed += signed(written.uncompressed_size);
        let offset = i64::try_from(written.offset).unwrap_or(i64::MAX);
        Ok((offset, i32::try_from(written.compressed_size).unwrap_or(i32::MAX)))
    }
}

/// Definition levels as pages of version 1 have them: their length, then the validity's bits, or one run.
fn encode_levels(valid: &BooleanBuffer, count: usize, page: &mut Vec<u8>) {
    let start = page.len();
    page.extend_from_slice(&[0; 4]);
    if count == valid.len() || count == 0 {
        encode_run(u32::from(count > 0), valid.len(), 1, page);
    } else {
        let bits = valid.sliced();
        encode_bits(&bits.as_slice()[..valid.len().div_ceil(8)], page);
    }
    let length = to_u32(page.len() - start - 4);
    page[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// What readers find and skip pages by.
struct PageIndex<'a> {
    values: &'a Values,
    kind: &'a DataType,
    /// If least and greatest values are wanted.
    ranks: Option<Ranks>,
    columns: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    /// Whether nulls can be told from values.
    levels: bool,
    rows: usize,
    nulls: usize,
    text_bytes: usize,
    last: Option<Bounds>,
    ascending: bool,
    descending: bool,
}

impl<'a> PageIndex<'a> {
    fn new(column: &'a DictionaryColumn, description: &ColumnDescPtr) -> Self {
        let mut columns = ColumnIndexBuilder::new(description.physical_type());
        if !column.statistics {
            columns.to_invalid();
        }
        Self {
            values: &column.values,
            kind: &column.kind,
            ranks: column.statistics.then(|| Ranks::new(&column.values, &column.kind)),
            columns,
            offsets: OffsetIndexBuilder::new(),
            levels: description.max_def_level() > 0,
            rows: 0,
            nulls: 0,
            text_bytes: 0,
            last: None,
            ascending: true,
            descending: true,
        }
    }

    /// Adds a page of so many rows, whose values have these numbers.
    fn add(&mut self, numbers: &[u32], rows: usize, offset: i64, size: i32) {
        let nulls = rows - numbers.len();
        self.rows += rows;
        self.nulls += nulls;
        self.offsets.append_row_count(signed(rows));
        self.offsets.append_offset_and_size(offset, size);
        if let Values::Texts(known) = self.values {
            let bytes = numbers.iter().map(|number| known.length(*number as usize)).sum();
            self.text_bytes += bytes;
            self.offsets.append_unencoded_byte_array_data_bytes(Some(signed(bytes)));
        }
        self.bound(numbers, nulls);
        self.columns.append_histograms(&None, &self.histogram(rows, nulls));
    }

    fn bound(&mut self, numbers: &[u32], nulls: usize) {
        let Some(ranks) = &self.ranks else { return };
        if numbers.is_empty() {
            self.columns.append(true, Vec::new(), Vec::new(), signed(nulls));
            return;
        }
        let Some(bounds) = ranks.of(numbers) else {
            // Only NaN: the format has no bounds for such a page, so there are none for the column.
            self.columns.to_invalid();
            return;
        };
        if let Some(last) = self.last.replace(bounds) {
            self.ascending &= last.least <= bounds.least && last.greatest <= bounds.greatest;
            self.descending &= last.least >= bounds.least && last.greatest >= bounds.greatest;
        }
        let (least, greatest) =
            (ranks.least(bounds, self.values, self.kind), ranks.greatest(bounds, self.values, self.kind));
        self.columns.append(false, least.bytes, greatest.bytes, signed(nulls));
    }

    fn histogram(&self, rows: usize, nulls: usize) -> Option<LevelHistogram> {
        self.levels.then(|| LevelHistogram::from(vec![signed(nulls), signed(rows - nulls)]))
    }

    fn close(self, mut metadata: ColumnChunkMetaDataBuilder) -> Result<ColumnCloseResult> {
        if let Some(ranks) = &self.ranks {
            let bounds = ranks.of_all().map(|bounds| {
                (ranks.least(bounds, self.values, self.kind), ranks.greatest(bounds, self.values, self.kind))
            });
            let text_bytes = matches!(self.values, Values::Texts(_)).then_some(signed(self.text_bytes));
            metadata = metadata
                .set_statistics(statistics(self.kind, bounds, self.nulls as u64))
                .set_unencoded_byte_array_data_bytes(text_bytes)
                .set_definition_level_histogram(self.histogram(self.rows, self.nulls));
        }
        let metadata = metadata.build()?;
        let mut columns = self.columns;
        columns.set_boundary_order(match (self.ascending, self.descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (false, true) => BoundaryOrder::DESCENDING,
            (false, false) => BoundaryOrder::UNORDERED,
        });
        Ok(ColumnCloseResult {
            bytes_written: metadata.compressed_size().unsigned_abs(),
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: if columns.valid() { Some(columns.build()?) } else { None },
            offset_index: Some(self.offsets.build()),
        })
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
