//! Samples of Parquet and Arrow files: the first rows, some of the middle, the last ones.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use futures::TryStreamExt;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};

use super::sample::{SampleRange, Sampled};
use crate::error::Result;
use crate::guard::guarded_work;
use crate::input::Input;
use crate::open::{ArrowFile, ParquetFile};

/// Rows of the beginning; a file of no more is read whole.
const HEAD_ROWS: u64 = 8192;
/// Rows of the middle and of the end.
const PIECE_ROWS: u64 = 4096;
/// How much may be read of the parts behind the first one. Without a page index, all of a row group's columns are read.
const MORE_BYTES: u64 = 32 << 20;

/// Some rows of one part (row group or batch).
#[derive(Debug, Clone, Copy)]
struct Part {
    number: usize,
    skip: u64,
    rows: u64,
}

/// Which rows to read of parts with these numbers of rows and bytes, and whether they are all.
fn choose(parts: &[(u64, u64)]) -> (Vec<Part>, bool) {
    let total: u64 = parts.iter().map(|(rows, _)| rows).sum();
    if total <= HEAD_ROWS {
        let all = parts.iter().enumerate().map(|(number, (rows, _))| Part { number, skip: 0, rows: *rows });
        return (all.collect(), true);
    }
    let mut chosen = Vec::new();
    let (mut left, mut bytes) = (HEAD_ROWS, 0);
    for (number, (rows, _)) in parts.iter().enumerate() {
        let take = left.min(*rows);
        chosen.push(Part { number, skip: 0, rows: take });
        left -= take;
        if left == 0 {
            break;
        }
    }
    let head = chosen.len() - 1;
    for (number, last) in [(parts.len() / 2, false), (parts.len() - 1, true)] {
        let (rows, size) = parts[number];
        let taken = if number == head { chosen[head].rows } else { 0 };
        // The head's part costs nothing more.
        if number < head || chosen.iter().skip(head + 1).any(|part| part.number == number && !last) {
            continue;
        }
        bytes += if number == head { 0 } else { size };
        if bytes > MORE_BYTES {
            break;
        }
        let start = if last { rows.saturating_sub(PIECE_ROWS) } else { (rows / 2).saturating_sub(PIECE_ROWS / 2) };
        let before = chosen.iter().filter(|part| part.number == number).map(|part| part.skip + part.rows).max();
        let skip = start.max(before.unwrap_or(0)).max(taken);
        if skip < rows {
            chosen.push(Part { number, skip, rows: PIECE_ROWS.min(rows - skip) });
        }
    }
    (chosen, false)
}

pub(super) async fn parquet(input: &Input) -> Result<Sampled> {
    guarded_work(input.location.file_name(), sample_parquet(input)).await
}

async fn sample_parquet(input: &Input) -> Result<Sampled> {
    let mut reader = ParquetFile::new(input.location.clone(), input.size);
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await?;
    let groups = metadata.metadata().row_groups();
    let size = |group: &RowGroupMetaData| {
        // With a page index, only pages are read.
        let whole = u64::try_from(group.compressed_size()).unwrap_or(u64::MAX);
        if metadata.metadata().offset_index().is_some() { whole.min(4 << 20) } else { whole }
    };
    let parts: Vec<_> =
        groups.iter().map(|group| (u64::try_from(group.num_rows()).unwrap_or(0), size(group))).collect();
    let (chosen, whole) = choose(&parts);
    let schema = Arc::new(Schema::new(metadata.schema().fields().clone()));
    let mut sampled = Sampled { schema, batches: Vec::new(), rejects: Vec::new(), ranges: Vec::new(), whole };
    for part in chosen {
        let selection = RowSelection::from(vec![
            RowSelector::skip(usize::try_from(part.skip).unwrap_or(usize::MAX)),
            RowSelector::select(usize::try_from(part.rows).unwrap_or(usize::MAX)),
        ]);
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader.clone(), metadata.clone())
            .with_row_groups(vec![part.number])
            .with_row_selection(selection)
            .build()?;
        let batches: Vec<RecordBatch> = stream.try_collect().await?;
        let group = &groups[part.number];
        let (start, end) = place(group).unwrap_or((0, input.size));
        sampled.add(input, start, end, batches);
    }
    Ok(sampled)
}

pub(super) async fn arrow(input: &Input) -> Result<Sampled> {
    let file = ArrowFile::open(&input.location, Some(input.size)).await?;
    let schema = Arc::new(Schema::new(file.schema().fields().clone()));
    let mut sampled = Sampled { schema, batches: Vec::new(), rejects: Vec::new(), ranges: Vec::new(), whole: true };
    // How many rows a batch holds stands in the batch itself: batches are read whole.
    let count = file.batches();
    let mut wanted: Vec<usize> = (0..count).collect();
    let total: u64 =
        wanted.iter().map(|number| file.range(*number).map(|range| range.end - range.start)).sum::<Result<u64>>()?;
    if total > MORE_BYTES {
        wanted = vec![0, count / 2, count - 1];
        wanted.dedup();
        sampled.whole = wanted.len() == count;
    }
    let mut bytes = 0;
    for number in wanted {
        let range = file.range(number)?;
        bytes += range.end - range.start;
        if number > 0 && bytes > MORE_BYTES {
            sampled.whole = false;
            break;
        }
        let batch = file.read(number).await?;
        let rows = usize::try_from(HEAD_ROWS).unwrap_or(usize::MAX);
        if batch.num_rows() > rows {
            sampled.whole = false;
        }
        let batch = batch.slice(0, batch.num_rows().min(rows));
        sampled.add(input, range.start, range.end, vec![batch]);
    }
    Ok(sampled)
}

/// Where a row group lies in the file; `None` if its metadata is nonsense.
fn place(group: &RowGroupMetaData) -> Option<(u64, u64)> {
    let mut place: Option<(u64, u64)> = None;
    for column in group.columns() {
        let start = u64::try_from(column.dictionary_page_offset().unwrap_or(column.data_page_offset())).ok()?;
        let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
        place = Some(place.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
    }
    place
}

impl Sampled {
    fn add(&mut self, input: &Input, start: u64, end: u64, batches: Vec<RecordBatch>) {
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        self.ranges.push(SampleRange { input: input.name.clone(), start, end, rows });
        self.batches.extend(batches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(parts: &[(u64, u64)]) -> Vec<(usize, u64, u64)> {
        choose(parts).0.iter().map(|part| (part.number, part.skip, part.rows)).collect()
    }

    #[test]
    fn small_files_whole() {
        assert_eq!(rows(&[(100, 1), (8000, 1)]), [(0, 0, 100), (1, 0, 8000)]);
        assert!(choose(&[(100, 1), (8000, 1)]).1);
        assert_eq!(rows(&[]), []);
    }

    #[test]
    fn head_middle_and_end() {
        assert_eq!(rows(&[(100_000, 1); 5]), [(0, 0, 8192), (2, 47_952, 4096), (4, 95_904, 4096)]);
        assert_eq!(rows(&[(100_000, 1)]), [(0, 0, 8192), (0, 47_952, 4096), (0, 95_904, 4096)]);
        assert_eq!(rows(&[(9000, 1)]), [(0, 0, 8192), (0, 8192, 808)]);
        assert_eq!(rows(&[(5000, 1), (5000, 1)]), [(0, 0, 5000), (1, 0, 3192), (1, 3192, 1808)]);
    }

    #[test]
    fn big_parts_are_left_out() {
        assert_eq!(rows(&[(100_000, 64 << 20); 3]), [(0, 0, 8192)]);
    }
}
