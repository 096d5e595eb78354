//! Tickets: claims signed by the API, verified here without a database.
//!
//! `base64url(JSON)` `.` `base64url(Ed25519 signature over the ASCII of the first part)`, both unpadded, as
//! `graph/core/tickets.py` writes them. An endpoint's ticket is a signed one plus a suffix that only narrows it:
//! `;file=0;rowGroups=0-3` (both ends included). Narrowing needs no key, because it can only take away.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use karyaksham_engine::types::ColumnSchema;
use serde::Deserialize;

use crate::config::Jwks;
use crate::error::{Error, Result};
use crate::pull::PullClaims;

/// The version of the ticket format that this server reads.
const VERSION: u32 = 1;

/// What a ticket allows: these files of this object of this workspace, until `exp`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Claims {
    /// Format version.
    pub v: u32,
    /// Id of the key that signed.
    pub kid: String,
    /// A job's result or a data set.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// The workspace that all files belong to.
    pub workspace: String,
    /// How the files are written.
    pub format: Format,
    /// The objects, in order.
    pub files: Vec<File>,
    /// Declared columns: the truth for text formats; Parquet and Arrow carry their own.
    pub schema: Option<Vec<ColumnSchema>>,
    /// How the text is written (delimiter, quote, …); the engine's own shape.
    pub dialect: Option<serde_json::Value>,
    /// Rows of all files, if counted.
    pub rows: Option<u64>,
    /// Unix seconds after which the ticket is void.
    pub exp: u64,
}

/// What a table comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A finished job's result.
    Job,
    /// An uploaded or published data set.
    Dataset,
}

impl Kind {
    /// The first part of a path descriptor and of the API's internal path.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::Dataset => "datasets",
        }
    }

    /// The opposite of [`Kind::plural`].
    pub fn from_plural(text: &str) -> Option<Self> {
        [Self::Job, Self::Dataset].into_iter().find(|kind| kind.plural() == text)
    }
}

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names say it
pub enum Format {
    Parquet,
    Csv,
    Ndjson,
    Arrow,
    Lines,
}

/// One object that the ticket opens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its key in the bucket.
    pub key: String,
    /// Its size as stored, in bytes.
    pub size_bytes: u64,
    /// Its rows, if counted.
    pub rows: Option<u64>,
}

/// The part of the ticket's files that one endpoint stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Only this file.
    pub file: Option<usize>,
    /// Only these row groups of it.
    pub row_groups: Option<RangeInclusive<usize>>,
}

impl Narrowing {
    /// The suffix that a client gets in an endpoint's ticket.
    pub fn suffix(&self) -> String {
        let mut text = String::new();
        if let Some(file) = self.file {
            let _ = write!(text, ";file={file}");
        }
        if let Some(groups) = &self.row_groups {
            let _ = write!(text, ";rowGroups={}-{}", groups.start(), groups.end());
        }
        text
    }

    fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::InvalidArgument(format!(
                "The ticket's suffix ';{text}' is not understood. It may be ';file=0' or ';file=0;rowGroups=0-3'; \
                 use the endpoints' tickets as they are."
            ))
        };
        let mut narrowing = Self::default();
        for part in text.split(';') {
            match part.split_once('=') {
                Some(("file", number)) if narrowing.file.is_none() => {
                    narrowing.file = Some(number.parse().map_err(|_| bad())?);
                }
                Some(("rowGroups", range)) if narrowing.row_groups.is_none() => {
                    let (first, last) = range.split_once('-').ok_or_else(bad)?;
                    let (first, last): (usize, usize) =
                        (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
                    if first > last {
                        return Err(bad());
                    }
                    narrowing.row_groups = Some(first..=last);
                }
                _ => return Err(bad()),
            }
        }
        if narrowing.row_groups.is_some() && narrowing.file.is_none() {
            return Err(bad());
        }
        Ok(narrowing)
    }
}

/// What a ticket may be of.
pub enum Opened {
    /// A stored table.
    Table(Ticket),
    /// A pipeline.
    Pull(PullClaims),
}

/// A verified ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// What was signed.
    pub claims: Claims,
    /// What of it is wanted.
    pub narrowing: Narrowing,
}

impl Ticket {
    /// The files that are wanted, with their places in the ticket.
    pub fn files(&self) -> impl Iterator<Item = (usize, &File)> {
        let only = self.narrowing.file;
        self.claims.files.iter().enumerate().filter(move |(index, _)| only.is_none_or(|file| file == *index))
    }
}

/// What tickets of all kinds say. Only the key's id is read of it before the signature holds.
#[derive(Deserialize)]
struct Head {
    v: u32,
    kid: String,
    kind: String,
    exp: u64,
}

/// Verifies tickets with the public keys that the settings gave.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: HashMap<String, VerifyingKey>,
    max_bytes: usize,
}

impl Verifier {
    /// Take the keys over; `Config` for a set without keys or with one that is not Ed25519.
    pub fn new(jwks: &Jwks, max_bytes: usize) -> Result<Self> {
        let mut keys = HashMap::new();
        for jwk in &jwks.keys {
            let bad = |what: &str| Error::Config(format!("The verification key '{}' {what}.", jwk.kid));
            if jwk.crv != "Ed25519" {
                return Err(bad(&format!("is of the curve '{}'; only Ed25519 is used", jwk.crv)));
            }
            let raw = URL_SAFE_NO_PAD.decode(&jwk.x).map_err(|_| bad("is not base64url without padding"))?;
            let raw: [u8; 32] = raw.try_into().map_err(|_| bad("is not 32 bytes long"))?;
            let key = VerifyingKey::from_bytes(&raw).map_err(|_| bad("is no point of the curve"))?;
            if key.is_weak() {
                return Err(bad("is weak"));
            }
            keys.insert(jwk.kid.clone(), key);
        }
        if keys.is_empty() {
            return Err(Error::Config(
                "There is no key to verify tickets with: set SIGNING_KEY or VERIFICATION_KEYS.".into(),
            ));
        }
        Ok(Self { keys, max_bytes })
    }

    /// Verify the bytes of a ticket at the time `now`.
    ///
    /// Broken, foreign and tampered tickets get one answer, so that nobody learns which part was wrong; an expired one is
    /// told so. Order: size, shape, key, signature, then what the claims say.
    pub fn verify(&self, ticket: &[u8], now: SystemTime) -> Result<Ticket> {
        table(self.open(ticket, Some(now))?)
    }

    /// As [`Self::verify`], for tickets of pipelines too.
    pub fn verify_any(&self, ticket: &[u8], now: SystemTime) -> Result<Opened> {
        self.open(ticket, Some(now))
    }

    /// As [`Self::verify`], but an expired ticket is taken too: to say which table it was of, not to read it.
    pub fn renewable(&self, ticket: &[u8]) -> Result<Ticket> {
        table(self.open(ticket, None)?)
    }

    fn open(&self, ticket: &[u8], now: Option<SystemTime>) -> Result<Opened> {
        let (payload, suffix) = self.signed(ticket)?;
        let Head { v, kind, exp, .. } = read(&payload)?;
        if v != VERSION {
            return Err(Error::InvalidArgument(format!(
                "The ticket is of version {v}, this server reads version {VERSION}. Ask for a new one."
            )));
        }
        let seconds = |now: SystemTime| now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_secs());
        if now.is_some_and(|now| exp <= seconds(now)) {
            return Err(Error::Unauthenticated(
                "The ticket has expired. Ask GraphQL (result.flight.ticket) or GetFlightInfo for a new one.".into(),
            ));
        }
        if kind == PULL {
            let claims: PullClaims = read(&payload)?;
            within(&claims.workspace, claims.inputs.iter().map(|input| input.key.as_str()), &claims.id)?;
            return if suffix.is_none() { Ok(Opened::Pull(claims)) } else { Err(broken()) };
        }
        let claims: Claims = read(&payload)?;
        within(&claims.workspace, claims.files.iter().map(|file| file.key.as_str()), &claims.id)?;
        let narrowing = suffix.map_or_else(|| Ok(Narrowing::default()), Narrowing::parse)?;
        if let Some(file) = narrowing.file
            && file >= claims.files.len()
        {
            return Err(Error::InvalidArgument(format!(
                "The ticket has {} file(s); there is no file {file} (counted from 0).",
                claims.files.len()
            )));
        }
        Ok(Opened::Table(Ticket { claims, narrowing }))
    }

    /// What was signed, and the suffix behind it.
    fn signed<'a>(&self, ticket: &'a [u8]) -> Result<(Vec<u8>, Option<&'a str>)> {
        if ticket.len() > self.max_bytes {
            return Err(broken());
        }
        let text = std::str::from_utf8(ticket).map_err(|_| broken())?;
        let (signed, suffix) = text.split_once(';').map_or((text, None), |(signed, suffix)| (signed, Some(suffix)));
        let (body, signature) = signed.split_once('.').ok_or_else(broken)?;
        let payload = URL_SAFE_NO_PAD.decode(body).map_err(|_| broken())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| broken())?;
        let signature = Signature::from_slice(&signature).map_err(|_| broken())?;

        let Head { kid, .. } = serde_json::from_slice(&payload).map_err(|_| broken())?;
        let key = self.keys.get(&kid).ok_or_else(broken)?;
        key.verify_strict(body.as_bytes(), &signature).map_err(|_| broken())?;
        Ok((payload, suffix))
    }
}

/// The kind of tickets that run a pipeline.
const PULL: &str = "pull";

fn broken() -> Error {
    Error::Unauthenticated(
        "The ticket is not valid here: it is damaged, or was signed by another server. Ask GraphQL \
         (result.flight.ticket) or GetFlightInfo for a new one."
            .into(),
    )
}

/// What was validly signed, as a type of ours.
fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T> {
    serde_json::from_slice(payload).map_err(|error| {
        log::error!("a validly signed ticket cannot be read: {error}");
        Error::InvalidArgument("The ticket was made by another version of the API. Ask for a new one.".into())
    })
}

/// Second wall: even a wrongly signed ticket opens nothing outside its workspace.
fn within<'a>(workspace: &str, mut keys: impl Iterator<Item = &'a str>, id: &str) -> Result<()> {
    let prefix = format!("w/{workspace}/");
    if workspace.is_empty() || keys.any(|key| !key.starts_with(&prefix) || key.contains("..")) {
        log::error!("a signed ticket of {id} names objects outside its workspace");
        return Err(broken());
    }
    Ok(())
}

fn table(opened: Opened) -> Result<Ticket> {
    match opened {
        Opened::Table(ticket) => Ok(ticket),
        Opened::Pull(_) => Err(Error::InvalidArgument(
            "The ticket is of a pipeline, which it runs once: call GetFlightInfo again for another.".into(),
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Jwk;
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;
    use std::time::Duration;

    pub(crate) const NOW: u64 = 1_800_000_000;

    pub(crate) fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    pub(crate) fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    pub(crate) fn verifier(kid: &str, key: &SigningKey) -> Verifier {
        let jwk =
            Jwk { kid: kid.into(), crv: "Ed25519".into(), x: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()) };
        Verifier::new(&Jwks { keys: vec![jwk] }, 1 << 20).unwrap()
    }

    pub(crate) fn payload() -> serde_json::Value {
        json!({"v": 1, "kid": "k1", "kind": "job", "id": "j", "workspace": "ws", "format": "parquet",
            "files": [{"key": "w/ws/jobs/j/1-1/part-00000.parquet", "sizeBytes": 10, "rows": 3},
                      {"key": "w/ws/jobs/j/1-1/part-00001.parquet", "sizeBytes": 10, "rows": null}],
            "schema": [{"name": "a", "type": "int64", "nullable": false}], "dialect": null, "rows": 3, "exp": NOW + 60})
    }

    pub(crate) fn sign(payload: &serde_json::Value, key: &SigningKey) -> String {
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(payload).unwrap());
        let signature = URL_SAFE_NO_PAD.encode(key.sign(body.as_bytes()).to_bytes());
        format!("{body}.{signature}")
    }

    fn message(result: Result<Ticket>) -> String {
        match result {
            Ok(ticket) => panic!("accepted: {ticket:?}"),
            Err(Error::Unauthenticated(message)) => format!("unauthenticated: {message}"),
            Err(Error::InvalidArgument(message)) => format!("invalid: {message}"),
            Err(other) => panic!("another error: {other:?}"),
        }
    }

    #[test]
    fn a_good_ticket_gives_its_claims() {
        let ticket = verifier("k1", &key(1)).verify(sign(&payload(), &key(1)).as_bytes(), at(NOW)).unwrap();
        assert_eq!(ticket.claims.kind, Kind::Job);
        assert_eq!(ticket.claims.format, Format::Parquet);
        assert_eq!(ticket.claims.files[0].rows, Some(3));
        assert_eq!(ticket.files().count(), 2);
        assert_eq!(ticket.claims.exp, NOW + 60);
    }

    #[test]
    fn whatever_was_not_signed_by_us_is_refused() {
        let good = sign(&payload(), &key(1));
        let (body, signature) = good.split_once('.').unwrap();
        let mut other = payload();
        other["workspace"] = json!("w2");
        let foreign_body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&other).unwrap());
        let mut unknown_key = payload();
        unknown_key["kid"] = json!("k2");
        let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
        flipped[3] ^= 1;
        let cases: Vec<(&str, String)> = vec![
            ("empty", String::new()),
            ("no signature", body.to_owned()),
            ("empty signature", format!("{body}.")),
            ("short signature", format!("{body}.{}", &signature[..40])),
            ("flipped bit", format!("{body}.{}", URL_SAFE_NO_PAD.encode(flipped))),
            ("body of another workspace", format!("{foreign_body}.{signature}")),
            ("another key under our kid", sign(&payload(), &key(2))),
            ("unknown kid", sign(&unknown_key, &key(1))),
            ("not JSON", format!("{}.{signature}", URL_SAFE_NO_PAD.encode("hello"))),
            ("not base64url", format!("+/+.{signature}")),
            ("padded", format!("{body}==.{signature}")),
            ("not UTF-8 text", String::from_utf8_lossy(&[0xff, 0xfe]).into_owned()),
            ("too long", "a".repeat(2 << 20)),
        ];
        let verifier = verifier("k1", &key(1));
        for (name, text) in cases {
            let message = message(verifier.verify(text.as_bytes(), at(NOW)));
            assert!(message.starts_with("unauthenticated: The ticket is not valid here"), "{name}: {message}");
        }
        assert!(message(verifier.verify(&[0xff, 0xfe, b'.'], at(NOW))).contains("not valid"));
    }

    #[test]
    fn an_expired_ticket_is_told_so() {
        let verifier = verifier("k1", &key(1));
        let text = sign(&payload(), &key(1));
        assert!(verifier.verify(text.as_bytes(), at(NOW + 59)).is_ok());
        for late in [60, 61, 100_000] {
            assert!(message(verifier.verify(text.as_bytes(), at(NOW + late))).contains("expired"));
        }
        assert_eq!(verifier.renewable(text.as_bytes()).unwrap().claims.id, "j");
        assert!(message(verifier.renewable(sign(&payload(), &key(2)).as_bytes())).contains("not valid"));
    }

    #[test]
    fn a_signed_ticket_opens_nothing_outside_its_workspace() {
        for key_name in ["w/other/jobs/j/part-00000.parquet", "w/ws/../other/x", "/w/ws/x", "w/wsx/x"] {
            let mut claims = payload();
            claims["files"][1]["key"] = json!(key_name);
            let message = message(verifier("k1", &key(1)).verify(sign(&claims, &key(1)).as_bytes(), at(NOW)));
            assert!(message.contains("not valid"), "{key_name}: {message}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut claims = payload();
        claims["v"] = json!(2);
        assert!(
            message(verifier("k1", &key(1)).verify(sign(&claims, &key(1)).as_bytes(), at(NOW))).contains("version 2")
        );
    }

    #[test]
    fn narrowing_takes_away_and_adds_nothing() {
        let verifier = verifier("k1", &key(1));
        let signed = sign(&payload(), &key(1));
        let narrowed = |suffix: &str| verifier.verify(format!("{signed}{suffix}").as_bytes(), at(NOW));
        let ticket = narrowed(";file=1;rowGroups=2-5").unwrap();
        assert_eq!(ticket.narrowing, Narrowing { file: Some(1), row_groups: Some(2..=5) });
        assert_eq!(ticket.narrowing.suffix(), ";file=1;rowGroups=2-5");
        assert_eq!(ticket.files().map(|(index, _)| index).collect::<Vec<_>>(), [1]);
        assert_eq!(narrowed(";file=0").unwrap().narrowing.row_groups, None);
        for bad in [
            ";",
            ";file",
            ";file=",
            ";file=-1",
            ";file=0;file=1",
            ";rowGroups=0-1",
            ";file=0;rowGroups=3-1",
            ";file=0;rowGroups=1",
            ";file=0;rowGroups=a-b",
            ";file=2",
            ";key=w/other/x",
            ";file=0;",
            ";file=99999999999999999999",
        ] {
            assert!(message(narrowed(bad)).starts_with("invalid: "), "{bad}");
        }
    }

    #[test]
    fn unusable_keys_are_refused_at_the_start() {
        let jwk = |crv: &str, x: &str| Jwks { keys: vec![Jwk { kid: "k".into(), crv: crv.into(), x: x.into() }] };
        let good = URL_SAFE_NO_PAD.encode(key(1).verifying_key().as_bytes());
        let weak = URL_SAFE_NO_PAD.encode({
            let mut identity = [0_u8; 32];
            identity[0] = 1;
            identity
        });
        for (jwks, part) in [
            (Jwks { keys: vec![] }, "no key"),
            (jwk("P-256", &good), "P-256"),
            (jwk("Ed25519", "AAAA"), "32 bytes"),
            (jwk("Ed25519", "***"), "base64url"),
            (jwk("Ed25519", &weak), "weak"),
        ] {
            let error = Verifier::new(&jwks, 100).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
