//! `DoAction`: what else can be done with tables. `ListActions` says what there is.

use std::time::SystemTime;

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightEndpoint, FlightInfo,
    RenewFlightEndpointRequest, Result as ActionResult,
};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};

use crate::catalog::{Answer, Caller, Catalog, not_found, path_of};
use crate::error::{Error, Result};
use crate::info;
use crate::service::{Flight, table_of};
use crate::ticket::Kind;

const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
const RENEW_FLIGHT_ENDPOINT: &str = "RenewFlightEndpoint";
const DOWNLOAD_URLS: &str = "DownloadUrls";
const CANCEL_JOB: &str = "CancelJob";

/// What there is, for `ListActions`.
pub fn types() -> Vec<ActionType> {
    [
        (CANCEL_FLIGHT_INFO, "Cancel the job of a FlightInfo, as PollFlightInfo gave it. Body: CancelFlightInfoRequest."),
        (RENEW_FLIGHT_ENDPOINT, "A fresh ticket for an endpoint whose ticket expires. Body: RenewFlightEndpointRequest."),
        (
            DOWNLOAD_URLS,
            "Presigned downloads of a table's files. Body: 'jobs/<id>' or 'datasets/<id>'. One JSON object a file: name, \
             format, sizeBytes, rows, url, expiresAt.",
        ),
        (CANCEL_JOB, "Cancel a job. Body: 'jobs/<id>'. One JSON object: status."),
    ]
    .into_iter()
    .map(|(name, description)| ActionType { r#type: name.into(), description: description.into() })
    .collect()
}

impl Catalog {
    /// Ask for a job's end; its status then. `NotReady` for one that has ended.
    pub async fn cancel(&self, caller: &Caller, id: &str) -> Result<String> {
        match self.call(caller, Method::POST, &path_of(Kind::Job, id, "/cancel")?, None).await? {
            Answer::Found(value) => Ok(value["status"].as_str().unwrap_or_default().to_owned()),
            Answer::Missing => Err(not_found(Kind::Job, id)),
        }
    }

    async fn urls(&self, caller: &Caller, kind: Kind, id: &str) -> Result<Vec<Value>> {
        match self.call(caller, Method::GET, &path_of(kind, id, "/urls")?, None).await? {
            Answer::Found(value) => Ok(value["files"].as_array().cloned().unwrap_or_default()),
            Answer::Missing => Err(not_found(kind, id)),
        }
    }
}

impl Flight {
    /// Answer `DoAction`.
    pub(crate) async fn act(&self, caller: &Caller, action: &Action) -> Result<Vec<ActionResult>> {
        match action.r#type.as_str() {
            CANCEL_FLIGHT_INFO => {
                let request: CancelFlightInfoRequest = body(action)?;
                let status = self.cancel_info(caller, &request.info.unwrap_or_default()).await?;
                Ok(vec![result(CancelFlightInfoResult { status: status.into() }.encode_to_vec())])
            }
            RENEW_FLIGHT_ENDPOINT => {
                let request: RenewFlightEndpointRequest = body(action)?;
                let endpoint = self.renew(caller, request.endpoint.unwrap_or_default()).await?;
                Ok(vec![result(endpoint.encode_to_vec())])
            }
            DOWNLOAD_URLS => {
                let (kind, id) = named(action)?;
                let files = self.catalog.urls(caller, kind, &id).await?;
                Ok(files.iter().map(|file| result(file.to_string().into_bytes())).collect())
            }
            CANCEL_JOB => {
                let (kind, id) = named(action)?;
                if kind != Kind::Job {
                    return Err(Error::InvalidArgument("Only jobs can be cancelled: use 'jobs/<id>'.".into()));
                }
                let status = self.catalog.cancel(caller, &id).await?;
                Ok(vec![result(json!({"status": status}).to_string().into_bytes())])
            }
            other => {
                let name: String = other.chars().take(80).collect();
                Err(Error::Unimplemented(format!(
                    "The action '{name}' is not offered by this version; ListActions says what is."
                )))
            }
        }
    }

    /// Cancel the job that an info is of. Results and data sets are there already: nothing of them can be cancelled.
    async fn cancel_info(&self, caller: &Caller, info: &FlightInfo) -> Result<CancelStatus> {
        let (kind, id) = match (&info.flight_descriptor, info.endpoint.first().and_then(|e| e.ticket.as_ref())) {
            (Some(descriptor), _) => {
                let mut plain = descriptor.clone();
                plain.path.truncate(2);
                let (kind, id) = table_of(&plain)?;
                (kind, id.to_owned())
            }
            (None, Some(ticket)) => {
                let claims = self.verifier.renewable(&ticket.ticket)?.claims;
                (claims.kind, claims.id)
            }
            (None, None) => {
                return Err(Error::InvalidArgument(
                    "The info names no table: send the FlightInfo that PollFlightInfo or GetFlightInfo gave.".into(),
                ));
            }
        };
        if kind == Kind::Dataset {
            self.catalog.progress(caller, kind, &id).await?;
            return Ok(CancelStatus::NotCancellable);
        }
        match self.catalog.cancel(caller, &id).await {
            Ok(status) if status == "CANCELLED" => Ok(CancelStatus::Cancelled),
            Ok(_) => Ok(CancelStatus::Cancelling),
            Err(Error::NotReady(_)) => Ok(CancelStatus::NotCancellable),
            Err(error) => Err(error),
        }
    }

    /// The same part of the same table, with a ticket signed now.
    async fn renew(&self, caller: &Caller, endpoint: FlightEndpoint) -> Result<FlightEndpoint> {
        let old = endpoint.ticket.as_ref().map(|ticket| ticket.ticket.clone()).unwrap_or_default();
        let old = self.verifier.renewable(&old)?;
        // The caller's own right decides; the old ticket says only which part of which table.
        let resolved = self.catalog.resolve(caller, old.claims.kind, &old.claims.id).await?;
        let new = self.verifier.verify(resolved.ticket.as_bytes(), SystemTime::now())?;
        if new.claims.files != old.claims.files {
            return Err(Error::NotReady("The table has other files by now: call GetFlightInfo again.".into()));
        }
        let ticket = format!("{}{}", resolved.ticket, old.narrowing.suffix());
        Ok(FlightEndpoint { app_metadata: endpoint.app_metadata, ..info::endpoint(ticket, Some(new.claims.exp)) })
    }
}

fn result(body: Vec<u8>) -> ActionResult {
    ActionResult { body: body.into() }
}

fn body<M: Message + Default>(action: &Action) -> Result<M> {
    M::decode(action.body.clone()).map_err(|_| {
        Error::InvalidArgument(format!("The body of {} is not the message that the protocol names.", action.r#type))
    })
}

/// The table that a body names: `jobs/<id>` or `datasets/<id>`.
fn named(action: &Action) -> Result<(Kind, String)> {
    std::str::from_utf8(&action.body)
        .ok()
        .and_then(|text| text.trim().split_once('/'))
        .and_then(|(kind, id)| Some((Kind::from_plural(kind)?, id.to_owned())))
        .ok_or_else(|| {
            Error::InvalidArgument(format!("The body of {} must be 'jobs/<id>' or 'datasets/<id>'.", action.r#type))
        })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn bodies_name_tables() {
        let action = |body: &'static [u8]| Action { r#type: CANCEL_JOB.into(), body: Bytes::from_static(body) };
        assert_eq!(named(&action(b"jobs/abc\n")).unwrap(), (Kind::Job, "abc".into()));
        assert_eq!(named(&action(b"datasets/a/b")).unwrap(), (Kind::Dataset, "a/b".into()));
        for bad in [&b""[..], b"abc", b"tables/x", b"\xff\xfe/"] {
            assert!(named(&action(bad)).unwrap_err().to_string().contains("jobs/<id>"));
        }
    }

    #[test]
    fn all_actions_are_listed_once() {
        let mut names: Vec<String> = types().into_iter().map(|action| action.r#type).collect();
        names.sort();
        assert_eq!(names, [CANCEL_FLIGHT_INFO, CANCEL_JOB, DOWNLOAD_URLS, RENEW_FLIGHT_ENDPOINT]);
    }
}
