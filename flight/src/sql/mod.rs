//! Flight SQL: read-only SELECT over the caller's results and data sets (docs/flight-sql.md).
//!
//! Commands come as protobuf messages inside descriptors, tickets, puts and actions of plain Flight; [`command`] tells them
//! apart. Nothing is kept between two calls: handles and tickets hold the statement itself, and each call's own bearer
//! token decides anew what it may read.

pub mod errors;
mod handle;
pub mod ingest;
mod metadata;
mod params;
pub mod run;
mod settings;
mod statement;
mod tables;

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, Command, CommandPreparedStatementQuery, DoPutPreparedStatementResult, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, FlightData, FlightDescriptor, FlightInfo, PutResult, Result as ActionResult, SchemaResult,
};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use prost::Message as _;
use tonic::Streaming;
use tonic::metadata::MetadataMap;

use crate::auth;
use crate::catalog::{Caller, Catalog};
use crate::config::Limits;
use crate::error::{Error, Result};
use crate::info;
use crate::stream::{Messages, Streams, schema_bytes};
use crate::ticket::Verifier;

pub use settings::SqlLimits;

use handle::Handle;
use run::Runner;
use statement::{Planned, Planner};
use tables::Tables;

const PREFIX: &str = "type.googleapis.com/arrow.flight.protocol.sql.";
const CREATE_PREPARED: &str = "CreatePreparedStatement";
const CLOSE_PREPARED: &str = "ClosePreparedStatement";
const CLOSE_SESSION: &str = "CloseSession";
/// `CloseSessionResult { status: CLOSED }`: the crate has no type for it yet.
const CLOSED: &[u8] = &[0x08, 1];

/// Who calls, and from which workspace names are looked up.
#[derive(Clone)]
pub struct Session {
    /// The caller.
    caller: Caller,
    /// The header `x-workspace`; the token's own workspace if absent.
    workspace: Option<String>,
}

impl Session {
    fn of(metadata: &MetadataMap) -> Result<Self> {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let caller = Caller { token: auth::bearer(metadata)?, traceparent: text("traceparent") };
        Ok(Self { caller, workspace: text("x-workspace") })
    }
}

/// The command of Flight SQL in a descriptor or a ticket; `None` if it is something of plain Flight's.
pub fn command(bytes: &[u8]) -> Option<Result<Command>> {
    let any = Any::decode(bytes).ok().filter(|any| any.type_url.starts_with(PREFIX))?;
    let name = any.type_url.clone();
    Some(Command::try_from(any).map_err(|_| {
        Error::InvalidArgument(format!("The command {} cannot be decoded.", name.strip_prefix(PREFIX).unwrap_or(&name)))
    }))
}

/// The service behind the commands. Cloning shares everything.
#[derive(Clone)]
pub struct Sql {
    planner: Planner,
    runner: Runner,
    streams: Streams,
    limits: Limits,
}

impl Sql {
    /// Start the threads of statements over these parts of the server.
    pub fn start(
        verifier: Arc<Verifier>,
        catalog: Catalog,
        streams: Streams,
        limits: &Limits,
        sql: &SqlLimits,
    ) -> Result<Self> {
        let tables = Tables::new(catalog, verifier, streams.clone());
        let planner = Planner { tables, limits: sql.clone() };
        let runner = Runner::start(sql.clone(), limits.batch_bytes)?;
        Ok(Self { planner, runner, streams, limits: limits.clone() })
    }

    /// The threads of statements.
    pub fn runner(&self) -> Runner {
        self.runner.clone()
    }

    /// `GetFlightInfo` of a command: one endpoint, which any server can answer.
    pub async fn info(
        &self,
        metadata: &MetadataMap,
        descriptor: &FlightDescriptor,
        command: Command,
    ) -> Result<FlightInfo> {
        let session = Session::of(metadata)?;
        let (schema, ticket) = match command {
            Command::CommandStatementQuery(query) => {
                no_transaction(query.transaction_id.as_ref())?;
                self.statement_info(&session, Handle::new(query.query)).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                self.statement_info(&session, Handle::parse(&query.prepared_statement_handle)?).await?
            }
            other => {
                let ticket = other.clone().into_any().encode_to_vec();
                (self.answer(&session, other).await?.schema().as_ref().clone(), ticket)
            }
        };
        info::uncounted(&schema, descriptor, info::endpoint(ticket, None))
    }

    /// `GetSchema` of a command.
    pub async fn schema(
        &self,
        metadata: &MetadataMap,
        descriptor: &FlightDescriptor,
        command: Command,
    ) -> Result<SchemaResult> {
        Ok(SchemaResult { schema: self.info(metadata, descriptor, command).await?.schema })
    }

    /// `DoGet` of a command's ticket.
    pub async fn get(&self, metadata: &MetadataMap, command: Command) -> Result<Messages> {
        let session = Session::of(metadata)?;
        match command {
            Command::TicketStatementQuery(ticket) => {
                let handle = Handle::parse(&ticket.statement_handle)?;
                let turn = self.runner.turn().await?;
                let planned = self.plan(&session, handle).await?;
                Ok(self.runner.run(planned, turn))
            }
            other => run::answer(&self.answer(&session, other).await?, self.limits.batch_bytes),
        }
    }

    /// `DoPut` of a command: parameters are bound; everything else would change data.
    pub async fn put(
        &self,
        metadata: &MetadataMap,
        command: Command,
        first: FlightData,
        rest: Streaming<FlightData>,
    ) -> Result<PutResult> {
        let Command::CommandPreparedStatementQuery(CommandPreparedStatementQuery { prepared_statement_handle }) =
            command
        else {
            return Err(not_offered(&command));
        };
        Session::of(metadata)?;
        let handle = Handle::parse(&prepared_statement_handle)?;
        let rows = params::encode(&self.rows(first, rest).await?)?;
        let bound = handle.bound(&rows).to_bytes();
        self.fits(bound.len())?;
        let result = DoPutPreparedStatementResult { prepared_statement_handle: Some(bound.into()) };
        Ok(PutResult { app_metadata: result.encode_to_vec().into() })
    }

    /// An action of Flight SQL; `None` if it is none.
    pub async fn action(&self, metadata: &MetadataMap, action: &Action) -> Option<Result<Vec<ActionResult>>> {
        let nothing = |why: &str| Some(Err(Error::Unimplemented(format!("{} is not offered: {why}.", action.r#type))));
        match action.r#type.as_str() {
            CREATE_PREPARED => Some(self.create_prepared(metadata, &action.body).await),
            // Handles hold everything: there is nothing to forget.
            CLOSE_PREPARED => Some(
                Session::of(metadata)
                    .and_then(|_| unpack::<ActionClosePreparedStatementRequest>(&action.body).map(|_| Vec::new())),
            ),
            CLOSE_SESSION => {
                Some(Session::of(metadata).map(|_| vec![ActionResult { body: Bytes::from_static(CLOSED) }]))
            }
            "CreatePreparedSubstraitPlan" => nothing("send SQL text"),
            "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
                nothing("all statements only read, so that there are no transactions")
            }
            "SetSessionOptions" | "GetSessionOptions" => nothing(
                "there are no sessions; write the workspace in the table's name, or send the header x-workspace",
            ),
            "CancelQuery" => nothing("close the stream of DoGet, which ends the statement"),
            _ => None,
        }
    }

    async fn create_prepared(&self, metadata: &MetadataMap, body: &Bytes) -> Result<Vec<ActionResult>> {
        let session = Session::of(metadata)?;
        let request: ActionCreatePreparedStatementRequest = unpack(body)?;
        no_transaction(request.transaction_id.as_ref())?;
        let handle = Handle::new(request.query);
        let bytes = handle.to_bytes();
        self.fits(bytes.len())?;
        let planner = self.planner.clone();
        let prepared = self.runner.plan(Box::pin(async move { planner.prepare(&session, &handle.sql).await })).await?;
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: bytes.into(),
            // Empty means: not known yet.
            dataset_schema: prepared.schema.map_or_else(|| Ok(Bytes::new()), |schema| schema_bytes(&schema))?,
            parameter_schema: schema_bytes(&prepared.parameters)?,
        };
        Ok(vec![ActionResult { body: result.as_any().encode_to_vec().into() }])
    }

    async fn plan(&self, session: &Session, handle: Handle) -> Result<Planned> {
        let (planner, session) = (self.planner.clone(), session.clone());
        self.runner.plan(Box::pin(async move { planner.plan(&session, &handle).await })).await
    }

    /// The columns of a statement, and a ticket that means the same tables ever after.
    async fn statement_info(&self, session: &Session, mut handle: Handle) -> Result<(Schema, Vec<u8>)> {
        handle.pins.clear();
        let planned = self.plan(session, handle.clone()).await?;
        handle.pins = planned.pins;
        let ticket = TicketStatementQuery { statement_handle: handle.to_bytes().into() }.as_any().encode_to_vec();
        self.fits(ticket.len())?;
        Ok((planned.schema.as_ref().clone(), ticket))
    }

    /// The answer to a question about this server or its tables.
    async fn answer(&self, session: &Session, command: Command) -> Result<RecordBatch> {
        let tables = &self.planner.tables;
        match command {
            Command::CommandGetSqlInfo(command) => {
                tables.workspaces(session).await?;
                metadata::sql_info(command)
            }
            Command::CommandGetTableTypes(command) => {
                tables.workspaces(session).await?;
                metadata::table_types(command)
            }
            Command::CommandGetCatalogs(command) => metadata::catalog_names(tables, session, command).await,
            Command::CommandGetDbSchemas(command) => metadata::schemas(tables, session, command).await,
            Command::CommandGetTables(command) => metadata::tables(tables, &self.streams, session, command).await,
            other => Err(not_offered(&other)),
        }
    }

    /// The rows that a client sends, as long as they are few.
    async fn rows(&self, first: FlightData, rest: Streaming<FlightData>) -> Result<Vec<RecordBatch>> {
        let unreadable =
            |error: FlightError| Error::InvalidArgument(format!("The parameters cannot be read: {error}."));
        let all = stream::iter([Ok(first)]).chain(rest).map(|message| message.map_err(FlightError::from));
        let mut batches = FlightRecordBatchStream::new_from_flight_data(all);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(unreadable)?;
            bytes += batch.get_array_memory_size();
            taken.push(batch);
            self.fits(bytes)?;
        }
        Ok(taken)
    }

    fn fits(&self, bytes: usize) -> Result<()> {
        let most = self.limits.max_ticket_bytes;
        if bytes <= most {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "The statement and its parameters take {bytes} bytes; {most} are taken. Upload long lists of values as a data \
             set, and join it."
        )))
    }
}

/// The actions that are offered.
pub fn actions() -> Vec<ActionType> {
    let offered = [
        (CREATE_PREPARED, "Check a SELECT; returns a handle, the columns and the parameters."),
        (CLOSE_PREPARED, "Give a handle back; handles hold no memory here."),
        (CLOSE_SESSION, "End a session; there is nothing to end, since every call stands for itself."),
    ];
    offered.map(|(name, text)| ActionType { r#type: name.into(), description: text.into() }).to_vec()
}

fn unpack<M: ProstMessageExt>(body: &Bytes) -> Result<M> {
    let any = Any::decode(body.as_ref()).ok().and_then(|any| any.unpack::<M>().ok().flatten());
    any.ok_or_else(|| Error::InvalidArgument("The action's body is not the message that belongs to it.".into()))
}

fn no_transaction(id: Option<&Bytes>) -> Result<()> {
    match id {
        Some(id) if !id.is_empty() => Err(Error::InvalidArgument(
            "There are no transactions here: leave the transaction id away (ADBC: autocommit).".into(),
        )),
        _ => Ok(()),
    }
}

/// A command that this server does not know, or that would change data.
fn not_offered(command: &Command) -> Error {
    let name = command.type_url().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let why = match command {
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) => {
            "statements only read here; rows come by jobs, uploads and adbc_ingest"
        }
        Command::CommandStatementSubstraitPlan(_) => "send SQL text",
        Command::CommandGetPrimaryKeys(_)
        | Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => "tables have no keys",
        Command::CommandGetXdbcTypeInfo(_) => "types are Arrow's; ask for the schema of a table",
        _ => "docs/flight-sql.md says what is",
    };
    Error::Unimplemented(format!("{name} is not offered: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::sql::{CommandGetPrimaryKeys, CommandStatementQuery, CommandStatementUpdate};

    #[test]
    fn only_messages_of_flight_sql_are_commands() {
        let query = CommandStatementQuery { query: "SELECT 1".into(), transaction_id: None };
        let found = command(&query.as_any().encode_to_vec()).unwrap().unwrap();
        assert_eq!(found, Command::CommandStatementQuery(query));
        for other in [&b""[..], b"eyJ2IjoxfQ.c2ln;file=0", br#"{"spec":{}}"#] {
            assert!(command(other).is_none());
        }
        let broken = Any { type_url: format!("{PREFIX}CommandStatementQuery"), value: Bytes::from_static(b"\xff") };
        assert!(command(&broken.encode_to_vec()).unwrap().is_err());
    }

    #[test]
    fn what_is_not_offered_is_named_with_a_way_out() {
        let update = Command::CommandStatementUpdate(CommandStatementUpdate::default());
        let keys = Command::CommandGetPrimaryKeys(CommandGetPrimaryKeys::default());
        let unknown = Command::Unknown(Any { type_url: format!("{PREFIX}CommandNew"), value: Bytes::new() });
        for (command, part) in [(update, "adbc_ingest"), (keys, "no keys"), (unknown, "CommandNew")] {
            let error = not_offered(&command);
            assert_eq!(error.code(), tonic::Code::Unimplemented);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
