"""Logs, metrics and traces of every process, and the ids that tie them together.

Logs are JSON lines with `request_id`, `job_id` and `trace_id` where known (`bind(job_id=…)`). Metrics stand in one
registry per process. Traces go to OTEL_EXPORTER_OTLP_ENDPOINT; without it no SDK is loaded and spans cost nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from graph.core.settings import Settings

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

API_SECONDS = Histogram(
    "karyaksham_api_request_seconds",
    "Latency of GraphQL operations.",
    ["operation", "kind"],
    buckets=_FAST,
    registry=REGISTRY,
)
API_ERRORS = Counter(
    "karyaksham_api_errors_total", "GraphQL operations with top-level errors.", ["operation", "code"], registry=REGISTRY
)
HTTP_REQUESTS = Counter(
    "karyaksham_http_requests_total", "HTTP requests by route and status.", ["route", "status"], registry=REGISTRY
)
SUBSCRIPTIONS = Gauge("karyaksham_subscriptions", "Open subscriptions.", ["operation"], registry=REGISTRY)
QUEUE_DEPTH = Gauge("karyaksham_queue_depth", "Jobs that wait for a worker.", registry=REGISTRY)
QUEUE_OLDEST_SECONDS = Gauge("karyaksham_queue_oldest_seconds", "Age of the oldest waiting job.", registry=REGISTRY)
JOBS = Gauge("karyaksham_jobs", "Jobs by status.", ["status"], registry=REGISTRY)
JOB_SECONDS = Histogram(
    "karyaksham_job_seconds", "Duration of attempts by outcome.", ["outcome"], buckets=_LONG, registry=REGISTRY
)
JOB_WAIT_SECONDS = Histogram(
    "karyaksham_job_wait_seconds", "Time that an attempt waited for a worker.", buckets=_LONG, registry=REGISTRY
)
JOBS_ENDED = Counter(
    "karyaksham_jobs_ended_total",
    "Jobs that workers ended. fault: none, user (the same job would fail again) or service (it might not).",
    ["status", "fault"],
    registry=REGISTRY,
)
for _labels in (("succeeded", "none"), ("cancelled", "none"), ("failed", "user"), ("failed", "service")):
    JOBS_ENDED.labels(*_labels)  # a series that begins with its first failure shows no increase
RETRIES = Counter("karyaksham_job_retries_total", "Attempts that failed and are repeated.", ["code"], registry=REGISTRY)
LEASE_EXPIRIES = Counter(
    "karyaksham_lease_expiries_total", "Attempts taken from a worker that fell silent.", registry=REGISTRY
)
STEP_SECONDS = Histogram(
    "karyaksham_step_seconds",
    "Duration of published attempts by the kinds of steps in them; each counts under every kind it has.",
    ["step"],
    buckets=_LONG,
    registry=REGISTRY,
)
STEP_BYTES = Counter(
    "karyaksham_step_bytes_total",
    "Bytes of published attempts by the kinds of steps in them; each counts under every kind it has.",
    ["step", "direction"],
    registry=REGISTRY,
)
ENGINE_MEMORY = Gauge(
    "karyaksham_engine_memory_bytes", "Resident memory of the worker's engine processes together.", registry=REGISTRY
)
ENGINE_MEMORY_LIMIT = Gauge(
    "karyaksham_engine_memory_limit_bytes", "Memory that the worker's jobs may have together.", registry=REGISTRY
)
ENGINE_MEMORY_PROMISED = Gauge(
    "karyaksham_engine_memory_promised_bytes", "Memory limits of the jobs in progress together.", registry=REGISTRY
)
SPILL = Gauge("karyaksham_spill_bytes", "What the worker's jobs in progress have spilled to disk.", registry=REGISTRY)
SPILL_FREE = Gauge("karyaksham_spill_free_bytes", "Room left where jobs spill.", registry=REGISTRY)
RESULT_COPIES = Gauge(
    "karyaksham_result_copies_bytes",
    "Copies of results on the worker's machine, those of all its workers.",
    registry=REGISTRY,
)
S3_SECONDS = Histogram(
    "karyaksham_s3_request_seconds",
    "Requests of API and workers to object storage, retries included; the engine's are not in it.",
    ["operation", "outcome"],
    buckets=_FAST,
    registry=REGISTRY,
)
WORKSPACE_BYTES = Gauge(
    "karyaksham_workspace_storage_bytes",
    "What the workspaces that store most keep; one worker at a time tells.",
    ["workspace", "kind"],
    registry=REGISTRY,
)
WORKSPACE_JOBS = Gauge(
    "karyaksham_workspace_jobs",
    "Jobs that wait or run, by workspace; one worker at a time tells.",
    ["workspace", "status"],
    registry=REGISTRY,
)
WEBHOOKS = Counter(
    "karyaksham_webhook_attempts_total", "Attempts to deliver a webhook.", ["outcome"], registry=REGISTRY
)
MAILS = Counter("karyaksham_mail_attempts_total", "Attempts to send a mail.", ["outcome"], registry=REGISTRY)
ENGINE_BYTES = Counter(
    "karyaksham_engine_bytes_total", "Bytes that the engine read and wrote.", ["direction"], registry=REGISTRY
)
ENGINE_ROWS = Counter(
    "karyaksham_engine_rows_total", "Rows of the engine: in, out, filtered, rejected.", ["kind"], registry=REGISTRY
)
ORPHANS = Counter(
    "karyaksham_orphans_total",
    "Objects and multipart uploads removed since no row points to them.",
    ["kind"],
    registry=REGISTRY,
)
ORPHAN_BYTES = Counter("karyaksham_orphan_bytes_total", "Size of the orphaned objects removed.", registry=REGISTRY)
EXPIRED = Counter("karyaksham_expired_total", "What went by the retention policy.", ["kind"], registry=REGISTRY)

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("karyaksham")


def configure(settings: Settings, service: str) -> None:
    """Set logs and traces of this process up; `service` is api, worker or flight."""
    _configure_logs(settings, service)
    if settings.otel_exporter_otlp_endpoint:
        _configure_traces(settings.otel_exporter_otlp_endpoint, service)


def _add_trace(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid and "trace_id" not in event:
        event["trace_id"] = format(context.trace_id, "032x")
    return event


def _configure_logs(settings: Settings, service: str) -> None:
    level = getattr(logging, settings.log_level)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    final: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        # the default formatter prints local variables, and with them secrets
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, _service(service), *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # what libraries log through the standard module takes the same way out
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _service(service)],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "arq"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)


def _service(name: str) -> structlog.typing.Processor:
    def add(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = name
        return event

    return add


def _configure_traces(endpoint: str, service: str) -> None:
    # the SDK takes 15 MB: loaded only where tracing is on
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"karyaksham-{service}"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def bind(**ids: Any) -> Iterator[None]:
    """Add ids to every log line inside the block, e.g. `job_id` and `attempt`."""
    with structlog.contextvars.bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        yield


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    link: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    **attributes: str | float | bool,
) -> Iterator[Span]:
    """Open a span; `parent` and `link` are traceparent texts (a retry links to the request, an attempt descends)."""
    context = _propagator.extract({"traceparent": parent}) if parent else None
    links = []
    if link:
        target = trace.get_current_span(_propagator.extract({"traceparent": link})).get_span_context()
        if target.is_valid:
            links.append(Link(target))
    with _tracer.start_as_current_span(name, context=context, kind=kind, links=links, attributes=attributes) as current:
        yield current


def traceparent() -> str | None:
    """W3C traceparent of the current span, to store on a job row; None when nothing is traced."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
