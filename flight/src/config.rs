//! Settings of the server, as JSON from `flight/__init__.py` (which reads the environment).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use karyaksham_engine::store::CONTENT_TYPE as STORED_AS;
use object_store::aws::AmazonS3Builder;
use object_store::client::SpawnedReqwestConnector;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use serde::Deserialize;
use tokio::runtime::Handle;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::error::{Error, Result};
pub use crate::sql::SqlLimits;

const MIB: usize = 1024 * 1024;

/// Everything the server needs to know. Unknown fields are refused, so that a typing error is not a silent default.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one (the log says which).
    pub port: u16,
    /// Port of `/metrics`, `/healthz` and `/readyz` at the same address; 0 for none.
    #[serde(default)]
    pub metrics_port: u16,
    /// Public keys that tickets are verified with.
    pub jwks: Jwks,
    /// The API as this server reaches it, without a slash at the end.
    pub api_url: String,
    /// Where the objects are.
    pub storage: StorageConfig,
    /// Certificate and key for TLS; plain HTTP/2 if absent.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Limits; each has a default.
    #[serde(default)]
    pub limits: Limits,
    /// Limits of Flight SQL; each has a default.
    #[serde(default)]
    pub sql: SqlLimits,
}

/// TLS, all in PEM.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate, and those between it and its root.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Certificates of those who sign clients' certificates: with them, a client without one is refused.
    pub client_ca: Option<String>,
    /// The files that they came from, which are read again when they change.
    #[serde(default)]
    pub files: TlsFiles,
}

/// Files that certificates and the key came from; absent for what the environment itself held.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificates.
    pub certificate: Option<PathBuf>,
    /// The private key.
    pub key: Option<PathBuf>,
    /// Those who sign clients' certificates.
    pub client_ca: Option<PathBuf>,
}

impl std::fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsConfig")
            .field("mutual", &self.client_ca.is_some())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037).
#[derive(Debug, Clone, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// One public key.
#[derive(Debug, Clone, Deserialize)]
pub struct Jwk {
    /// Its id, which tickets name.
    pub kid: String,
    /// The curve: only `Ed25519` is accepted.
    pub crv: String,
    /// The 32 bytes, base64url without padding.
    pub x: String,
}

/// S3 or a compatible store.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageConfig {
    /// Its URL; absent for AWS S3 itself.
    pub endpoint: Option<String>,
    /// Region of the bucket.
    pub region: String,
    /// Bucket that holds all objects.
    pub bucket: String,
    /// Access key; absent for the machine's own role.
    pub access_key_id: Option<String>,
    /// Its secret.
    pub secret_access_key: Option<String>,
    /// `true` for `http://host/bucket/key`.
    pub path_style: bool,
}

impl std::fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageConfig")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// Limits that bound memory and time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// A record batch is split until it is at most this big, in bytes; one row is never split.
    pub batch_bytes: usize,
    /// Largest message taken from a client, in bytes.
    pub max_message_bytes: usize,
    /// Stored bytes that one stream holds ahead of its decoder, at most.
    pub prefetch_bytes: usize,
    /// Stored bytes that all streams hold together: with many streams each gets less, and reads smaller ranges.
    pub prefetch_total_bytes: usize,
    /// Bytes of one batch of each stream together: with many streams each makes smaller batches.
    pub batch_total_bytes: usize,
    /// Disk that encoded messages may take, in bytes; 0 for none.
    pub spool_bytes: u64,
    /// Where; the system's temporary folder if absent.
    pub spool_dir: Option<PathBuf>,
    /// Where workers on this machine leave copies of the results that they write; absent if they do not.
    pub copies_dir: Option<PathBuf>,
    /// Streams at once; further ones are refused with `RESOURCE_EXHAUSTED`.
    pub max_streams: usize,
    /// Streams at once for tables of one workspace.
    pub max_streams_per_workspace: usize,
    /// Streams at once that are asked for with one token.
    pub max_streams_per_token: usize,
    /// Calls a minute with one token; 0 for any number.
    pub calls_per_minute: u32,
    /// Tables that are taken in at once (`DoPut`).
    pub max_puts: usize,
    /// Memory that the encoder of one such table may use, in bytes.
    pub put_memory_bytes: u64,
    /// Seconds that a client may pause while it sends a table.
    pub put_idle_seconds: u64,
    /// Seconds that a client that has sent a table waits for its inspection, at most.
    pub put_ready_seconds: u64,
    /// Seconds that `PollFlightInfo` waits for news of a job, at most.
    pub poll_seconds: u64,
    /// Endpoints of one `FlightInfo` at most.
    pub max_endpoints: usize,
    /// Largest ticket taken, in bytes.
    pub max_ticket_bytes: usize,
    /// Seconds that open streams get to end after SIGTERM.
    pub drain_seconds: u64,
    /// Seconds that one request to the API may take.
    pub api_timeout_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_bytes: 2 * MIB,
            max_message_bytes: 16 * MIB,
            prefetch_bytes: 64 * MIB,
            prefetch_total_bytes: 128 * MIB,
            batch_total_bytes: 32 * MIB,
            spool_bytes: 4096 * MIB as u64,
            spool_dir: None,
            copies_dir: None,
            max_streams: 256,
            max_streams_per_workspace: 128,
            max_streams_per_token: 64,
            calls_per_minute: 1200,
            max_puts: 4,
            put_memory_bytes: 256 * MIB as u64,
            put_idle_seconds: 120,
            put_ready_seconds: 30,
            poll_seconds: 10,
            max_endpoints: 16,
            max_ticket_bytes: MIB,
            drain_seconds: 10,
            api_timeout_seconds: 10,
        }
    }
}

impl Limits {
    /// The time one request to the API may take.
    pub fn api_timeout(&self) -> Duration {
        Duration::from_secs(self.api_timeout_seconds)
    }
}

impl Config {
    /// Read the settings from JSON.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Error::Config(format!("The Flight server's settings cannot be used: {error}")))
    }
}

impl StorageConfig {
    /// Open the bucket for reading; its network traffic runs on that runtime, whoever reads. Nothing is requested yet.
    pub fn open(&self, network: Handle) -> Result<Arc<dyn ObjectStore>> {
        self.build(ClientOptions::new().with_timeout(Duration::from_mins(1)), network)
    }

    /// The same for writing.
    pub fn open_for_writing(&self, network: Handle) -> Result<Arc<dyn ObjectStore>> {
        // Of each part too: SeaweedFS gzips what it takes for text.
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(STORED_AS));
        let client = ClientOptions::new()
            .with_default_headers(headers)
            .with_default_content_type(STORED_AS)
            .with_timeout(Duration::from_mins(2));
        self.build(client, network)
    }

    fn build(&self, client: ClientOptions, network: Handle) -> Result<Arc<dyn ObjectStore>> {
        let client = client.with_allow_http(true).with_connect_timeout(Duration::from_secs(5));
        // A client waits for the answer: give up within about ten seconds when the storage is gone.
        let retry = RetryConfig {
            max_retries: 4,
            retry_timeout: Duration::from_secs(30),
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(client)
            .with_retry(retry)
            // Even of statements, whose own threads compute.
            .with_http_connector(SpawnedReqwestConnector::new(network));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        if let (Some(id), Some(secret)) = (&self.access_key_id, &self.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder
            .build()
            .map_err(|error| Error::Config(format!("The object storage settings cannot be used: {error}")))?;
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"host":"127.0.0.1","port":0,"jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"AA"}]},
        "apiUrl":"http://127.0.0.1:8000","storage":{"endpoint":"http://127.0.0.1:1","region":"us-east-1","bucket":"b",
        "accessKeyId":"a","secretAccessKey":"s","pathStyle":true},"limits":{"maxStreams":3}}"#;

    #[tokio::test]
    async fn given_limits_win_and_the_rest_has_defaults() {
        let config = Config::from_json(GOOD).unwrap();
        assert_eq!(config.limits.max_streams, 3);
        assert_eq!(config.limits.batch_bytes, 2 * 1024 * 1024);
        assert!(config.storage.open(Handle::current()).is_ok());
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let error = Config::from_json(&GOOD.replace("maxStreams", "maxStream")).unwrap_err();
        assert!(error.to_string().contains("maxStream"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", Config::from_json(GOOD).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
