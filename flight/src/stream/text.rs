//! CSV, NDJSON and plain lines: the engine's scanner reads them, with the schema that the ticket declares.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::StreamExt as _;
use karyaksham_engine::open::{Format as EngineFormat, StoredFile, stream};
use karyaksham_engine::types::from_columns;
use tokio::runtime::Handle;

use super::{Sink, Streams, Table};
use crate::error::{Error, Result};
use crate::schema::plain_schema;
use crate::ticket::{Format, Narrowing, Ticket};

/// The declared schema: what `FlightInfo` says and what every value must fit.
pub(super) fn schema(ticket: &Ticket) -> Result<SchemaRef> {
    if ticket.claims.format == Format::Lines {
        return Ok(Arc::new(Schema::new(vec![Field::new("line", DataType::Utf8, true)])));
    }
    let columns = ticket.claims.schema.as_deref().ok_or_else(|| {
        Error::NotReady("The columns of this table are not known yet: wait until it has been inspected.".into())
    })?;
    let schema = from_columns(columns).map_err(|error| {
        log::error!("a signed ticket declares an unusable schema: {error}");
        Error::Internal("The ticket declares a column type that this server does not know.".into())
    })?;
    Ok(plain_schema(&schema))
}

pub(super) fn files(streams: &Streams, ticket: &Ticket, schema: &SchemaRef) -> Result<Vec<StoredFile>> {
    if ticket.narrowing.row_groups.is_some() {
        return Err(Error::InvalidArgument(
            "Only Parquet tables have row groups: use the endpoints' tickets as they are.".into(),
        ));
    }
    let format = match ticket.claims.format {
        Format::Ndjson => EngineFormat::Ndjson,
        Format::Lines => EngineFormat::Lines,
        _ => EngineFormat::Csv,
    };
    let dialect = match &ticket.claims.dialect {
        None => None,
        Some(value) => Some(serde_json::from_value(value.clone()).map_err(|error| {
            log::error!("a signed ticket declares an unusable dialect: {error}");
            Error::Internal("The ticket declares a dialect that this server does not know.".into())
        })?),
    };
    ticket
        .files()
        .map(|(_, file)| {
            let object = streams.object(file)?;
            Ok(StoredFile {
                size: Some(object.size),
                schema: Some(Arc::clone(schema)),
                dialect: dialect.clone(),
                ..StoredFile::new(streams.location(&object)?, format)
            })
        })
        .collect()
}

/// The declared schema, and the rows that were counted.
pub fn describe(ticket: &Ticket) -> Result<Table> {
    Ok(Table { schema: schema(ticket)?, rows: ticket.claims.rows, parts: vec![Narrowing::default()] })
}

/// Start reading the files one after another.
pub fn start(streams: &Streams, ticket: &Ticket, sink: Sink) -> Result<()> {
    let schema = schema(ticket)?;
    let files = files(streams, ticket, &schema)?;
    let runtime = Handle::current();
    sink.run_blocking(schema, move |out| {
        out.enter()?;
        for file in files {
            // An empty object has no rows; the scanner would ask where its header is.
            if file.size == Some(0) {
                continue;
            }
            let mut batches = runtime.block_on(stream(&file))?;
            while let Some(batch) = runtime.block_on(batches.next()) {
                out.batch(batch.map_err(karyaksham_engine::EngineError::from)?)?;
            }
        }
        Ok(())
    });
    Ok(())
}
