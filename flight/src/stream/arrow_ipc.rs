//! Arrow IPC objects: the file format and the stream format, told apart by their first bytes.

mod file;

use std::io::BufReader;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use karyaksham_engine::open::ArrowFile;
use karyaksham_engine::store::Location;
use tokio::runtime::Handle;

use super::objects::Object;
use super::output::Output;
use super::ranges::{WindowReader, Windows};
use super::{Sink, Streams, Table};
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::ticket::{Narrowing, Ticket};

const MAGIC: &[u8] = b"ARROW1";
/// Reading only the schema of a stream needs no more than its beginning.
const SCHEMA_BUDGET: u64 = 256 * 1024;

/// An object whose schema was read.
enum Opened {
    File(Box<ArrowFile>),
    Stream(SchemaRef),
}

impl Opened {
    async fn open(object: &Object, location: &Location) -> Result<Self> {
        if object.size == 0 {
            return Err(Error::Corrupt("The Arrow file is empty: it has not even a schema.".into()));
        }
        if object.read(0..object.size.min(MAGIC.len() as u64)).await? == MAGIC {
            return Ok(Self::File(Box::new(ArrowFile::open(location, Some(object.size)).await?)));
        }
        let object = object.clone();
        let opened = tokio::task::spawn_blocking(move || stream(&object, SCHEMA_BUDGET).map(|reader| reader.schema()));
        let damaged = |_| Error::Corrupt("The Arrow file cannot be read: it is damaged.".into());
        Ok(Self::Stream(opened.await.map_err(damaged)??))
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Self::File(file) => plain_schema(&file.schema()),
            Self::Stream(schema) => plain_schema(schema),
        }
    }

    /// Send all of it.
    fn send(&self, object: &Object, out: &mut Output) -> Result<()> {
        match self {
            Self::File(file) => file::send(object, file, out),
            // Its decoder holds no more than a batch. It has no footer that says where parts could begin.
            Self::Stream(_) => out.part(&(object.id(), None), false, |out| {
                stream(object, out.prefetch_bytes())?.try_for_each(|batch| out.batch(batch?))
            }),
        }
    }
}

/// Read a stream from its beginning. Synchronous: not for use inside an async task.
fn stream(object: &Object, budget: u64) -> Result<StreamReader<BufReader<WindowReader>>> {
    let windows = Windows::new(object.clone(), std::iter::once(0..object.size), budget, false);
    Ok(StreamReader::try_new(BufReader::new(windows.reader(0)), None)?)
}

fn objects(streams: &Streams, ticket: &Ticket) -> Result<Vec<(Object, Location)>> {
    if ticket.narrowing.row_groups.is_some() {
        return Err(Error::InvalidArgument(
            "Only Parquet tables have row groups: use the endpoints' tickets as they are.".into(),
        ));
    }
    let objects = ticket.files().map(|(_, file)| {
        let object = streams.object(file)?;
        let location = streams.location(&object)?;
        Ok((object, location))
    });
    objects.collect()
}

/// The first file, whose schema the others must have too.
async fn first(objects: &[(Object, Location)]) -> Result<Opened> {
    let (object, location) = objects.first().ok_or_else(|| Error::NotFound("The table has no files.".into()))?;
    Opened::open(object, location).await
}

/// Schema and, if the API counted them, rows.
pub async fn describe(streams: &Streams, ticket: &Ticket) -> Result<Table> {
    let schema = first(&objects(streams, ticket)?).await?.schema();
    Ok(Table { schema, rows: ticket.claims.rows, parts: vec![Narrowing::default()] })
}

/// Start reading the files one after another.
pub async fn start(streams: &Streams, ticket: &Ticket, sink: Sink) -> Result<()> {
    let objects = objects(streams, ticket)?;
    let first = first(&objects).await?;
    let runtime = Handle::current();
    sink.run_blocking(first.schema(), move |out| {
        let mut opened = Some(first);
        objects.iter().try_for_each(|(object, location)| {
            let opened = opened.take().map_or_else(|| runtime.block_on(Opened::open(object, location)), Ok)?;
            opened.send(object, out)
        })
    });
    Ok(())
}
