//! Arrow IPC objects: the file format and the stream format, told apart by their first bytes.

use std::io::BufReader;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::objects::Object;
use super::output::Output;
use super::ranges::{WindowReader, Windows};
use super::{Sink, Streams, Table};
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::ticket::{Narrowing, Ticket};

const MAGIC: &[u8] = b"ARROW1";
/// Reading only the schema needs no more than a window at either end.
const SCHEMA_BUDGET: u64 = 256 * 1024;
/// Stored bytes of one part of a file, about: the spool keeps parts, and none that takes much of its room.
const PART: u64 = 32 * 1024 * 1024;

/// Batches of one object, whichever of the two formats it has.
enum Reader {
    File(FileReader<WindowReader>),
    Stream(StreamReader<BufReader<WindowReader>>),
}

impl Reader {
    /// Open an object. Reads synchronously: not for use inside an async task.
    fn open(object: &Object, budget: u64) -> Result<Self> {
        if object.size == 0 {
            return Err(Error::Corrupt("The Arrow file is empty: it has not even a schema.".into()));
        }
        let windows = Windows::new(object.clone(), std::iter::once(0..object.size), budget, false);
        let start = windows.read(0, MAGIC.len().min(usize::try_from(object.size).unwrap_or(usize::MAX)))?;
        if start == MAGIC {
            Ok(Self::File(FileReader::try_new(windows.reader(0), None)?))
        } else {
            Ok(Self::Stream(StreamReader::try_new(BufReader::new(windows.reader(0)), None)?))
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Self::File(reader) => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    /// The ranges of batches that are parts of their own: a stream has no footer that says where they are.
    fn parts(&self, size: u64) -> Vec<Option<Range<usize>>> {
        match self {
            Self::File(reader) => parts(reader.num_batches(), size).map(Some).collect(),
            Self::Stream(_) => vec![None],
        }
    }

    /// Go on at this batch.
    fn seek(&mut self, batch: usize) -> Result<()> {
        if let Self::File(reader) = self {
            reader.set_index(batch)?;
        }
        Ok(())
    }
}

/// Batches of a file of so many bytes, in ranges of about `PART`.
fn parts(batches: usize, size: u64) -> impl Iterator<Item = Range<usize>> {
    let each = (size / batches.max(1) as u64).max(1);
    let step = usize::try_from(PART / each).unwrap_or(usize::MAX).max(1);
    (0..batches).step_by(step).map(move |first| first..batches.min(first.saturating_add(step)))
}

impl Iterator for Reader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::File(reader) => reader.next(),
            Self::Stream(reader) => reader.next(),
        }
    }
}

fn objects(streams: &Streams, ticket: &Ticket) -> Result<Vec<Object>> {
    if ticket.narrowing.row_groups.is_some() {
        return Err(Error::InvalidArgument(
            "Only Parquet tables have row groups: use the endpoints' tickets as they are.".into(),
        ));
    }
    ticket.files().map(|(_, file)| Object::new(&streams.store, file)).collect()
}

/// The schema of the first file, which the others must have too.
async fn schema(objects: &[Object]) -> Result<SchemaRef> {
    let first = objects.first().cloned().ok_or_else(|| Error::NotFound("The table has no files.".into()))?;
    let opened =
        tokio::task::spawn_blocking(move || Reader::open(&first, SCHEMA_BUDGET).map(|reader| reader.schema())).await;
    let stored = opened.map_err(|_| Error::Corrupt("The Arrow file cannot be read: it is damaged.".into()))??;
    Ok(plain_schema(&stored))
}

/// Schema and, if the API counted them, rows.
pub async fn describe(streams: &Streams, ticket: &Ticket) -> Result<Table> {
    let objects = objects(streams, ticket)?;
    let schema = schema(&objects).await?;
    Ok(Table { schema, rows: ticket.claims.rows, parts: vec![Narrowing::default()] })
}

/// Start reading the files one after another.
pub async fn start(streams: &Streams, ticket: &Ticket, sink: Sink) -> Result<()> {
    let objects = objects(streams, ticket)?;
    let schema = schema(&objects).await?;
    sink.run_blocking(schema, move |out| objects.iter().try_for_each(|object| send(object, out)));
    Ok(())
}

/// Send one object, part by part: those that the spool has are not read again.
fn send(object: &Object, out: &mut Output) -> Result<()> {
    let parts = Reader::open(object, SCHEMA_BUDGET)?.parts(object.size);
    // A reader, and the batch it is at: its windows slide on, so that one that would skip some begins anew.
    let mut reader: Option<(Reader, usize)> = None;
    for part in parts {
        let (first, batches) = part.as_ref().map_or((0, usize::MAX), |part| (part.start, part.len()));
        // Its decoder holds no more than a batch.
        out.part(&(object.id(), part.map(|part| part.start)), false, |out| {
            let mut current = match reader.take().filter(|(_, at)| *at == first) {
                Some((reader, _)) => reader,
                None => Reader::open(object, out.prefetch_bytes())?,
            };
            current.seek(first)?;
            for batch in current.by_ref().take(batches) {
                out.batch(batch?)?;
            }
            reader = Some((current, first.saturating_add(batches)));
            Ok(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_batches_once_and_none_is_much_larger_than_asked() {
        for (batches, size) in
            [(0, 0), (1, 10), (1, 1 << 40), (7, 100), (1000, 1 << 30), (3, 3 * PART), (4097, u64::MAX)]
        {
            let ranges: Vec<_> = parts(batches, size).collect();
            let mut next = 0;
            for range in &ranges {
                assert_eq!(range.start, next);
                assert!(
                    range.len() == 1 || range.len() as u64 * (size / batches as u64) <= PART,
                    "{batches} of {size}"
                );
                next = range.end;
            }
            assert_eq!(next, batches);
        }
        assert_eq!(parts(1000, 1 << 30).count(), 33);
    }
}
