//! One call as the log tells it: who reads and sends what is audited here.

use std::time::Instant;

use arrow_flight::sql::Command;
use serde_json::json;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::error::{Error, Result};
use crate::logging;
use crate::metrics::{Ended, METRICS, Method};

/// One call, for the log: who reads and sends what is audited here.
pub struct Call {
    method: &'static str,
    pub table: String,
    pub workspace: String,
    peer: Option<String>,
    trace_id: serde_json::Value,
    request_id: Option<String>,
    started: Instant,
}

impl Call {
    pub fn new<T>(method: &'static str, request: &Request<T>) -> Self {
        let metadata = request.metadata();
        let traceparent = text_of(metadata, "traceparent");
        Self {
            method,
            table: String::new(),
            workspace: String::new(),
            peer: request.remote_addr().map(|address| address.ip().to_string()),
            trace_id: logging::trace_id(traceparent.as_deref()),
            request_id: text_of(metadata, "x-request-id"),
            started: Instant::now(),
        }
    }

    /// The command of Flight SQL that it carries, noted.
    pub fn names(&mut self, command: Result<Command>) -> Result<Command> {
        command.inspect(|command| command.type_url().rsplit('.').next().unwrap_or_default().clone_into(&mut self.table))
    }

    /// Log the end of the call, and turn its error into a status.
    pub fn end<T>(self, result: Result<T>) -> std::result::Result<T, Status> {
        self.log(result.as_ref().err(), None);
        result.map_err(Status::from)
    }

    pub fn log(&self, error: Option<&Error>, sent: Option<u64>) {
        let level = match error {
            None => log::Level::Info,
            Some(Error::Internal(_) | Error::Corrupt(_) | Error::Unavailable(_)) => log::Level::Error,
            Some(_) => log::Level::Warn,
        };
        let (method, code) = (self.method, error.map_or_else(|| "Ok".into(), |error| format!("{:?}", error.code())));
        let seconds = self.started.elapsed().as_secs_f64();
        METRICS.seconds.get_or_create(&Method { method }).observe(seconds);
        METRICS.calls.get_or_create(&Ended { method, code: code.clone() }).inc();
        let workspace = (!self.workspace.is_empty()).then_some(&self.workspace);
        let fields = json!({"method": self.method, "table": self.table, "workspace_id": workspace, "peer": self.peer, "request_id": self.request_id, "trace_id": self.trace_id,
            "seconds": seconds, "sent_bytes": sent,
            "code": error.map(|_| code), "error": error.map(ToString::to_string)});
        logging::event(level, "flight_call", &fields);
    }
}

/// A header's text.
pub fn text_of(metadata: &MetadataMap, name: &str) -> Option<String> {
    metadata.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
