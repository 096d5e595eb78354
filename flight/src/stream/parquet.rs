//! Parquet objects: footers (cached), parallel parts by row group, decoding.

mod direct;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use karyaksham_engine::open::parquet_metadata;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use self::direct::{Halt, RowGroup};
use super::objects::{Object, ObjectId};
use super::output::{Ahead, Output};
use super::ranges::Windows;
use super::spool::Key;
use super::{Sink, Streams, Table};
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::ticket::{Narrowing, Ticket};

pub use self::direct::Pool;

/// All cached footers together, in bytes of memory.
const FOOTER_CACHE: usize = 64 * 1024 * 1024;
/// Rows of a decoded batch at most; more wins nothing.
const MOST_ROWS: usize = 64 * 1024;
/// A client that has nothing yet gets so many times less at first, sooner.
const HURRIED: usize = 2;

/// What a file's footer says.
struct Footer {
    reader: ArrowReaderMetadata,
    schema: SchemaRef,
}

impl Footer {
    fn row_groups(&self) -> &[RowGroupMetaData] {
        self.reader.metadata().row_groups()
    }

    fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }
}

/// Footers read before. Objects never change, so that a footer is never stale.
#[derive(Default)]
pub struct Footers {
    recent: Mutex<VecDeque<(ObjectId, Arc<Footer>)>>,
}

impl Footers {
    async fn load(&self, object: &Object) -> Result<Arc<Footer>> {
        let id = object.id();
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = recent.iter().position(|(known, _)| *known == id)
                && let Some(entry) = recent.remove(place)
            {
                let footer = Arc::clone(&entry.1);
                recent.push_front(entry);
                return Ok(footer);
            }
        }
        // A task of its own: a panic over a hostile footer ends as an error of this call.
        let fetch = object.clone();
        let footer = tokio::spawn(read_footer(fetch))
            .await
            .map_err(|_| Error::Corrupt("The Parquet file's footer cannot be read: it is damaged.".into()))??;
        let footer = Arc::new(footer);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((id, Arc::clone(&footer)));
        let mut held = 0;
        recent.retain(|(_, footer)| {
            held += footer.reader.metadata().memory_size();
            held <= FOOTER_CACHE
        });
        Ok(footer)
    }
}

async fn read_footer(object: Object) -> Result<Footer> {
    // The engine checks what a footer claims before it is decoded.
    let fetch = |range| {
        let object = object.clone();
        async move { object.read(range).await }
    };
    let metadata = parquet_metadata::<_, Error>("of the table", object.size, fetch).await?;
    let stored = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new())?;
    let schema = plain_schema(stored.schema());
    if schema == *stored.schema() {
        return Ok(Footer { reader: stored, schema });
    }
    // Decoding straight into plain types is faster than casting afterwards; where the reader cannot, we cast.
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&schema));
    let reader = ArrowReaderMetadata::try_new(metadata, options).unwrap_or(stored);
    Ok(Footer { reader, schema })
}

/// One row group to read.
struct Piece {
    object: Object,
    footer: Arc<Footer>,
    row_group: usize,
}

async fn footers(streams: &Streams, ticket: &Ticket) -> Result<Vec<(usize, Object, Arc<Footer>)>> {
    let mut all = Vec::new();
    for (index, file) in ticket.files() {
        let object = streams.object(file)?;
        let footer = streams.footers.load(&object).await?;
        all.push((index, object, footer));
    }
    Ok(all)
}

/// The schema of several files: that of the first, nullable where any is.
fn common_schema(files: &[(usize, Object, Arc<Footer>)]) -> Result<SchemaRef> {
    let [(_, _, first), rest @ ..] = files else {
        return Err(Error::NotFound("The table has no files.".into()));
    };
    let mut schema = Arc::clone(&first.schema);
    for (index, _, footer) in rest {
        let differs = schema.fields().len() != footer.schema.fields().len()
            || schema
                .fields()
                .iter()
                .zip(footer.schema.fields())
                .any(|(a, b)| a.name() != b.name() || a.data_type() != b.data_type());
        if differs {
            return Err(Error::Corrupt(format!("File {index} of the table has other columns than the first.")));
        }
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .zip(footer.schema.fields())
            .map(|(a, b)| a.as_ref().clone().with_nullable(a.is_nullable() || b.is_nullable()))
            .collect();
        schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    }
    Ok(schema)
}

/// Schema, rows and parts.
pub async fn describe(streams: &Streams, ticket: &Ticket) -> Result<Table> {
    let files = footers(streams, ticket).await?;
    let schema = common_schema(&files)?;
    let rows = files.iter().map(|(_, _, footer)| footer.rows()).sum();
    let counts: Vec<(usize, usize)> =
        files.iter().map(|(index, _, footer)| (*index, footer.row_groups().len())).collect();
    Ok(Table { schema, rows: Some(rows), parts: parts(&counts, streams.limits.max_endpoints) })
}

/// Cut files of so many row groups into at most `most` contiguous parts, as even as their borders allow.
fn parts(files: &[(usize, usize)], most: usize) -> Vec<Narrowing> {
    let total: usize = files.iter().map(|(_, groups)| groups).sum();
    let fits = |size: usize| files.iter().map(|(_, groups)| groups.div_ceil(size)).sum::<usize>() <= most;
    let Some(size) = (1..=total).find(|size| fits(*size)) else {
        // No row groups at all, or more files than endpoints: one stream for everything.
        return vec![Narrowing::default()];
    };
    let mut out = Vec::new();
    for (file, groups) in files {
        let mut start = 0;
        while start < *groups {
            let end = (start + size).min(*groups);
            out.push(Narrowing { file: Some(*file), row_groups: Some(start..=end - 1) });
            start = end;
        }
    }
    out
}

/// Check the ticket against the footers, then start the decoder.
pub async fn start(streams: &Streams, ticket: &Ticket, sink: Sink) -> Result<()> {
    let files = footers(streams, ticket).await?;
    let schema = if ticket.narrowing.file.is_some() && ticket.claims.files.len() > 1 {
        // A part must say the schema of the whole table.
        let whole = Ticket { claims: ticket.claims.clone(), narrowing: Narrowing::default() };
        common_schema(&footers(streams, &whole).await?)?
    } else {
        common_schema(&files)?
    };
    let mut pieces = VecDeque::new();
    for (_, object, footer) in files {
        let count = footer.row_groups().len();
        let range = match &ticket.narrowing.row_groups {
            None => 0..count,
            Some(range) if *range.end() < count => *range.start()..*range.end() + 1,
            Some(range) => {
                return Err(Error::InvalidArgument(format!(
                    "The ticket asks for row groups {}-{}; the file has {count} (counted from 0).",
                    range.start(),
                    range.end()
                )));
            }
        };
        pieces.extend(range.map(|row_group| Piece { object: object.clone(), footer: Arc::clone(&footer), row_group }));
    }
    sink.run_blocking(schema, move |out| decode(pieces, out));
    Ok(())
}

/// Decode row group after row group, with the next one's bytes on their way.
fn decode(mut pieces: VecDeque<Piece>, out: &mut Output) -> Result<()> {
    let mut ahead = Ahead::default();
    let mut first = true;
    while let Some(piece) = pieces.pop_front() {
        let key = piece.key();
        let coming = ahead.take(&key);
        out.part(&key, true, |out| {
            let budget = out.part_bytes();
            let hurry = std::mem::take(&mut first);
            let windows = coming.unwrap_or_else(|| piece.fetch(budget, hurry));
            let mut begun = false;
            let mut sent = |out: &Output| {
                // Not before: its bytes would compete with those that the client waits for.
                if !std::mem::replace(&mut begun, true)
                    && let Some(next) = pieces.front()
                {
                    ahead.start(next.key(), out, || next.fetch(budget, false));
                }
            };
            let rows = piece.send_direct(&windows, hurry, out, &mut sent)?;
            piece.send_rest(windows, rows, hurry, out, &mut sent)
        })?;
    }
    Ok(())
}

impl Piece {
    fn key(&self) -> Key {
        (self.object.id(), Some(self.row_group))
    }

    fn row_group(&self) -> &RowGroupMetaData {
        &self.footer.row_groups()[self.row_group]
    }

    /// Send what can be written straight into messages; how many rows were. In a hurry, the first one is small.
    fn send_direct(
        &self,
        windows: &Windows,
        hurry: bool,
        out: &mut Output,
        sent: &mut impl FnMut(&Output),
    ) -> Result<usize> {
        let group = self.row_group();
        let most = batch_rows(group, out.batch_bytes());
        let mut done = 0;
        let Some(mut direct) = RowGroup::open(windows, group, &self.footer.schema) else { return Ok(done) };
        loop {
            let hurried = if hurry && done == 0 { HURRIED } else { 1 };
            match direct.next(most.div_ceil(hurried), out.batch_bytes() / hurried, out.pool()) {
                Ok(Some((message, rows))) => {
                    out.message(message)?;
                    sent(out);
                    done += rows;
                }
                Ok(None) | Err(Halt::NotOurs) => return Ok(done),
                Err(Halt::Failed(error)) => return Err(error),
            }
        }
    }

    /// Send the rows from this one on, decoded into arrays.
    fn send_rest(
        &self,
        windows: Windows,
        from: usize,
        hurry: bool,
        out: &mut Output,
        sent: &mut impl FnMut(&Output),
    ) -> Result<()> {
        let group = self.row_group();
        if from > 0 && from as u64 == count(group.num_rows()) {
            return Ok(());
        }
        let hurried = if hurry && from == 0 { HURRIED } else { 1 };
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(windows, self.footer.reader.clone())
            .with_row_groups(vec![self.row_group])
            .with_offset(from)
            .with_batch_size(batch_rows(group, out.batch_bytes()).div_ceil(hurried))
            .build()?;
        for batch in reader {
            out.batch(batch?)?;
            sent(out);
        }
        Ok(())
    }

    /// Start to read it. Must run inside the runtime.
    fn fetch(&self, budget: u64, hurry: bool) -> Windows {
        Windows::new(self.object.clone(), column_ranges(self.row_group()), budget, hurry)
    }
}

fn column_ranges(group: &RowGroupMetaData) -> impl Iterator<Item = Range<u64>> {
    group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        start..start.saturating_add(length)
    })
}

/// Rows whose decoded columns come near the target from below, so that splitting has nothing to do.
///
/// Decoded sizes of texts and bytes come from the size statistics where the writer left them; otherwise four times as
/// much as the encoded size is assumed, which is too small for dictionaries.
fn batch_rows(group: &RowGroupMetaData, target: usize) -> usize {
    let rows = count(group.num_rows()).max(1);
    let bytes = group.columns().iter().map(decoded_bytes).fold(0, u64::saturating_add);
    // A tenth for the bits of nulls, and for rows that are longer than most.
    let wanted = (target as u64 / 10 * 9).saturating_mul(rows) / bytes.max(1);
    usize::try_from(wanted).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
}

/// What the values of a column take in Arrow, about.
fn decoded_bytes(column: &ColumnChunkMetaData) -> u64 {
    let values = count(column.num_values());
    let widths = |bytes: u64| values.saturating_mul(bytes);
    match column.column_type() {
        PhysicalType::BOOLEAN => values / 8,
        PhysicalType::INT32 | PhysicalType::FLOAT => widths(4),
        PhysicalType::INT64 | PhysicalType::DOUBLE | PhysicalType::INT96 => widths(8),
        PhysicalType::FIXED_LEN_BYTE_ARRAY => widths(count(column.column_descr().type_length().into())),
        PhysicalType::BYTE_ARRAY => {
            let texts = match column.unencoded_byte_array_data_bytes() {
                Some(bytes) => count(bytes),
                None => count(column.uncompressed_size()).saturating_mul(4),
            };
            texts.saturating_add(widths(4))
        }
    }
}

/// What damage made negative is none.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(files: &[usize], most: usize) -> Vec<String> {
        let files: Vec<_> = files.iter().copied().enumerate().collect();
        parts(&files, most).iter().map(Narrowing::suffix).collect()
    }

    #[test]
    fn parts_cover_all_row_groups_once_in_order() {
        assert_eq!(cut(&[3], 16), [";file=0;rowGroups=0-0", ";file=0;rowGroups=1-1", ";file=0;rowGroups=2-2"]);
        assert_eq!(cut(&[5], 2), [";file=0;rowGroups=0-2", ";file=0;rowGroups=3-4"]);
        assert_eq!(cut(&[2, 0, 3], 3), [";file=0;rowGroups=0-1", ";file=2;rowGroups=0-1", ";file=2;rowGroups=2-2"]);
        assert_eq!(cut(&[1000], 16).len(), 16);
    }

    #[test]
    fn a_table_that_cannot_be_cut_is_one_stream() {
        assert_eq!(cut(&[0], 16), [""]);
        assert_eq!(cut(&[1, 1, 1], 2), [""]);
    }
}
