//! Arrow IPC objects: the file format and the stream format, told apart by their first bytes.

use std::io::BufReader;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::objects::Object;
use super::ranges::{WindowReader, Windows};
use super::{Sink, Streams, Table};
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::ticket::{Narrowing, Ticket};

const MAGIC: &[u8] = b"ARROW1";
/// Reading only the schema needs no more than a window at either end.
const SCHEMA_BUDGET: u64 = 256 * 1024;

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
    sink.run_blocking(schema, move |out| {
        for object in objects {
            // Its decoder holds no more than a batch.
            out.part(&(object.id(), None), false, |out| {
                for batch in Reader::open(&object, out.prefetch_bytes())? {
                    out.batch(batch?)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    Ok(())
}
