//! `PollFlightInfo`: how far a job is, and its table when it is there.
//!
//! The descriptor to poll with next carries what the client has seen (`["jobs", id, "<sequence>"]`), so that the next call waits
//! for news instead of asking again and again.

use std::time::{Duration, Instant};

use arrow_flight::{FlightDescriptor, FlightInfo, PollInfo};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::catalog::{Answer, Caller, Catalog, not_found, parse, path_of};
use crate::error::{Error, Result};
use crate::service::{Flight, table_of};
use crate::ticket::Kind;

/// Between two looks at a job.
const PAUSE: Duration = Duration::from_millis(300);

/// How far a table is.
#[derive(Debug, Clone, Deserialize)]
pub struct Progress {
    /// The job's or data set's status.
    pub status: String,
    /// Whether the table is there.
    pub done: bool,
    /// Share of the work that is done, 0 to 1, if known.
    pub fraction: Option<f64>,
    /// Grows with each change.
    pub sequence: i64,
}

impl Catalog {
    /// How far a table is; an error when it will never be there.
    pub async fn progress(&self, caller: &Caller, kind: Kind, id: &str) -> Result<Progress> {
        let path = path_of(kind, id, "/progress")?;
        match self.call(caller, reqwest::Method::GET, &path, None).await? {
            Answer::Found(value) => parse(value),
            Answer::Missing => Err(not_found(kind, id)),
        }
    }
}

/// What a descriptor asks for: the table's own descriptor, and what the client has seen of it.
fn asked(descriptor: &FlightDescriptor) -> Result<(FlightDescriptor, Option<i64>)> {
    let mut plain = descriptor.clone();
    let seen = if plain.path.len() == 3 { plain.path.pop() } else { None };
    let seen = seen
        .map(|text| {
            text.parse().map_err(|_| {
                Error::InvalidArgument(format!(
                    "'{text}' is no place to go on from: poll with the descriptor of the last answer as it is."
                ))
            })
        })
        .transpose()?;
    Ok((plain, seen))
}

impl Flight {
    /// Answer `PollFlightInfo`, at the latest after `poll_seconds`.
    pub(crate) async fn poll(&self, caller: &Caller, descriptor: &FlightDescriptor) -> Result<PollInfo> {
        let (plain, seen) = asked(descriptor)?;
        let (kind, id) = table_of(&plain)?;
        let until = Instant::now() + Duration::from_secs(self.limits.poll_seconds);
        loop {
            let progress = self.catalog.progress(caller, kind, id).await?;
            if progress.done {
                return Ok(ready(self.info(caller, kind, id, None).await?));
            }
            if seen != Some(progress.sequence) || Instant::now() >= until {
                return Ok(running(plain, &progress));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// There is nothing to wait for.
pub(crate) fn ready(info: FlightInfo) -> PollInfo {
    let expiration_time = info.endpoint.first().and_then(|endpoint| endpoint.expiration_time);
    PollInfo { info: Some(info), flight_descriptor: None, progress: Some(1.0), expiration_time }
}

/// Nothing to pull yet: no endpoints, totals unknown, and where to go on.
fn running(descriptor: FlightDescriptor, progress: &Progress) -> PollInfo {
    let mut next = descriptor.clone();
    next.path.push(progress.sequence.to_string());
    let info = FlightInfo {
        flight_descriptor: Some(descriptor),
        total_records: -1,
        total_bytes: -1,
        ordered: true,
        app_metadata: Bytes::from(json!({"status": progress.status}).to_string()),
        ..FlightInfo::default()
    };
    PollInfo { info: Some(info), flight_descriptor: Some(next), progress: progress.fraction, expiration_time: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_descriptor_goes_on_from_what_was_seen() {
        let plain = FlightDescriptor::new_path(vec!["jobs".into(), "x".into()]);
        assert_eq!(asked(&plain).unwrap(), (plain.clone(), None));
        let progress = Progress { status: "RUNNING".into(), done: false, fraction: Some(0.5), sequence: 7 };
        let answer = running(plain.clone(), &progress);
        assert_eq!(answer.progress, Some(0.5));
        assert_eq!(asked(&answer.flight_descriptor.unwrap()).unwrap(), (plain, Some(7)));
        let odd = FlightDescriptor::new_path(vec!["jobs".into(), "x".into(), "y".into()]);
        assert!(matches!(asked(&odd), Err(Error::InvalidArgument(_))));
    }
}
