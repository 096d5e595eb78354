//! What Prometheus learns of the server, and whether it is ready: a port of its own that speaks plain HTTP.
//!
//! `/metrics` (`OpenMetrics` 1.0 text), `/healthz` and `/readyz`, like those of a worker. No label names a tenant or a table.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};
use serde_json::json;
use tokio::net::TcpListener;

use crate::logging;

/// Seconds; a `DoGet` lasts as long as its client reads.
const BUCKETS: [f64; 12] = [0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0];
/// How long a client of this port may take for its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The metrics of this process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// `DoGet` and so on.
    pub method: &'static str,
    /// The code of gRPC, `Ok` for none.
    pub code: String,
}

/// Which call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Method {
    /// `DoGet` and so on.
    pub method: &'static str,
}

/// All that is counted.
pub struct Metrics {
    /// Calls that ended.
    pub calls: Family<Ended, Counter>,
    /// How long they took, a stream until its last message.
    pub seconds: Family<Method, Histogram, fn() -> Histogram>,
    /// Streams that are being sent.
    pub streams: Gauge,
    /// Bytes of Arrow data sent, as they go out.
    pub sent: Counter,
    /// Bytes of encoded messages on this machine's disk.
    pub spooled: Gauge,
    /// Bytes of Arrow data that came from there.
    pub replayed: Counter,
    /// Stored bytes that were read from results' copies on this machine.
    pub copied: Counter,
    /// Rows of tables that clients sent and that were stored.
    pub stored_rows: Counter,
    /// Bytes of the objects that hold them.
    pub stored_bytes: Counter,
    stopping: AtomicBool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            streams: Gauge::default(),
            sent: Counter::default(),
            spooled: Gauge::default(),
            replayed: Counter::default(),
            copied: Counter::default(),
            stored_rows: Counter::default(),
            stored_bytes: Counter::default(),
            stopping: AtomicBool::new(false),
        }
    }
}

impl Metrics {
    /// From now on the server takes nothing new: `/readyz` says so.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("karyaksham_flight");
        registry.register("calls", "Calls that ended, by method and code of gRPC", self.calls.clone());
        let help = "Duration of calls, of streams until the last message";
        registry.register_with_unit("call", help, Unit::Seconds, self.seconds.clone());
        registry.register("streams", "Streams that are being sent", self.streams.clone());
        let help = "Arrow data sent to clients";
        registry.register_with_unit("sent", help, Unit::Bytes, self.sent.clone());
        let help = "Encoded data on this machine's disk";
        registry.register_with_unit("spooled", help, Unit::Bytes, self.spooled.clone());
        let help = "Arrow data that came from there, decoded once for several pulls or ahead of its client";
        registry.register_with_unit("replayed", help, Unit::Bytes, self.replayed.clone());
        let help = "Stored data that was read from results' copies on this machine";
        registry.register_with_unit("copied", help, Unit::Bytes, self.copied.clone());
        registry.register("stored_rows", "Rows of tables that clients sent", self.stored_rows.clone());
        let help = "Objects stored for tables that clients sent";
        registry.register_with_unit("stored", help, Unit::Bytes, self.stored_bytes.clone());
        registry.register_with_unit("resident_memory", "Memory of this process", Unit::Bytes, Resident);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// Resident memory of this process, read when asked for.
#[derive(Debug)]
struct Resident;

impl EncodeMetric for Resident {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.encode_gauge(&resident_bytes().unwrap_or_default())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Resident {
    const TYPE: MetricType = MetricType::Gauge;
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()? * 1024)
}

/// Answer on this port until the runtime ends. A port that is taken is logged, never fatal: streams matter more.
pub async fn listen(address: SocketAddr) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let fields = json!({"port": address.port(), "error": error.to_string()});
            logging::event(log::Level::Error, "metrics_unavailable", &fields);
            return;
        }
    };
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // no file descriptor is free, for instance
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        tokio::spawn(async move {
            let answering = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(connection), service_fn(answer));
            // A client that breaks off does not matter.
            let _ = answering.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(at(request.uri().path(), &METRICS))
}

fn at(path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    let text = "text/plain; charset=utf-8";
    let (status, kind, body) = match path {
        "/metrics" => match metrics.text() {
            Ok(body) => (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, text, format!("{error}\n")),
        },
        "/readyz" if metrics.stopping.load(Ordering::Relaxed) => {
            (StatusCode::SERVICE_UNAVAILABLE, text, "the server stops\n".into())
        }
        "/healthz" | "/readyz" => (StatusCode::OK, text, "ok\n".into()),
        _ => (StatusCode::NOT_FOUND, text, "paths: /metrics /healthz /readyz\n".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        metrics.calls.get_or_create(&Ended { method: "DoGet", code: "Ok".into() }).inc();
        metrics.seconds.get_or_create(&Method { method: "DoGet" }).observe(0.2);
        metrics.sent.inc_by(12);
        metrics.streams.set(3);
        let text = metrics.text().unwrap();
        for line in [
            "karyaksham_flight_calls_total{method=\"DoGet\",code=\"Ok\"} 1",
            "karyaksham_flight_call_seconds_bucket{le=\"0.25\",method=\"DoGet\"} 1",
            "karyaksham_flight_sent_bytes_total 12",
            "karyaksham_flight_streams 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let resident = text.lines().find_map(|line| line.strip_prefix("karyaksham_flight_resident_memory_bytes "));
        assert!(resident.unwrap().parse::<u64>().unwrap() > 1_000_000);
    }

    #[test]
    fn a_server_that_stops_is_alive_but_not_ready() {
        let metrics = Metrics::default();
        assert_eq!(at("/readyz", &metrics).status(), StatusCode::OK);
        metrics.stop();
        assert_eq!(at("/readyz", &metrics).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(at("/healthz", &metrics).status(), StatusCode::OK);
        assert_eq!(at("/nothing", &metrics).status(), StatusCode::NOT_FOUND);
    }
}
