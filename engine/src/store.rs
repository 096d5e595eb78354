//! From URLs to object stores.
//!
//! `s3://bucket/key` goes to the S3-compatible storage whose address and keys the request carries; `file:///…` and
//! plain paths go to this machine's files. Nothing is taken from the environment, and no other scheme is known.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::try_join_all;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpError, SpawnedReqwestConnector};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetResult, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore,
    ObjectStoreExt, RetryConfig, coalesce_ranges,
};
use serde::Deserialize;
use url::Url;

use crate::error::{EngineError, ErrorCode, Result};
use crate::local::read_ranges;
use crate::network::network;

/// The content type of everything written. SeaweedFS gzips what it takes for text, which costs five sixths of the
/// read speed; it leaves this one alone.
pub const CONTENT_TYPE: &str = "application/x-karyaksham";

/// What is read by one request of several at once: one long one gets half the rate.
const PART_BYTES: usize = 2 << 20;

/// Address and keys of an S3-compatible storage.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageOptions {
    /// The address, e.g. `http://127.0.0.1:8333`; AWS itself if absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region; `us-east-1` if absent.
    #[serde(default)]
    pub region: Option<String>,
    /// The access key.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: String,
    /// `true` (default): the bucket stands in the path; `false`: in the host name.
    #[serde(default = "yes")]
    pub path_style: bool,
}

fn yes() -> bool {
    true
}

impl std::fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the keys.
        f.debug_struct("StorageOptions").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An object or file, and the store that holds it.
#[derive(Debug, Clone)]
pub struct Location {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The place in the store.
    pub path: Path,
    /// The address as given, as URL.
    pub url: Url,
    /// The path on this machine, if it is one.
    pub file: Option<PathBuf>,
    /// The version (`ETag`) that every read must meet; any, if absent.
    pub version: Option<String>,
}

impl Location {
    /// The store's own address, under which DataFusion knows it: `s3://bucket` or `file://`.
    pub fn store_url(&self) -> Result<Url> {
        let mut url = self.url.clone();
        url.set_path("");
        url.set_query(None);
        Ok(url)
    }

    /// The last part of the path.
    pub fn file_name(&self) -> String {
        self.path.filename().unwrap_or_default().to_owned()
    }

    /// Size and version; [`ErrorCode::InputNotFound`] if it does not exist.
    pub async fn head(&self) -> Result<ObjectMeta> {
        self.store.head(&self.path).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => {
                EngineError::new(ErrorCode::InputNotFound, format!("there is no file {}", self.display()))
            }
            other => other.into(),
        })
    }

    /// The same, of which only this version is read.
    #[must_use]
    pub fn pinned(self, meta: &ObjectMeta) -> Self {
        Self { version: meta.e_tag.clone(), ..self }
    }

    /// Reads one range. [`ErrorCode::InputChanged`] if the object is not the pinned version any more.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let length = range.end - range.start;
        let bytes = self.get(range).await?.bytes().await?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.changed()) }
    }

    /// The same, in the parts that the network brought it in: for a reader who copies it anyway.
    pub async fn read_parts(&self, range: Range<u64>) -> Result<Vec<Bytes>> {
        if range.is_empty() || self.file.is_some() {
            return Ok(vec![self.read(range).await?]);
        }
        let length = range.end - range.start;
        let parts: Vec<Bytes> = self.get(range).await?.into_stream().try_collect().await?;
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if bytes == length { Ok(parts) } else { Err(self.changed()) }
    }

    /// Reads several ranges, all at once, long ones in parts. [`ErrorCode::InputChanged`] as for [`Self::read`].
    pub(crate) async fn read_at_once(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let Some(path) = self.file.clone() else {
            let range = async |range: Range<u64>| {
                let parts = range.clone().step_by(PART_BYTES);
                let parts = parts.map(|start| self.read(start..range.end.min(start + PART_BYTES as u64)));
                let mut parts = try_join_all(parts).await?;
                Ok::<_, EngineError>(if parts.len() == 1 { parts.swap_remove(0) } else { parts.concat().into() })
            };
            return try_join_all(ranges.into_iter().map(range)).await;
        };
        let read = move || read_ranges(&File::open(&path)?, &ranges);
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| EngineError::internal(error.to_string()))?;
        let found = read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.changed(),
            _ => error.into(),
        })?;
        if self.version.is_some() {
            self.unchanged().await?;
        }
        Ok(found)
    }

    async fn get(&self, range: Range<u64>) -> Result<GetResult> {
        let options = GetOptions { range: Some(range.into()), if_match: self.version.clone(), ..GetOptions::default() };
        match self.store.get_opts(&self.path, options).await {
            Ok(result) => Ok(result),
            Err(object_store::Error::Precondition { .. }) => Err(self.changed()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads several ranges, near ones by one request. [`ErrorCode::InputChanged`] as for [`Self::read`], but files of
    /// this machine are not looked at again: [`Self::unchanged`] does.
    pub async fn read_many(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.file.is_some() {
            return Ok(self.store.get_ranges(&self.path, ranges).await?);
        }
        coalesce_ranges(ranges, |range| self.read(range), OBJECT_STORE_COALESCE_DEFAULT).await
    }

    /// [`ErrorCode::InputChanged`] if it is not the pinned version any more.
    pub async fn unchanged(&self) -> Result<()> {
        let same = match self.head().await {
            Ok(meta) => self.version.is_none() || meta.e_tag == self.version,
            Err(error) if error.code() == ErrorCode::InputNotFound => false,
            Err(error) => return Err(error),
        };
        if same { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> EngineError {
        EngineError::new(ErrorCode::InputChanged, format!("{} changed while it was read", self.display()))
            .hint("run the job again when nothing writes to the file")
    }

    /// Whether it exists.
    pub async fn exists(&self) -> Result<bool> {
        match self.store.head(&self.path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// The address for messages.
    pub fn display(&self) -> String {
        self.file.as_ref().map_or_else(|| self.url.to_string(), |file| file.display().to_string())
    }

    /// The location of a file in folders below this one; the names are taken as they are, percent signs too.
    pub fn descendant(&self, names: &[String]) -> Result<Self> {
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| EngineError::internal("a URL without path"))?.pop_if_empty().extend(names);
        let below = names.join("/");
        let whole = if self.path.as_ref().is_empty() { below } else { format!("{}/{below}", self.path) };
        let path = Path::parse(&whole).map_err(|error| invalid(url.as_str(), &error.to_string()))?;
        let file = self.file.as_ref().map(|folder| names.iter().fold(folder.clone(), |path, name| path.join(name)));
        Ok(Self { store: Arc::clone(&self.store), path, url, file, version: None })
    }

    /// The location of `name` in this folder.
    pub fn child(&self, name: &str) -> Result<Self> {
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| EngineError::internal("a URL without path"))?.pop_if_empty().push(name);
        Ok(Self {
            store: Arc::clone(&self.store),
            path: self.path.clone().join(name),
            url,
            file: self.file.as_ref().map(|folder| folder.join(name)),
            version: None,
        })
    }
}

/// Makes stores from addresses, one for each bucket.
#[derive(Debug)]
pub struct Stores {
    options: Option<StorageOptions>,
    buckets: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    local: Arc<dyn ObjectStore>,
}

impl Stores {
    /// Stores with these keys; without them only files of this machine can be reached.
    pub fn new(options: Option<StorageOptions>) -> Self {
        Self { options, buckets: Mutex::default(), local: Arc::new(LocalFileSystem::new()) }
    }

    /// This store for one bucket, and nothing else: files of this machine neither.
    pub fn of_bucket(name: &str, store: &Arc<dyn ObjectStore>) -> Self {
        let buckets = Mutex::new(HashMap::from([(name.to_owned(), Arc::clone(store))]));
        Self { options: None, buckets, local: Arc::new(InMemory::new()) }
    }

    /// The location of `s3://bucket/key`, `file:///path` or a plain path.
    pub fn locate(&self, address: &str) -> Result<Location> {
        match Url::parse(address) {
            Ok(url) if url.scheme() == "s3" => self.locate_s3(url),
            Ok(url) if url.scheme() == "file" => {
                let file = url.to_file_path().map_err(|()| invalid(address, "is no address of a local file"))?;
                self.locate_file(&file, address.ends_with('/'))
            }
            // One letter is a Windows drive.
            Ok(url) if url.scheme().len() > 1 && address.contains("://") => {
                Err(invalid(address, "has an unknown scheme")
                    .hint("s3://bucket/key, file:///path and plain paths are known"))
            }
            _ => self.locate_file(FilePath::new(address), address.ends_with('/')),
        }
    }

    fn locate_file(&self, file: &FilePath, folder: bool) -> Result<Location> {
        let file = std::path::absolute(file).map_err(|e| invalid(&file.display().to_string(), &e.to_string()))?;
        let url = if folder { Url::from_directory_path(&file) } else { Url::from_file_path(&file) };
        let url = url.map_err(|()| invalid(&file.display().to_string(), "is no path"))?;
        let path = Path::from_url_path(url.path().trim_end_matches('/'))
            .map_err(|e| invalid(&file.display().to_string(), &e.to_string()))?;
        Ok(Location { store: Arc::clone(&self.local), path, url, file: Some(file), version: None })
    }

    fn locate_s3(&self, url: Url) -> Result<Location> {
        let bucket = url.host_str().ok_or_else(|| invalid(url.as_str(), "names no bucket"))?.to_owned();
        let path = Path::from_url_path(url.path()).map_err(|e| invalid(url.as_str(), &e.to_string()))?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match buckets.get(&bucket) {
            Some(store) => Arc::clone(store),
            None => {
                let options = self.options.as_ref().ok_or_else(|| {
                    invalid(url.as_str(), "is in S3, but the request carries no storage keys")
                        .hint("give `storage` with endpoint, accessKeyId and secretAccessKey")
                })?;
                let store = build_s3(&bucket, options)?;
                buckets.insert(bucket, Arc::clone(&store));
                store
            }
        };
        Ok(Location { store, path, url, file: None, version: None })
    }
}

fn invalid(address: &str, what: &str) -> EngineError {
    EngineError::new(ErrorCode::InvalidRequest, format!("the address {address} {what}"))
}

fn build_s3(bucket: &str, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>> {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    let client = ClientOptions::new()
        .with_allow_http(true)
        .with_default_headers(headers)
        .with_default_content_type(CONTENT_TYPE)
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_mins(2));
    // Fail within about twenty seconds when the storage is gone: the job's own retries take over from there.
    let retry = RetryConfig {
        max_retries: 6,
        retry_timeout: Duration::from_secs(150),
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(options.region.as_deref().unwrap_or("us-east-1"))
        .with_access_key_id(&options.access_key_id)
        .with_secret_access_key(&options.secret_access_key)
        .with_virtual_hosted_style_request(!options.path_style)
        .with_allow_http(true)
        .with_client_options(client)
        .with_retry(retry)
        .with_http_connector(SpawnedReqwestConnector::new(network()?));
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    Ok(Arc::new(builder.build()?))
}

/// Whether an error is that of a connection (used by readers to decide whether to resume).
pub fn is_connection_error(error: &object_store::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if current.downcast_ref::<HttpError>().is_some() {
            return true;
        }
        source = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let stores = Stores::new(None);
        let file = stores.locate("file:///tmp/a%20b/c.csv").unwrap();
        assert_eq!(file.file.as_deref(), Some(FilePath::new("/tmp/a b/c.csv")));
        assert_eq!(file.file_name(), "c.csv");
        assert_eq!(file.child("x").unwrap().url.as_str(), "file:///tmp/a%20b/c.csv/x");
        assert_eq!(stores.locate("http://x/y").unwrap_err().code(), ErrorCode::InvalidRequest);
        assert_eq!(stores.locate("s3://b/k").unwrap_err().code(), ErrorCode::InvalidRequest);
        let folder = stores.locate("/tmp/dir/").unwrap();
        assert_eq!(folder.child("part").unwrap().file.as_deref(), Some(FilePath::new("/tmp/dir/part")));
    }

    #[tokio::test]
    async fn a_pinned_version_is_the_only_one_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.bin");
        std::fs::write(&file, b"first").unwrap();
        let location = Stores::new(None).locate(file.to_str().unwrap()).unwrap();
        let location = location.clone().pinned(&location.head().await.unwrap());
        assert_eq!(location.read(1..3).await.unwrap(), "ir");
        location.unchanged().await.unwrap();
        std::fs::write(&file, b"second").unwrap();
        let codes = [location.read(1..3).await.unwrap_err().code(), location.unchanged().await.unwrap_err().code()];
        assert_eq!(codes, [ErrorCode::InputChanged; 2]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(location.unchanged().await.unwrap_err().code(), ErrorCode::InputChanged);
    }

    #[test]
    fn keys_never_show_in_debug_output() {
        let options: StorageOptions =
            serde_json::from_str(r#"{"accessKeyId": "AKIA", "secretAccessKey": "hush"}"#).unwrap();
        assert!(!format!("{options:?}").contains("hush"));
    }
}
