//! `DoPut` to `["datasets", name]`: a client's table becomes a data set, as Parquet in object storage.
//!
//! Batches go through the engine's encoder into a multipart upload, which takes the next one only when there is room:
//! a client faster than the storage waits. Nothing shows before all is stored and the API has made the data set; a
//! stream that breaks is aborted, which leaves neither object nor row.
//!
//! Encoding runs on a runtime of its own, so that it starves no stream.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema};
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightData, FlightDescriptor, PutResult};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use karyaksham_engine::sink::{ParallelEncoder, Resources, Target, Upload};
use karyaksham_engine::store::Location;
use karyaksham_engine::{EngineError, ErrorClass};
use karyaksham_spec::Output;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowSchemaConverter;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status, Streaming};

use crate::catalog::{Answer, Caller, Catalog, parse, path_of};
use crate::config::{Limits, StorageConfig};
use crate::error::{Error, Result};
use crate::service::{Call, caller};
use crate::ticket::Kind;

/// Rows of one message at most: a column of nulls has no bytes that would bound them.
const MOST_ROWS: usize = 1 << 26;
/// Asking the API again to make a data set whose object is stored.
const COMMITS: u32 = 4;

/// What `DoPut` answers.
pub type PutStream = BoxStream<'static, std::result::Result<PutResult, Status>>;

/// What a client sends.
pub type Messages = BoxStream<'static, std::result::Result<FlightData, FlightError>>;

/// Takes tables in. Cloning shares everything.
#[derive(Clone)]
pub struct Puts {
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
    pub fn new(storage: &StorageConfig, catalog: Catalog, limits: Limits, encoding: Handle) -> Result<Self> {
        let bucket = url::Url::parse(&format!("s3://{}/", storage.bucket))
            .map_err(|error| Error::Config(format!("S3_BUCKET '{}' is no bucket name: {error}.", storage.bucket)))?;
        let slots = Arc::new(Semaphore::new(limits.max_puts));
        Ok(Self { store: storage.open_for_writing(Handle::current())?, bucket, catalog, encoding, slots, limits })
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
        // Some clients send the descriptor alone.
        let first = (!first.data_header.is_empty()).then_some(Ok(first));
        let messages = stream::iter(first).chain(paced(messages, self.idle())).boxed();
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        // A task of its own: also when the client leaves, what was begun is aborted.
        self.encoding.spawn(async move {
            let result = this.store(&caller, &name, messages).await;
            let answer = call.end(result);
            // A client that has left does not hear it.
            let _ = tell.send(answer);
        });
        let answer = async move {
            let stored = told.await.unwrap_or_else(|_| Err(Error::Internal("The server stops.".into()).into()))?;
            let said = json!({"dataset": stored.id, "path": ["datasets", stored.id], "name": stored.name,
                "rows": stored.rows, "sizeBytes": stored.size_bytes});
            Ok::<_, Status>(PutResult { app_metadata: Bytes::from(said.to_string()) })
        };
        Ok(stream::once(answer).boxed())
    }

    /// Store the table that these messages carry as the data set `name`, and wait until it can be read.
    pub async fn store(&self, caller: &Caller, name: &str, messages: Messages) -> Result<Stored> {
        let _slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            Error::Busy(format!("The server already takes {} tables in. Try again in a moment.", self.limits.max_puts))
        })?;
        let place = self.begin(caller, name).await?;
        let location = self.location(&place)?;
        let mut upload = Target { location: location.clone(), overwrite: true }.create().map_err(cannot_store)?;
        let filled = AssertUnwindSafe(self.fill(messages, &mut upload, place.max_bytes)).catch_unwind().await;
        let rows = match filled.unwrap_or_else(|_| Err(Error::InvalidArgument(DAMAGED.into()))) {
            Ok(rows) => rows,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let size_bytes = upload.publish().await.map_err(cannot_store)?;
        if let Err(error) = self.commit(caller, &place, size_bytes).await {
            // What the API refused has no row; whether an answer was lost, nobody knows: the sweep will.
            if !matches!(error, Error::Unavailable(_) | Error::Internal(_))
                && let Err(error) = location.store.delete(&location.path).await
            {
                log::warn!("an object without a data set stays for the sweep: {error}");
            }
            return Err(error);
        }
        self.wait_ready(caller, &place.id).await?;
        Ok(Stored { id: place.id, name: place.name, rows, size_bytes })
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

    /// Encode and upload all batches; returns the rows.
    async fn fill(&self, messages: Messages, upload: &mut Upload, most_bytes: u64) -> Result<u64> {
        let mut decoder = FlightDataDecoder::new(messages);
        let mut encoder: Option<ParallelEncoder> = None;
        let (mut out, mut rows, mut written) = (Vec::new(), 0, 0);
        while let Some(decoded) = decoder.next().await {
            match decoded.map_err(broken)?.payload {
                DecodedPayload::None => {}
                DecodedPayload::Schema(schema) => {
                    if encoder.is_some() {
                        return Err(Error::InvalidArgument("The stream has two schemas: send one table only.".into()));
                    }
                    check(&schema)?;
                    let resources = Resources { memory_limit: Some(self.limits.put_memory_bytes) };
                    encoder = Some(ParallelEncoder::new(&Output::default(), &schema, resources).map_err(cannot_hold)?);
                }
                DecodedPayload::RecordBatch(batch) => {
                    let encoder = encoder.as_mut().ok_or_else(no_schema)?;
                    if batch.num_rows() > MOST_ROWS {
                        return Err(Error::InvalidArgument(format!(
                            "A batch has {} rows: send at most {MOST_ROWS} in one.",
                            batch.num_rows()
                        )));
                    }
                    rows += batch.num_rows() as u64;
                    if batch.num_rows() > 0 {
                        encoder.write(batch, &mut out).await.map_err(cannot_hold)?;
                    }
                }
            }
            written += out.len() as u64;
            fits(written, most_bytes)?;
            upload.write(&mut out).await.map_err(cannot_store)?;
        }
        let mut encoder = encoder.ok_or_else(no_schema)?;
        encoder.finish(&mut out).await.map_err(cannot_hold)?;
        fits(written + out.len() as u64, most_bytes)?;
        upload.write(&mut out).await.map_err(cannot_store)?;
        upload.finish().await.map_err(cannot_store)?;
        Ok(rows)
    }

    async fn begin(&self, caller: &Caller, name: &str) -> Result<Place> {
        let body = json!({"name": name});
        match self.catalog.call(caller, Method::POST, "/internal/flight/datasets", Some(&body)).await? {
            Answer::Found(value) => parse(value),
            Answer::Missing => Err(Error::Internal("The API takes no tables: it is of another version.".into())),
        }
    }

    async fn commit(&self, caller: &Caller, place: &Place, size_bytes: u64) -> Result<()> {
        let path = path_of(Kind::Dataset, &place.id, "")?;
        let body = json!({"name": place.name, "sizeBytes": size_bytes});
        let mut attempt = 1;
        loop {
            match self.catalog.call(caller, Method::PUT, &path, Some(&body)).await {
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
    async fn wait_ready(&self, caller: &Caller, id: &str) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(self.limits.put_ready_seconds);
        let mut pause = Duration::from_millis(50);
        while Instant::now() < until {
            match self.catalog.progress(caller, Kind::Dataset, id).await {
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

/// An error of the encoder: of the data, unless something of the server is short or broken.
fn cannot_hold(error: EngineError) -> Error {
    match error.code().class() {
        ErrorClass::Input | ErrorClass::Spec => {
            let said = error.details().message.trim_start_matches("the Parquet data cannot be read: ");
            Error::InvalidArgument(format!("The table cannot be written as Parquet: {said}"))
        }
        _ => error.into(),
    }
}

/// An error of the storage.
fn cannot_store(error: EngineError) -> Error {
    match error.code().class() {
        ErrorClass::Storage | ErrorClass::Input => {
            log::warn!("object storage: {error}");
            Error::Unavailable("The object storage did not take the table. Try again.".into())
        }
        _ => error.into(),
    }
}

fn fits(bytes: u64, most: u64) -> Result<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(Error::Busy(format!(
        "The table takes more than the {most} bytes that the workspace may still store. Delete data sets or jobs, or send \
         fewer rows."
    )))
}

/// Refuse, by column, what cannot be a data set.
fn check(schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(Error::InvalidArgument("The table has no columns: send at least one.".into()));
    }
    let mut names = HashSet::new();
    for field in schema.fields() {
        if !names.insert(field.name()) {
            return Err(Error::InvalidArgument(format!(
                "Two columns are named '{}': give each a name of its own.",
                field.name()
            )));
        }
        if let Some(kind) = unknown_to_parquet(field) {
            return Err(Error::InvalidArgument(format!(
                "The column '{}' has the type {kind}, which Parquet cannot hold: cast it before you send it.",
                field.name()
            )));
        }
        let alone = Schema::new(vec![Arc::clone(field)]);
        ArrowSchemaConverter::new().convert(&alone).map_err(|error| {
            Error::InvalidArgument(format!(
                "The column '{}' has the type {}, which Parquet cannot hold ({error}): cast it before you send it.",
                field.name(),
                field.data_type()
            ))
        })?;
    }
    Ok(())
}

/// A type in this column that Parquet has no counterpart of.
fn unknown_to_parquet(field: &Field) -> Option<DataType> {
    match field.data_type() {
        kind @ (DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Interval(IntervalUnit::MonthDayNano)) => Some(kind.clone()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => unknown_to_parquet(item),
        kind @ DataType::Struct(fields) if fields.is_empty() => Some(kind.clone()),
        DataType::Struct(fields) => fields.iter().find_map(|field| unknown_to_parquet(field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: Vec<Field>) -> String {
        check(&Schema::new(fields)).unwrap_err().to_string()
    }

    #[test]
    fn what_parquet_cannot_hold_is_refused_by_column() {
        let run_ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
        let values = Arc::new(Field::new("values", DataType::Utf8, true));
        let encoded = DataType::RunEndEncoded(run_ends, values);
        let inside = DataType::List(Arc::new(Field::new("item", encoded.clone(), true)));
        for kind in [
            encoded,
            inside,
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Struct(arrow::datatypes::Fields::empty()),
        ] {
            let said = refused(vec![Field::new("good", DataType::Int64, true), Field::new("odd", kind, true)]);
            assert!(said.contains("'odd'") && said.contains("Parquet cannot hold"), "{said}");
        }
        assert!(refused(vec![]).contains("no columns"));
        let twice = || Field::new("a", DataType::Int64, true);
        assert!(refused(vec![twice(), twice()]).contains("Two columns are named 'a'"));
        assert!(check(&Schema::new(vec![Field::new("n", DataType::Null, true)])).is_ok());
    }

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
