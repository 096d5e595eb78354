//! `DoPut` to `["datasets", name]`, and rows of Flight SQL: a client's table becomes a data set, as Parquet in object storage.
//!
//! Batches go through the engine's encoder into a multipart upload, which takes the next one only when there is room:
//! a client faster than the storage waits. Nothing shows before all is stored and the API has made the data set; a
//! stream that breaks is aborted, which leaves neither object nor row.
//!
//! Encoding runs on a runtime of its own, so that it starves no stream.

mod append;
mod check;
mod writer;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightData, FlightDescriptor, PutResult};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use karyaksham_engine::sink::{Target, Upload};
use karyaksham_engine::store::Location;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status, Streaming};

use crate::call::Call;
use crate::catalog::{Answer, Caller, Catalog, parse, path_of};
use crate::config::{Limits, StorageConfig};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::schema::to_schema;
use crate::service::caller;
use crate::stream::Streams;
use crate::ticket::{Kind, Verifier};

use append::Before;
use check::check;
use writer::{Writer, cannot_store};

/// Rows of one message at most: a column of nulls has no bytes that would bound them.
const MOST_ROWS: usize = 1 << 26;
/// Asking the API again to make a data set whose object is stored.
const COMMITS: u32 = 4;

/// What `DoPut` answers.
pub type PutStream = BoxStream<'static, std::result::Result<PutResult, Status>>;

/// What a client sends.
pub type Messages = BoxStream<'static, std::result::Result<FlightData, FlightError>>;

/// What to do when the workspace has a data set of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exists {
    /// Refuse the rows.
    Fail,
    /// A data set of its rows and the new ones takes its place.
    Append,
    /// A data set of the new rows takes its place.
    Replace,
}

/// The same, and whether there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Whether a data set is made where there is none of the name.
    pub create: bool,
    /// What happens to one that is there.
    pub exists: Exists,
}

/// A table that a client sends, and where it goes.
pub struct Put {
    /// Who sends.
    pub caller: Caller,
    /// The workspace's id; the caller's own if absent.
    pub workspace: Option<String>,
    /// The data set's name.
    pub name: String,
    /// What to do with one of this name.
    pub wish: Wish,
}

/// Takes tables in. Cloning shares everything.
#[derive(Clone)]
pub struct Puts {
    verifier: Arc<Verifier>,
    streams: Streams,
    store: Arc<dyn ObjectStore>,
    bucket: url::Url,
    catalog: Catalog,
    encoding: Handle,
    slots: Arc<Semaphore>,
    limits: Limits,
}

/// Where a table may be written, as the API says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The data set's id-to-be.
    pub id: String,
    /// Its name, as it will be shown.
    pub name: String,
    key: String,
    max_bytes: u64,
    /// The data set in whose place it comes.
    replaces: Option<String>,
    /// A ticket of that one, whose rows come first.
    before: Option<String>,
}

/// A data set that was made.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The data set's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Rows written.
    pub rows: u64,
    /// Size of the object in bytes.
    pub size_bytes: u64,
}

impl Puts {
    /// Writes to this bucket; encodes on the runtime `encoding`. Must be called on the runtime that serves.
    pub fn new(
        storage: &StorageConfig,
        catalog: Catalog,
        verifier: Arc<Verifier>,
        streams: Streams,
        encoding: Handle,
    ) -> Result<Self> {
        let limits = streams.limits().clone();
        let bucket = url::Url::parse(&format!("s3://{}/", storage.bucket))
            .map_err(|error| Error::Config(format!("S3_BUCKET '{}' is no bucket name: {error}.", storage.bucket)))?;
        let slots = Arc::new(Semaphore::new(limits.max_puts));
        let store = storage.open_for_writing(Handle::current())?;
        Ok(Self { verifier, streams, store, bucket, catalog, encoding, slots, limits })
    }

    /// The first message of a client.
    pub async fn first(&self, messages: &mut Streaming<FlightData>) -> Result<FlightData> {
        next_of(messages, self.idle()).await.ok_or_else(no_schema)?.map_err(broken)
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(self.limits.put_idle_seconds)
    }

    /// Answer `DoPut` to a data set.
    pub fn take(
        &self,
        metadata: &MetadataMap,
        first: FlightData,
        messages: Streaming<FlightData>,
        mut call: Call,
    ) -> std::result::Result<PutStream, Status> {
        let begun = caller(metadata).and_then(|caller| Ok((caller, name_of(first.flight_descriptor.as_ref())?)));
        let (caller, name) = match begun {
            Ok(begun) => begun,
            Err(error) => return call.end(Err(error)),
        };
        call.table = format!("datasets/{name}");
        let put = Put { caller, workspace: None, name, wish: Wish { create: true, exists: Exists::Fail } };
        Ok(self.begun(put, first, messages, call, |stored| {
            let said = json!({"dataset": stored.id, "path": ["datasets", stored.id], "name": stored.name,
                "rows": stored.rows, "sizeBytes": stored.size_bytes});
            PutResult { app_metadata: Bytes::from(said.to_string()) }
        }))
    }

    /// Take the messages of a put that has begun with this one; `said` is the answer when all is stored.
    pub fn begun(
        &self,
        put: Put,
        first: FlightData,
        messages: Streaming<FlightData>,
        call: Call,
        said: fn(&Stored) -> PutResult,
    ) -> PutStream {
        // Some clients send the descriptor alone.
        let first = (!first.data_header.is_empty()).then_some(Ok(first));
        let messages = stream::iter(first).chain(paced(messages, self.idle())).boxed();
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        // A task of its own: also when the client leaves, what was begun is aborted.
        self.encoding.spawn(async move {
            let result = this.store(&put, messages).await;
            if let Ok(stored) = &result {
                METRICS.stored_rows.inc_by(stored.rows);
                METRICS.stored_bytes.inc_by(stored.size_bytes);
            }
            let answer = call.end(result);
            // A client that has left does not hear it.
            let _ = tell.send(answer);
        });
        let answer = async move {
            let stored = told.await.unwrap_or_else(|_| Err(Error::Internal("The server stops.".into()).into()))?;
            Ok::<_, Status>(said(&stored))
        };
        stream::once(answer).boxed()
    }

    /// Store the table that these messages carry as a data set, and wait until it can be read.
    async fn store(&self, put: &Put, messages: Messages) -> Result<Stored> {
        let _slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Error::Busy(format!("The server already takes {} tables in. Try again in a moment.", self.limits.max_puts))
        })?;
        let place = self.begin(put).await?;
        let before = match &place.before {
            Some(ticket) => Some(Before::open(self, ticket).await?),
            None => None,
        };
        let location = self.location(&place)?;
        let mut upload =
            Target { location: location.clone(), overwrite: true, copy: None }.create().map_err(cannot_store)?;
        let filled = AssertUnwindSafe(self.fill(messages, before, &mut upload, place.max_bytes)).catch_unwind().await;
        let rows = match filled.unwrap_or_else(|_| Err(Error::InvalidArgument(DAMAGED.into()))) {
            Ok(rows) => rows,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let size_bytes = upload.publish().await.map_err(cannot_store)?;
        if let Err(error) = self.commit(put, &place, size_bytes).await {
            // What the API refused has no row; whether an answer was lost, nobody knows: the sweep will.
            if !matches!(error, Error::Unavailable(_) | Error::Internal(_))
                && let Err(error) = location.store.delete(&location.path).await
            {
                log::warn!("an object without a data set stays for the sweep: {error}");
            }
            return Err(error);
        }
        self.wait_ready(put, &place.id).await?;
        Ok(Stored { id: place.id, name: place.name, rows, size_bytes })
    }

    fn api(&self, put: &Put) -> Catalog {
        self.catalog.of_workspace(put.workspace.as_deref())
    }

    fn location(&self, place: &Place) -> Result<Location> {
        let path = Path::parse(&place.key)
            .ok()
            .filter(|path| path.as_ref().starts_with("w/") && path.as_ref() == place.key)
            .ok_or_else(|| {
                log::error!("the API gave an unusable key: {}", place.key);
                Error::Internal("The API gave an unusable place for the table. Tell the administrator.".into())
            })?;
        let mut url = self.bucket.clone();
        url.set_path(path.as_ref());
        Ok(Location { store: Arc::clone(&self.store), path, url, file: None, version: None })
    }

    /// Encode and upload all batches, behind those of `before`; returns the rows that the client sent.
    async fn fill(
        &self,
        messages: Messages,
        mut before: Option<Before>,
        upload: &mut Upload,
        most_bytes: u64,
    ) -> Result<u64> {
        let mut decoder = FlightDataDecoder::new(messages);
        let mut writer: Option<Writer> = None;
        let mut rows = 0;
        while let Some(decoded) = decoder.next().await {
            match decoded.map_err(broken)?.payload {
                DecodedPayload::None => {}
                DecodedPayload::Schema(schema) => {
                    if writer.is_some() {
                        return Err(Error::InvalidArgument("The stream has two schemas: send one table only.".into()));
                    }
                    check(&schema)?;
                    let (target, order) = match &before {
                        Some(before) => append::target(&before.schema, &schema)?,
                        None => (schema, None),
                    };
                    let mut begun = Writer::new(target, order, self.limits.put_memory_bytes, most_bytes)?;
                    if let Some(before) = before.take() {
                        before.copy(&mut begun, upload).await?;
                    }
                    writer = Some(begun);
                }
                DecodedPayload::RecordBatch(batch) => {
                    let writer = writer.as_mut().ok_or_else(no_schema)?;
                    if batch.num_rows() > MOST_ROWS {
                        return Err(Error::InvalidArgument(format!(
                            "A batch has {} rows: send at most {MOST_ROWS} in one.",
                            batch.num_rows()
                        )));
                    }
                    rows += batch.num_rows() as u64;
                    let batch = match &writer.order {
                        Some(order) => to_schema(&batch.project(order)?, &writer.target)?,
                        None => batch,
                    };
                    writer.write(batch, upload).await?;
                }
            }
        }
        writer.ok_or_else(no_schema)?.finish(upload).await?;
        Ok(rows)
    }

    async fn begin(&self, put: &Put) -> Result<Place> {
        let exists = match put.wish.exists {
            Exists::Fail => "fail",
            Exists::Append => "append",
            Exists::Replace => "replace",
        };
        let body = json!({"name": put.name, "ifExists": exists, "create": put.wish.create});
        match self.api(put).call(&put.caller, Method::POST, "/internal/flight/datasets", Some(&body)).await? {
            Answer::Found(value) => parse(value),
            Answer::Missing => Err(Error::NotFound(format!(
                "There is no data set named '{}' to add rows to, or no such workspace of yours. Create it first.",
                put.name.chars().take(80).collect::<String>()
            ))),
        }
    }

    async fn commit(&self, put: &Put, place: &Place, size_bytes: u64) -> Result<()> {
        let path = path_of(Kind::Dataset, &place.id, "")?;
        let body = json!({"name": place.name, "sizeBytes": size_bytes, "replaces": place.replaces});
        let mut attempt = 1;
        loop {
            match self.api(put).call(&put.caller, Method::PUT, &path, Some(&body)).await {
                Ok(Answer::Found(_)) => return Ok(()),
                Ok(Answer::Missing) => {
                    return Err(Error::Internal("The API takes no tables: it is of another version.".into()));
                }
                Err(Error::Unavailable(_)) if attempt < COMMITS => {
                    tokio::time::sleep(Duration::from_secs(u64::from(attempt))).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Wait until the data set is inspected, for a time; its inspection goes on without us.
    async fn wait_ready(&self, put: &Put, id: &str) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(self.limits.put_ready_seconds);
        let mut pause = Duration::from_millis(50);
        while Instant::now() < until {
            match self.api(put).progress(&put.caller, Kind::Dataset, id).await {
                Ok(progress) if progress.done => return Ok(()),
                Ok(_) | Err(Error::Unavailable(_) | Error::Busy(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok(())
    }
}

const DAMAGED: &str = "The stream cannot be decoded: it is damaged.";

/// The messages of a client, without those that carry no data; a pause of `idle` ends them.
fn paced(messages: Streaming<FlightData>, idle: Duration) -> Messages {
    let next = move |mut messages: Streaming<FlightData>| async move {
        next_of(&mut messages, idle).await.map(|message| (message, messages))
    };
    stream::unfold(messages, next).boxed()
}

/// The next of them.
async fn next_of(
    messages: &mut Streaming<FlightData>,
    idle: Duration,
) -> Option<std::result::Result<FlightData, FlightError>> {
    loop {
        let message = match tokio::time::timeout(idle, messages.message()).await {
            Ok(Ok(message)) => Ok(message?),
            Ok(Err(status)) => Err(FlightError::from(status)),
            Err(_) => Err(FlightError::from(Status::deadline_exceeded(format!(
                "No message came for {} seconds: the table is given up.",
                idle.as_secs()
            )))),
        };
        if !message.as_ref().is_ok_and(|m| m.data_header.is_empty() && m.flight_descriptor.is_none()) {
            return Some(message);
        }
    }
}

/// The name that a descriptor gives.
fn name_of(descriptor: Option<&FlightDescriptor>) -> Result<String> {
    let wanted = "DoPut takes the path [\"datasets\", <name>] (pyarrow: FlightDescriptor.for_path(\"datasets\", name))";
    let descriptor = descriptor.ok_or_else(|| Error::InvalidArgument(format!("There is no descriptor: {wanted}.")))?;
    match (descriptor.r#type(), descriptor.path.as_slice()) {
        (DescriptorType::Path, [kind, name]) if kind == Kind::Dataset.plural() => Ok(name.clone()),
        (DescriptorType::Path, path) => {
            Err(Error::InvalidArgument(format!("The path {path:?} is no place for a table: {wanted}.")))
        }
        (DescriptorType::Cmd, _) => Err(Error::Unimplemented(format!("This command is not offered: {wanted}."))),
        (DescriptorType::Unknown, _) => Err(Error::InvalidArgument(format!("The descriptor has no type: {wanted}."))),
    }
}

fn no_schema() -> Error {
    Error::InvalidArgument("The stream ended before its schema: nothing was stored.".into())
}

/// Why a client's stream cannot be read on.
fn broken(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => match status.code() {
            Code::OutOfRange => Error::InvalidArgument(format!(
                "A message is too large ({}): send smaller batches (pyarrow: write_table(table, max_chunksize=10_000)).",
                status.message()
            )),
            Code::DeadlineExceeded => Error::Busy(status.message().to_owned()),
            Code::InvalidArgument | Code::Internal => {
                log::warn!("a client's stream broke: {status}");
                Error::Gone
            }
            _ => Error::Gone,
        },
        FlightError::Arrow(error) => Error::InvalidArgument(format!("The stream cannot be decoded: {error}")),
        other => Error::InvalidArgument(format!("The stream cannot be decoded: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_of_a_data_set_is_a_place() {
        let path = |parts: &[&str]| FlightDescriptor::new_path(parts.iter().map(|&part| part.to_owned()).collect());
        assert_eq!(name_of(Some(&path(&["datasets", "orders"]))).unwrap(), "orders");
        for wrong in [path(&["jobs", "x"]), path(&["datasets"]), path(&["datasets", "a", "b"]), path(&[])] {
            assert!(matches!(name_of(Some(&wrong)), Err(Error::InvalidArgument(_))), "{wrong:?}");
        }
        assert!(matches!(name_of(Some(&FlightDescriptor::new_cmd("x"))), Err(Error::Unimplemented(_))));
        assert!(name_of(None).unwrap_err().to_string().contains("for_path"));
    }

    #[test]
    fn a_message_that_is_too_large_says_what_to_do() {
        let error = broken(FlightError::from(Status::out_of_range("found 20 bytes, the limit is: 10 bytes")));
        assert!(error.to_string().contains("max_chunksize"), "{error}");
        assert_eq!(broken(FlightError::from(Status::cancelled("reset"))), Error::Gone);
    }
}
