//! Handles of statements hold the statement itself, so that none is lost with a restart and any server can go on.
//!
//! They are not signed: what a statement may read is decided anew by the bearer token of the call that brings it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::params;
use crate::error::{Error, Result};
use crate::ticket::Kind;

/// The version of the shape below.
const VERSION: u32 = 1;

/// A statement, and what has been found out about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handle {
    v: u32,
    /// The SQL text.
    pub sql: String,
    /// Bound parameters: an Arrow IPC stream, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<String>,
    /// The tables that its names stood for when its schema was told: newer ones of the same name change nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
}

/// What a name in a statement stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    /// The name as written.
    pub name: String,
    /// The workspace's id; the caller's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// `jobs` or `datasets`.
    pub schema: String,
    /// The table's id.
    pub id: String,
}

impl Pin {
    /// What kind of table it is.
    pub fn kind(&self) -> Result<Kind> {
        Kind::from_plural(&self.schema).ok_or_else(broken)
    }
}

impl Handle {
    /// A statement as the client sent it.
    pub fn new(sql: String) -> Self {
        Self { v: VERSION, sql, params: None, pins: Vec::new() }
    }

    /// The handle in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The opposite.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let handle: Self = serde_json::from_slice(bytes).map_err(|_| broken())?;
        if handle.v == VERSION { Ok(handle) } else { Err(broken()) }
    }

    /// The same with parameters, an Arrow IPC stream of a row for each time that it shall run.
    #[must_use]
    pub fn bound(mut self, rows: &[u8]) -> Self {
        self.params = Some(STANDARD_NO_PAD.encode(rows));
        self
    }

    /// The bound parameters, in order, of each time that it shall run: once without any if none were bound.
    pub fn values(&self) -> Result<Vec<Vec<datafusion::scalar::ScalarValue>>> {
        match &self.params {
            None => Ok(vec![Vec::new()]),
            Some(text) => params::decode(&STANDARD_NO_PAD.decode(text).map_err(|_| broken())?),
        }
    }
}

fn broken() -> Error {
    Error::InvalidArgument(
        "The statement's handle is damaged, or of another version: execute the statement again.".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_survives_the_journey() {
        let mut handle = Handle::new("SELECT 1".into());
        handle.pins.push(Pin { name: "a".into(), workspace: None, schema: "jobs".into(), id: "x".into() });
        assert_eq!(Handle::parse(&handle.to_bytes()).unwrap(), handle);
        assert_eq!(handle.pins[0].kind().unwrap(), Kind::Job);
        assert_eq!(handle.values().unwrap(), [vec![]]);
    }

    #[test]
    fn what_is_no_handle_is_told_so() {
        let other = String::from_utf8(Handle::new("x".into()).to_bytes()).unwrap().replace("\"v\":1", "\"v\":2");
        for bytes in [&b""[..], b"{}", b"\xff", other.as_bytes(), br#"{"v":1,"sql":"x","more":1}"#] {
            assert!(Handle::parse(bytes).unwrap_err().to_string().contains("execute the statement again"));
        }
    }
}
