//! The Arrow Flight server: results and data sets as tables, straight from object storage.
//!
//! Clients come with a signed ticket (`DoGet`) or with a token and a path (`GetFlightInfo` for `["jobs", id]` or
//! `["datasets", id]`); what they may read, the API decides. There is no database, no private key and no Python in here.

mod actions;
mod auth;
mod call;
mod catalog;
pub mod config;
mod connection;
mod do_get;
pub mod error;
mod info;
pub mod logging;
mod metrics;
mod poll;
mod pull;
mod put;
mod schema;
mod service;
mod sql;
mod stream;
mod throttle;
pub mod ticket;
mod tls;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

pub use config::Config;
pub use error::{Error, Result};

/// Serve until SIGTERM or SIGINT, then let open streams end (for `drain_seconds` at most) and return.
///
/// Blocks. Makes its own runtime, so that it can be called from any thread that runs none.
pub fn serve(config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("flight")
        .max_blocking_threads(config.limits.max_streams + 64)
        .build()
        .map_err(|error| Error::Config(format!("The Flight server's threads cannot be started: {error}.")))?;
    // Clients' tables are encoded apart: that takes the processor for long, and must starve no stream.
    let encoding = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("flight-put")
        .build()
        .map_err(|error| Error::Config(format!("The Flight server's threads cannot be started: {error}.")))?;
    let result = runtime.block_on(run(config, encoding.handle().clone()));
    // Streams that outlived the drain are cut; their threads end at the next message.
    encoding.shutdown_timeout(Duration::from_secs(1));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(config: &Config, encoding: Handle) -> Result<()> {
    let limits = &config.limits;
    let verifier = Arc::new(ticket::Verifier::new(&config.jwks, limits.max_ticket_bytes)?);
    let catalog = catalog::Catalog::new(&config.api_url, limits.api_timeout())?;
    let streams = stream::Streams::open_storage(&config.storage, limits.clone())?;
    let puts = put::Puts::new(&config.storage, catalog.clone(), Arc::clone(&verifier), streams.clone(), encoding)?;
    let sql = sql::Sql::start(Arc::clone(&verifier), catalog.clone(), streams.clone(), limits, &config.sql)?;
    let (signed, threads) = (Arc::clone(&verifier), sql.runner());
    let pulls = pull::Pulls::new(catalog.clone(), signed, &streams, threads, &config.sql, limits.batch_bytes);
    let service = service::Flight::new(verifier, catalog, streams, puts, sql, pulls);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<FlightServiceServer<service::Flight>>().await;
    let others = FlightServiceServer::new(service.clone())
        .max_decoding_message_size(limits.max_message_bytes)
        .max_encoding_message_size(usize::MAX);
    let service = do_get::DoGet { others, flight: service, most: limits.max_message_bytes };
    let service = InterceptedService::new(service, throttle::Throttle::new(limits.calls_per_minute));
    let acceptor = config.tls.as_ref().map(tls::watched).transpose()?;
    let secure = acceptor.is_some();

    let wanted = (config.host.as_str(), config.port);
    let address = wanted.to_socket_addrs().ok().and_then(|mut found| found.next());
    let address = address
        .ok_or_else(|| Error::Config(format!("FLIGHT_HOST '{}' is no address of this machine.", config.host)))?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::Config(format!(
            "The Flight server cannot listen on {address}: {error}. Set FLIGHT_HOST and FLIGHT_PORT."
        ))
    })?;
    let local =
        listener.local_addr().map_err(|error| Error::Config(format!("The listening address is unknown: {error}.")))?;

    let signals = |kind| signal(kind).map_err(|error| Error::Config(format!("Signals cannot be handled: {error}.")));
    let (mut terminate, mut interrupt) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let server = Server::builder()
        // A vanished client is noticed although its stream waits for it.
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .add_service(service)
        .add_service(health_service)
        .serve_with_incoming_shutdown(
            tls::connections(
                TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(Duration::from_mins(1))),
                acceptor,
            ),
            async move {
                let _ = stopping.await;
            },
        );
    let mut server = std::pin::pin!(server);
    if config.metrics_port > 0 {
        tokio::spawn(metrics::listen(SocketAddr::new(local.ip(), config.metrics_port)));
    }
    logging::event(
        log::Level::Info,
        "flight_listening",
        &json!({"host": local.ip().to_string(), "port": local.port(), "tls": secure}),
    );

    let signal = tokio::select! {
        ended = &mut server => return ended.map_err(|error| Error::Internal(format!("The Flight server ended: {error}."))),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    logging::event(
        log::Level::Info,
        "flight_stopping",
        &json!({"signal": signal, "drain_seconds": limits.drain_seconds}),
    );
    metrics::METRICS.stop();
    // Both names that probes ask for: the server's, which is empty, and the service's.
    health.set_service_status("", ServingStatus::NotServing).await;
    health.set_not_serving::<FlightServiceServer<service::Flight>>().await;
    let _ = stop.send(());
    let drained = tokio::time::timeout(Duration::from_secs(limits.drain_seconds), &mut server).await.is_ok();
    logging::event(log::Level::Info, "flight_stopped", &json!({"drained": drained}));
    Ok(())
}
