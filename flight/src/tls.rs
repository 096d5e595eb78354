//! TLS with the operator's own certificates, mutual if asked for; plain TCP without.
//!
//! Not tonic's: its feature would build rustls anew, and with it everything that speaks HTTP.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tonic::transport::server::TcpIncoming;

use crate::config::{TlsConfig, TlsFiles};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::logging;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between two looks at the files of certificates.
const LOOK: Duration = Duration::from_secs(5);
/// Handshakes at once; who comes then waits.
const HANDSHAKES: usize = 256;

/// What accepts connections with these certificates; `Config` says which of them cannot be used.
pub fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor> {
    let certificates = certificates("FLIGHT_TLS_CERT", &config.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(config.key.as_bytes())
        .map_err(|error| Error::Config(format!("FLIGHT_TLS_KEY holds no private key in PEM: {error}.")))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Config(format!("TLS cannot be set up: {error}.")))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates("FLIGHT_TLS_CLIENT_CA", pem)? {
                roots
                    .add(certificate)
                    .map_err(|error| Error::Config(format!("FLIGHT_TLS_CLIENT_CA cannot be used: {error}.")))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| Error::Config(format!("FLIGHT_TLS_CLIENT_CA cannot be used: {error}.")))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder
        .with_single_cert(certificates, key)
        .map_err(|error| Error::Config(format!("FLIGHT_TLS_CERT and FLIGHT_TLS_KEY cannot be used: {error}.")))?;
    // gRPC is HTTP/2.
    server.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// The acceptor of each moment: files that change are read again, and used for connections from then on.
///
/// What cannot be used (a new certificate whose key is not there yet) leaves the old ones in place, and is tried again.
/// Must be called on the runtime that serves.
pub fn watched(config: &TlsConfig) -> Result<watch::Receiver<TlsAcceptor>> {
    let (sender, receiver) = watch::channel(acceptor(config)?);
    let (mut config, mut seen) = (config.clone(), versions(&config.files));
    if seen.iter().all(Option::is_none) {
        // A receiver keeps what was last sent.
        return Ok(receiver);
    }
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(LOOK).await;
            let now = versions(&config.files);
            if now == seen {
                continue;
            }
            match read_again(&config).and_then(|new| Ok((acceptor(&new)?, new))) {
                Ok((acceptor, new)) => {
                    (config, seen) = (new, now);
                    sender.send_replace(acceptor);
                    logging::event(log::Level::Info, "flight_certificates_read", &json!({}));
                }
                Err(error) => log::warn!("changed certificates cannot be used yet, the old ones stay: {error}"),
            }
        }
    });
    Ok(receiver)
}

fn read_again(config: &TlsConfig) -> Result<TlsConfig> {
    let read = |file: &Option<PathBuf>, old: &str| match file {
        None => Ok(old.to_owned()),
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Error::Config(format!("{} cannot be read: {error}.", file.display()))),
    };
    let files = &config.files;
    Ok(TlsConfig {
        certificate: read(&files.certificate, &config.certificate)?,
        key: read(&files.key, &config.key)?,
        client_ca: config.client_ca.as_deref().map(|old| read(&files.client_ca, old)).transpose()?,
        files: files.clone(),
    })
}

/// What tells that files changed: when they were written, and how long they are.
fn versions(files: &TlsFiles) -> [Option<(SystemTime, u64)>; 3] {
    [&files.certificate, &files.key, &files.client_ca].map(|file| {
        let found = std::fs::metadata(file.as_ref()?).ok()?;
        Some((found.modified().ok()?, found.len()))
    })
}

fn certificates(name: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::Config(format!("{name} holds no certificate in PEM."))),
        Err(error) => Err(Error::Config(format!("{name} cannot be read as PEM: {error}."))),
    }
}

/// The connections that come in. A client's failed handshake is no error of the server.
pub fn connections(
    incoming: TcpIncoming,
    acceptor: Option<watch::Receiver<TlsAcceptor>>,
) -> BoxStream<'static, io::Result<Connection>> {
    let Some(acceptor) = acceptor else {
        return incoming.map(|accepted| accepted.map(Connection::plain)).boxed();
    };
    let (ready, mut connections) = mpsc::channel(1);
    tokio::spawn(accept(incoming, acceptor, ready));
    stream::poll_fn(move |context| connections.poll_recv(context)).boxed()
}

async fn accept(
    mut incoming: TcpIncoming,
    acceptor: watch::Receiver<TlsAcceptor>,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = incoming.next() => accepted,
            // The server takes no connections any more.
            () = ready.closed() => return,
        };
        match accepted {
            None => return,
            Some(Err(error)) => {
                if ready.send(Err(error)).await.is_err() {
                    return;
                }
            }
            Some(Ok(tcp)) => {
                let (acceptor, ready) = (acceptor.borrow().clone(), ready.clone());
                tokio::spawn(async move {
                    let _place = place;
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await {
                        Ok(Ok(stream)) => {
                            let _ = ready.send(Ok(Connection::secure(stream))).await;
                        }
                        Ok(Err(error)) => log::info!("a TLS handshake failed: {error}"),
                        Err(_) => log::info!("a TLS handshake took too long"),
                    }
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_or_key_is_named() {
        let config = |certificate: &str| TlsConfig {
            certificate: certificate.into(),
            key: "x".into(),
            client_ca: None,
            files: TlsFiles::default(),
        };
        let said = |certificate| acceptor(&config(certificate)).err().unwrap().to_string();
        assert!(said("").contains("FLIGHT_TLS_CERT holds no certificate"));
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(said(pem).contains("FLIGHT_TLS_KEY holds no private key"));
    }
}
