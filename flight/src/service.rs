//! The Flight service: from calls to tables.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::Command;
use arrow_flight::{
    Action, ActionType, BasicAuth, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, Result as ActionResult, SchemaResult, Ticket as TicketBytes,
};
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use prost::Message as _;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::actions;
use crate::auth::{self, Basic, Handshake};
use crate::call::{Call, text_of};
use crate::catalog::{Caller, Catalog, Listed, Page};
use crate::config::Limits;
use crate::error::{Error, Result};
use crate::info::{self, number};
use crate::metrics::METRICS;
use crate::poll::ready;
use crate::pull::{self, Pulls};
use crate::put::{PutStream, Puts};
use crate::sql::{self, Sql};
use crate::stream::{Messages, Streams, schema_bytes};
use crate::throttle::{Share, Shares};
use crate::ticket::{Kind, Opened, Verifier};

/// Tables of a list whose footers are read at once.
const LIST_AHEAD: usize = 4;

/// The service; cloning shares everything.
#[derive(Clone)]
pub struct Flight {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) catalog: Catalog,
    pub(crate) streams: Streams,
    pub(crate) limits: Limits,
    pub(crate) puts: Puts,
    slots: Arc<Semaphore>,
    shares: Shares,
    tokens: Shares,
    sql: Sql,
    pulls: Pulls,
}

impl Flight {
    /// A service that asks this API, reads this storage, takes tables in and answers SQL.
    pub fn new(
        verifier: Arc<Verifier>,
        catalog: Catalog,
        streams: Streams,
        puts: Puts,
        sql: Sql,
        pulls: Pulls,
    ) -> Self {
        let limits = streams.limits().clone();
        let slots = Arc::new(Semaphore::new(limits.max_streams));
        let shares = Shares::new("of this workspace", limits.max_streams_per_workspace);
        let tokens = Shares::new("for this token", limits.max_streams_per_token);
        Self { verifier, catalog, streams, limits, puts, slots, shares, tokens, sql, pulls }
    }

    /// A table's schema, totals and endpoints.
    pub(crate) async fn info(&self, caller: &Caller, kind: Kind, id: &str, name: Option<&str>) -> Result<FlightInfo> {
        let resolved = self.catalog.resolve(caller, kind, id).await?;
        // The API's ticket is verified like a client's: a wrong key shows here, not at the first DoGet.
        let ticket = self.verifier.verify(resolved.ticket.as_bytes(), SystemTime::now())?;
        let table = self.streams.describe(&ticket).await?;
        let endpoint = table
            .parts
            .iter()
            .map(|part| info::endpoint(format!("{}{}", resolved.ticket, part.suffix()), Some(ticket.claims.exp)))
            .collect();
        let stored: u64 = ticket.claims.files.iter().map(|file| file.size_bytes).sum();
        Ok(FlightInfo {
            schema: schema_bytes(&table.schema)?,
            flight_descriptor: Some(FlightDescriptor::new_path(vec![kind.plural().into(), id.into()])),
            endpoint,
            total_records: number(table.rows.or(ticket.claims.rows)),
            total_bytes: resolved.size_bytes.unwrap_or_else(|| number(Some(stored))),
            ordered: true,
            app_metadata: name.map_or_else(Bytes::new, |name| Bytes::from(json!({"name": name}).to_string())),
        })
    }

    async fn read(&self, ticket: &[u8], metadata: &MetadataMap, call: &mut Call) -> Result<DoGetStream> {
        let opened = self.verifier.verify_any(ticket, SystemTime::now())?;
        let workspace = match &opened {
            Opened::Table(ticket) => {
                call.table = format!("{}/{}", ticket.claims.kind.plural(), ticket.claims.id);
                &ticket.claims.workspace
            }
            Opened::Pull(claims) => {
                call.table = format!("pull/{}", claims.id);
                &claims.workspace
            }
        };
        call.workspace.clone_from(workspace);
        let held = self.hold(metadata, Some(workspace.as_str()))?;
        let messages = match opened {
            Opened::Table(ticket) => self.streams.open(&ticket).await?,
            Opened::Pull(claims) => self.pulls.get(claims, ticket).await?,
        };
        Ok(DoGetStream::new(messages, held))
    }

    /// The same for a ticket of Flight SQL, whose statements have bounds of their own.
    async fn read_sql(&self, command: Result<Command>, metadata: &MetadataMap, call: &mut Call) -> Result<DoGetStream> {
        let command = call.names(command)?;
        let held = self.hold(metadata, None)?;
        let messages = self.sql.get(metadata, command).await?;
        Ok(DoGetStream::new(messages, held))
    }

    /// A place for one more stream: of the server's, of the token's if there is one, and of the workspace's.
    fn hold(&self, metadata: &MetadataMap, workspace: Option<&str>) -> Result<Held> {
        let workspace = workspace.map(|workspace| self.shares.take(workspace)).transpose()?;
        let token = auth::bearer(metadata).ok().map(|token| self.tokens.take(&token)).transpose()?;
        Ok(Held { _slot: self.slot()?, _workspace: workspace, _token: token })
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Error::Busy(format!("The server already sends {} streams. Try again in a moment.", self.limits.max_streams))
        })
    }

    async fn log_in(&self, metadata: &MetadataMap, requests: &mut Streaming<HandshakeRequest>) -> Result<String> {
        let traceparent = text_of(metadata, "traceparent");
        match auth::handshake(metadata)? {
            Some(Handshake::Bearer(token)) => {
                self.catalog.page(&Caller { token: token.clone(), traceparent }, None).await?;
                Ok(token)
            }
            Some(Handshake::Basic(basic)) => self.catalog.log_in(&basic, traceparent).await,
            None => {
                // Old clients send the credentials as the first message.
                let missing = || {
                    Error::Unauthenticated(
                        "The handshake needs a user name and a password, or an API token as password.".into(),
                    )
                };
                let first = requests.message().await.map_err(|_| missing())?.ok_or_else(missing)?;
                let basic = BasicAuth::decode(first.payload).map_err(|_| missing())?;
                if basic.password.is_empty() {
                    return Err(missing());
                }
                self.catalog.log_in(&Basic { user: basic.username, password: basic.password }, traceparent).await
            }
        }
    }
}

/// Who calls.
pub(crate) fn caller(metadata: &MetadataMap) -> Result<Caller> {
    Ok(Caller { token: auth::bearer(metadata)?, traceparent: text_of(metadata, "traceparent") })
}

/// The table that a descriptor names.
pub(crate) fn table_of(descriptor: &FlightDescriptor) -> Result<(Kind, &str)> {
    let wanted = "the path [\"jobs\", <job id>] or [\"datasets\", <data set id>]";
    match (descriptor.r#type(), descriptor.path.as_slice()) {
        (DescriptorType::Path, [kind, id]) => Kind::from_plural(kind)
            .map(|kind| (kind, id.as_str()))
            .ok_or_else(|| Error::InvalidArgument(format!("There are no tables under '{kind}': use {wanted}."))),
        (DescriptorType::Path, path) => {
            Err(Error::InvalidArgument(format!("The descriptor's path has {} parts: use {wanted}.", path.len())))
        }
        (DescriptorType::Cmd, _) => Err(Error::Unimplemented(format!(
            "This command is not offered by this version: use Flight SQL, a JSON object with `spec` and `inputs`, or \
             {wanted}."
        ))),
        (DescriptorType::Unknown, _) => {
            Err(Error::InvalidArgument(format!("The descriptor has no type: use {wanted}.")))
        }
    }
}

/// The places that a stream takes.
struct Held {
    _slot: OwnedSemaphorePermit,
    _workspace: Option<Share>,
    _token: Option<Share>,
}

/// A running `DoGet`; holds its slot until the client has all or has left.
pub struct DoGetStream {
    messages: Messages,
    _held: Held,
    sent: u64,
    call: Option<Call>,
}

impl DoGetStream {
    fn new(messages: Messages, held: Held) -> Self {
        METRICS.streams.inc();
        Self { messages, _held: held, sent: 0, call: None }
    }
}

impl Stream for DoGetStream {
    type Item = std::result::Result<FlightData, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.messages.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(message))) => {
                let bytes = message.data_body.len() as u64;
                self.sent += bytes;
                METRICS.sent.inc_by(bytes);
                Poll::Ready(Some(Ok(message)))
            }
            Poll::Ready(Some(Err(error))) => {
                if let Some(call) = self.call.take() {
                    call.log(Some(&error), Some(self.sent));
                }
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                if let Some(call) = self.call.take() {
                    call.log(None, Some(self.sent));
                }
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for DoGetStream {
    fn drop(&mut self) {
        METRICS.streams.dec();
        if let Some(call) = self.call.take() {
            call.log(Some(&Error::Gone), Some(self.sent));
        }
    }
}

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = BoxStream<'static, std::result::Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, std::result::Result<FlightInfo, Status>>;
    type DoGetStream = DoGetStream;
    type DoPutStream = PutStream;
    type DoActionStream = BoxStream<'static, std::result::Result<ActionResult, Status>>;
    type ListActionsStream = BoxStream<'static, std::result::Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, std::result::Result<FlightData, Status>>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> std::result::Result<Response<Self::HandshakeStream>, Status> {
        let call = Call::new("Handshake", &request);
        let (metadata, _, mut requests) = request.into_parts();
        let result = self.log_in(&metadata, &mut requests).await.and_then(|token| {
            let header = format!("Bearer {token}")
                .parse()
                .map_err(|_| Error::Internal("The API gave an unusable token.".into()))?;
            let answer = HandshakeResponse { protocol_version: 0, payload: Bytes::from(token) };
            let mut response = Response::new(stream::iter([Ok(answer)]).boxed());
            response.metadata_mut().insert("authorization", header);
            Ok(response)
        });
        call.end(result)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> std::result::Result<Response<Self::ListFlightsStream>, Status> {
        let call = Call::new("ListFlights", &request);
        let listing = async {
            if !request.get_ref().expression.is_empty() {
                return Err(Error::InvalidArgument("ListFlights takes no criteria: leave them empty.".into()));
            }
            let caller = caller(request.metadata())?;
            let page = self.catalog.page(&caller, None).await?;
            Ok((caller, page))
        };
        let (caller, first) = call.end(listing.await)?;
        let this = self.clone();
        let infos = pages(self.catalog.clone(), caller.clone(), first)
            .map(move |listed| {
                let (this, caller) = (this.clone(), caller.clone());
                async move {
                    let Listed { kind, id, name } = listed?;
                    this.info(&caller, kind, &id, name.as_deref()).await
                }
            })
            .buffered(LIST_AHEAD)
            .filter_map(|info| async {
                match info {
                    Ok(info) => Some(Ok(info)),
                    // Deleted since, or not a table: one of them must not hide the others.
                    Err(Error::NotFound(_) | Error::NotReady(_) | Error::Corrupt(_) | Error::Unimplemented(_)) => None,
                    Err(error) => Some(Err(error.into())),
                }
            });
        Ok(Response::new(infos.boxed()))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> std::result::Result<Response<FlightInfo>, Status> {
        let mut call = Call::new("GetFlightInfo", &request);
        let result = async {
            if let Some(command) = sql::command(&request.get_ref().cmd) {
                return self.sql.info(request.metadata(), request.get_ref(), call.names(command)?).await;
            }
            if let Some(command) = pull::command(request.get_ref()) {
                call.table = "pull".into();
                let (caller, metadata) = (caller(request.metadata())?, request.metadata());
                return self.pulls.info(&caller, metadata, request.get_ref(), command).await;
            }
            let (kind, id) = table_of(request.get_ref())?;
            call.table = format!("{}/{id}", kind.plural());
            self.info(&caller(request.metadata())?, kind, id, None).await
        }
        .await;
        call.end(result.map(Response::new))
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> std::result::Result<Response<PollInfo>, Status> {
        let mut call = Call::new("PollFlightInfo", &request);
        call.table = request.get_ref().path.join("/");
        let result = async {
            let caller = caller(request.metadata())?;
            if let Some(command) = pull::command(request.get_ref()) {
                let info = self.pulls.info(&caller, request.metadata(), request.get_ref(), command).await?;
                return Ok(ready(info));
            }
            self.poll(&caller, request.get_ref()).await
        }
        .await;
        call.end(result.map(Response::new))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> std::result::Result<Response<SchemaResult>, Status> {
        let mut call = Call::new("GetSchema", &request);
        let result = async {
            if let Some(command) = sql::command(&request.get_ref().cmd) {
                return self.sql.schema(request.metadata(), request.get_ref(), call.names(command)?).await;
            }
            if let Some(command) = pull::command(request.get_ref()) {
                call.table = "pull".into();
                let (caller, metadata) = (caller(request.metadata())?, request.metadata());
                let info = self.pulls.info(&caller, metadata, request.get_ref(), command).await?;
                return Ok(SchemaResult { schema: info.schema });
            }
            let (kind, id) = table_of(request.get_ref())?;
            call.table = format!("{}/{id}", kind.plural());
            let info = self.info(&caller(request.metadata())?, kind, id, None).await?;
            Ok(SchemaResult { schema: info.schema })
        }
        .await;
        call.end(result.map(Response::new))
    }

    async fn do_get(&self, request: Request<TicketBytes>) -> std::result::Result<Response<DoGetStream>, Status> {
        let mut call = Call::new("DoGet", &request);
        let ticket = &request.get_ref().ticket;
        let read = match sql::command(ticket) {
            Some(command) => self.read_sql(command, request.metadata(), &mut call).await,
            None => self.read(ticket, request.metadata(), &mut call).await,
        };
        match read {
            Ok(mut stream) => {
                stream.call = Some(call);
                Ok(Response::new(stream))
            }
            Err(error) => call.end(Err(error)),
        }
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> std::result::Result<Response<Self::DoPutStream>, Status> {
        let mut call = Call::new("DoPut", &request);
        let (metadata, _, mut messages) = request.into_parts();
        let first = match caller(&metadata) {
            Ok(_) => self.puts.first(&mut messages).await,
            Err(error) => Err(error),
        };
        let first = match first {
            Ok(first) => first,
            Err(error) => return call.end(Err(error)),
        };
        if let Some(command) = first.flight_descriptor.as_ref().and_then(|descriptor| sql::command(&descriptor.cmd)) {
            if let Ok(Command::CommandStatementIngest(command)) = command {
                call.table = format!("datasets/{}", command.table);
                return match self.sql.ingest(&metadata, command).await {
                    Ok(put) => Ok(Response::new(self.puts.begun(put, first, messages, call, sql::ingest::done))),
                    Err(error) => call.end(Err(error)),
                };
            }
            let done = async { self.sql.put(&metadata, call.names(command)?, first, messages).await }.await;
            return call.end(done.map(|result| Response::new(stream::iter([Ok(result)]).boxed())));
        }
        Ok(Response::new(self.puts.take(&metadata, first, messages, call)?))
    }

    async fn do_action(&self, request: Request<Action>) -> std::result::Result<Response<Self::DoActionStream>, Status> {
        let mut call = Call::new("DoAction", &request);
        call.table = request.get_ref().r#type.chars().take(80).collect();
        let result = match self.sql.action(request.metadata(), request.get_ref()).await {
            Some(results) => results,
            None => async { self.act(&caller(request.metadata())?, request.get_ref()).await }.await,
        };
        call.end(result.map(|results| Response::new(stream::iter(results.into_iter().map(Ok)).boxed())))
    }

    async fn list_actions(
        &self,
        _request: Request<Empty>,
    ) -> std::result::Result<Response<Self::ListActionsStream>, Status> {
        let offered = actions::types().into_iter().chain(sql::actions());
        Ok(Response::new(stream::iter(offered.map(Ok).collect::<Vec<_>>()).boxed()))
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> std::result::Result<Response<Self::DoExchangeStream>, Status> {
        Err(not_offered("DoExchange", "use DoGet"))
    }
}

/// The tables of all pages, beginning with this one.
fn pages(catalog: Catalog, caller: Caller, first: Page) -> impl Stream<Item = Result<Listed>> {
    let next = move |(page, after): (Option<Page>, Option<String>)| {
        let (catalog, caller) = (catalog.clone(), caller.clone());
        async move {
            let page = match (page, after) {
                (Some(page), _) => page,
                (None, Some(after)) => catalog.page(&caller, Some(&after)).await?,
                (None, None) => return Ok(None),
            };
            Ok::<_, Error>(Some((stream::iter(page.tables.into_iter().map(Ok::<_, Error>)), (None, page.next))))
        }
    };
    stream::try_unfold((Some(first), None), next).try_flatten()
}

fn not_offered(method: &str, instead: &str) -> Status {
    Status::unimplemented(format!("{method} is not offered by this version: {instead}."))
}
