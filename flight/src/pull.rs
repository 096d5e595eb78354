//! Pull mode: `GetFlightInfo` with the command `{"spec": …, "inputs": …}`, then one `DoGet`, run a pipeline whose rows go to
//! the client and nowhere else.
//!
//! The API checks the order as `runJob` does, and signs what may be run; it is asked again when the ticket is used, which
//! it writes down as a read, once. The engine runs on the threads and within the limits of SQL statements: a client
//! that does not read stops it, one that has left ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::datatypes::SchemaRef;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo};
use bytes::Bytes;
use karyaksham_engine::pull::Pull;
use karyaksham_engine::request::{InputRequest, RunRequest};
use karyaksham_engine::store::Stores;
use object_store::ObjectStore;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;

use crate::catalog::{Answer, Caller, Catalog, parse};
use crate::config::SqlLimits;
use crate::error::{Error, Result};
use crate::info;
use crate::sql::errors;
use crate::sql::run::{Runner, send, within};
use crate::stream::{Encoder, Messages, Streams};
use crate::ticket::{Opened, Verifier};

/// What a ticket of a pull allows: to run this specification on these inputs, once, until `exp`.
#[derive(Debug, Clone, Deserialize)]
pub struct PullClaims {
    /// Its id, by which it is used once.
    pub id: String,
    /// The workspace that all objects belong to.
    pub workspace: String,
    /// The specification.
    pub spec: Value,
    /// The inputs.
    pub inputs: Vec<PullInput>,
    /// Unix seconds after which the ticket is void.
    pub exp: u64,
}

/// One input of a pull: an object, and what the inspection found of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullInput {
    /// Its name in the specification.
    pub name: String,
    /// Its key in the bucket.
    pub key: String,
    /// The data set's id, for the API.
    pub dataset_id: String,
    /// What the engine takes beside the address.
    #[serde(flatten)]
    pub known: Map<String, Value>,
}

#[derive(Deserialize)]
struct Signed {
    ticket: String,
}

/// Runs pipelines for clients. Cloning shares everything.
#[derive(Clone)]
pub struct Pulls {
    catalog: Catalog,
    verifier: Arc<Verifier>,
    runner: Runner,
    bucket: url::Url,
    store: Arc<dyn ObjectStore>,
    limits: SqlLimits,
    batch_bytes: usize,
}

/// The command of a descriptor, if it is a JSON object: a pipeline to run.
pub fn command(descriptor: &FlightDescriptor) -> Option<&Bytes> {
    let is_object = |bytes: &Bytes| bytes.trim_ascii_start().first() == Some(&b'{');
    (descriptor.r#type() == DescriptorType::Cmd).then_some(&descriptor.cmd).filter(|bytes| is_object(bytes))
}

impl Pulls {
    /// Pipelines over this storage, on these threads.
    pub fn new(
        catalog: Catalog,
        verifier: Arc<Verifier>,
        streams: &Streams,
        runner: Runner,
        limits: &SqlLimits,
        batch_bytes: usize,
    ) -> Self {
        let (bucket, store) = streams.storage();
        Self { catalog, verifier, runner, bucket, store, limits: limits.clone(), batch_bytes }
    }

    /// The columns of a pipeline's result, and a ticket that runs it once.
    pub async fn info(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        descriptor: &FlightDescriptor,
        command: &[u8],
    ) -> Result<FlightInfo> {
        let order: Value = serde_json::from_slice(command)
            .map_err(|error| Error::InvalidArgument(format!("The command is no JSON: {error}.")))?;
        let workspace = metadata.get("x-workspace").and_then(|value| value.to_str().ok());
        let catalog = self.catalog.of_workspace(workspace);
        let signed: Signed = match catalog.call(caller, Method::POST, "/internal/flight/pulls", Some(&order)).await? {
            Answer::Found(value) => parse(value)?,
            Answer::Missing => {
                return Err(Error::NotFound(
                    "A data set or the pipeline of the command does not exist, or is not in a workspace of yours."
                        .into(),
                ));
            }
        };
        let claims = match self.verifier.verify_any(signed.ticket.as_bytes(), SystemTime::now())? {
            Opened::Pull(claims) => claims,
            Opened::Table(_) => return Err(Error::Internal("The API gave a ticket of another kind.".into())),
        };
        let expires = claims.exp;
        let schema = self.schema(claims).await?;
        info::uncounted(&schema, descriptor, info::endpoint(signed.ticket, Some(expires)))
    }

    async fn schema(&self, claims: PullClaims) -> Result<SchemaRef> {
        let (request, stores) = self.request(claims)?;
        let plan = async move {
            let pull = Pull::open(request, stores).await.map_err(|error| errors::engine(&error))?;
            pull.schema().await.map_err(|error| errors::engine(&error))
        };
        self.runner.plan(Box::pin(plan)).await
    }

    /// Run the pipeline of a ticket, which is used up by that.
    pub async fn get(&self, claims: PullClaims, ticket: &[u8]) -> Result<Messages> {
        // First: a server that has no turn uses no ticket up.
        let turn = self.runner.turn().await?;
        self.redeem(ticket).await?;
        let (request, stores) = self.request(claims)?;
        let (limits, batch_bytes) = (self.limits.clone(), self.batch_bytes);
        Ok(self.runner.stream(turn, move |sender| {
            Box::pin(async move { pump(request, stores, &sender, &limits, batch_bytes).await })
        }))
    }

    async fn redeem(&self, ticket: &[u8]) -> Result<()> {
        let body = json!({"ticket": String::from_utf8_lossy(ticket)});
        match self.catalog.anonymous(Method::POST, "/internal/flight/pulls/redeem", &body).await? {
            Answer::Found(_) => Ok(()),
            Answer::Missing => Err(Error::Internal("The API takes no tickets: it is of another version.".into())),
        }
    }

    /// What the engine is asked for.
    fn request(&self, claims: PullClaims) -> Result<(RunRequest, Stores)> {
        let stores = Stores::of_bucket(self.bucket.host_str().unwrap_or_default(), &self.store);
        let inputs: Result<BTreeMap<String, InputRequest>> =
            claims.inputs.into_iter().map(|input| Ok((input.name.clone(), self.input(input)?))).collect();
        let request = RunRequest {
            spec: claims.spec,
            inputs: inputs?,
            output: None,
            storage: None,
            memory_limit_bytes: Some(self.limits.memory_limit_bytes),
            spill_dir: self.limits.spill_dir.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
            spill_limit_bytes: Some(self.limits.spill_limit_bytes),
            threads: None,
        };
        Ok((request, stores))
    }

    fn input(&self, input: PullInput) -> Result<InputRequest> {
        let mut url = self.bucket.clone();
        // As segments, so that percent signs in names stay what they are.
        url.path_segments_mut()
            .map_err(|()| Error::Internal("The bucket's address has no path.".into()))?
            .clear()
            .extend(input.key.split('/'));
        let mut known = input.known;
        known.insert("url".into(), Value::from(url.as_str()));
        parse(Value::Object(known))
    }
}

async fn pump(
    request: RunRequest,
    stores: Stores,
    sender: &mpsc::Sender<Result<FlightData>>,
    limits: &SqlLimits,
    batch_bytes: usize,
) -> Result<()> {
    let mut left = limits.time_limit();
    let started = async { Pull::open(request, stores).await?.start().await };
    let mut rows = within(&mut left, limits, started).await?.map_err(|error| errors::engine(&error))?;
    let mut encoder = Encoder::new(rows.schema(), batch_bytes);
    send(sender, encoder.schema_message()).await?;
    let mut queue = Vec::new();
    while let Some(batch) = within(&mut left, limits, rows.next()).await?.map_err(|error| errors::engine(&error))? {
        encoder.encode(&batch, &mut queue)?;
        drop(batch);
        for message in queue.drain(..) {
            send(sender, message).await?;
        }
    }
    let counts = rows.finish().await.map_err(|error| errors::engine(&error))?;
    // No rows, but what became of them all: the end of a stream has no other place for it.
    send(sender, encoder.empty_message(json!(counts).to_string().into())?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_objects_alone_are_pipelines() {
        for (cmd, is) in [("{}", true), (" \n{\"spec\": 1", true), ("[]", false), ("", false), ("x{", false)] {
            assert_eq!(command(&FlightDescriptor::new_cmd(cmd.to_owned())).is_some(), is, "{cmd}");
        }
        assert!(command(&FlightDescriptor::new_path(vec!["{".into()])).is_none());
    }
}
