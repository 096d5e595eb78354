//! The threads that network traffic runs on, apart from those that compute: busy CPU threads never starve it.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector, SpawnService,
};
use tokio::runtime::{Handle, Runtime};

use crate::error::Result;

/// The runtime of the engine's network traffic; made at first use, and made anew in a forked child, where the parent's
/// threads do not exist.
pub fn network() -> Result<Handle> {
    static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);
    let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    if let Some((owner, runtime)) = slot.as_ref()
        && *owner == pid
    {
        return Ok(runtime.handle().clone());
    }
    if let Some((_, stale)) = slot.take() {
        // Its threads stayed in the parent: dropping it would wait for them for ever.
        std::mem::forget(stale);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("karyaksham-net")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    *slot = Some((pid, runtime));
    Ok(handle)
}

/// Makes HTTP clients whose traffic runs on one runtime, whoever asks.
///
/// `object_store`'s own `SpawnedReqwestConnector` hands every piece of every body from a task to another by a channel,
/// even to who is on that runtime already; here such a one reads from the socket itself.
#[derive(Debug)]
pub struct Connector(Handle);

impl Connector {
    /// Clients of this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self(runtime)
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let here = Direct(ReqwestConnector::default().connect(options)?);
        let there = SpawnService::new(here.clone(), self.0.clone());
        Ok(HttpClient::new(Nearest { here, there, runtime: self.0.clone() }))
    }
}

/// A client as a service.
#[derive(Debug, Clone)]
struct Direct(HttpClient);

#[async_trait]
impl HttpService for Direct {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        self.0.execute(request).await
    }
}

/// Both ways to the same connections.
#[derive(Debug)]
struct Nearest {
    here: Direct,
    there: SpawnService<Direct>,
    runtime: Handle,
}

#[async_trait]
impl HttpService for Nearest {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        if Handle::try_current().is_ok_and(|current| current.id() == self.runtime.id()) {
            self.here.call(request).await
        } else {
            self.there.call(request).await
        }
    }
}
