"""Traces from request to job row, logs as JSON with ids and without secrets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette

from graph.core import telemetry
from tests.graph.users.asking import ME, Browser


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Spans of this test; the tracer of the module, since a process sets its provider once only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    return exporter


async def test_a_request_continues_the_callers_trace(app: Starlette, spans: InMemorySpanExporter) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await Browser(app).post(ME, headers={"traceparent": parent})
    (found,) = spans.get_finished_spans()
    assert found.name == "query me"
    assert format(found.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert found.parent is not None
    assert format(found.parent.span_id, "016x") == "b7ad6b7169203331"
    assert found.kind is trace.SpanKind.SERVER


async def test_a_broken_traceparent_is_ignored(app: Starlette, spans: InMemorySpanExporter) -> None:
    await Browser(app).post(ME, headers={"traceparent": "00-zz"})
    assert spans.get_finished_spans()[0].parent is None


def test_first_attempt_descends_and_retries_link(spans: InMemorySpanExporter) -> None:
    with telemetry.span("request"):
        carried = telemetry.traceparent()
    assert carried is not None
    with telemetry.span("attempt 1", parent=carried):
        pass
    with telemetry.span("attempt 2", link=carried):
        pass
    request, first, second = spans.get_finished_spans()
    assert first.context.trace_id == request.context.trace_id
    assert second.context.trace_id != request.context.trace_id
    assert [link.context.span_id for link in second.links] == [request.context.span_id]


def test_without_tracing_there_is_no_traceparent() -> None:
    assert telemetry.traceparent() is None


PROGRAM = """
import logging
from graph.core import telemetry
from graph.core.settings import Settings
import structlog
secret = "hunter2"
telemetry.configure(Settings(log_format={format!r}), "worker")
log = structlog.get_logger()
with telemetry.bind(job_id="j1"):
    log.info("done", rows=3)
    logging.getLogger("library").warning("from a library %s", 1)
    log.debug("unseen")
try:
    raise RuntimeError("boom")
except RuntimeError as error:
    log.error("failed", exc_info=error)
"""


def logged(log_format: str) -> str:
    """What a process writes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(format=log_format)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_logs_are_json_with_ids() -> None:
    lines = [json.loads(line) for line in logged("json").splitlines()]
    assert [line["event"] for line in lines] == ["done", "from a library 1", "failed"]
    assert all(line["service"] == "worker" and line["timestamp"] and line["level"] for line in lines)
    assert lines[0]["job_id"] == lines[1]["job_id"] == "j1"
    assert lines[0]["rows"] == 3
    assert "RuntimeError: boom" in lines[2]["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_show_no_local_variables(log_format: str) -> None:
    text = logged(log_format)
    assert "boom" in text
    assert "hunter2" not in text.replace('secret = "hunter2"', "")


TRACED = """
from graph.core import telemetry
from graph.core.settings import Settings
telemetry.configure(Settings(otel_exporter_otlp_endpoint={endpoint!r}), "api")
with telemetry.span("work"):
    print(telemetry.traceparent())
"""


def test_spans_reach_the_collector() -> None:
    posted: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Silence."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program = TRACED.format(endpoint=f"http://127.0.0.1:{server.server_port}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        server.shutdown()
    ((path, body),) = posted
    assert path == "/v1/traces"
    raw = zlib.decompress(body, 31) if body[:2] == b"\x1f\x8b" else body
    trace_id = bytes.fromhex(done.stdout.split("-")[1])
    assert b"karyaksham-api" in raw
    assert trace_id in raw
