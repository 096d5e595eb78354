"""What operators and probes see of the Flight server: metrics, readiness over HTTP, the health service of gRPC."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.flight.conftest import Server, free_port, start_flight
from tests.flight.raw import health
from tests.flight.test_do_get import parquet
from tests.flight.test_security import another
from tests.processes import PATIENCE

SERVICE = "arrow.flight.protocol.FlightService"
SERVING = 1
# larger than what network and server hold for a client that does not read
ROWS = 5_000_000


def samples(port: int) -> dict[tuple[str, ...], float]:
    """What `/metrics` tells, by name and the values of labels."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def test_streams_are_counted_while_they_run(server: Server, tmp_path: Path) -> None:
    big = server.ticket([server.put(parquet(pa.table({"n": np.arange(ROWS)})))])
    metrics = free_port()
    with another(server, tmp_path / "log", FLIGHT_METRICS_PORT=str(metrics)) as port:
        with fl.connect(f"grpc://127.0.0.1:{port}") as client:
            reader = client.do_get(fl.Ticket(big))
            reader.read_chunk()
            during = samples(metrics)
            assert during["karyaksham_flight_streams",] == 1
            assert 0 < during["karyaksham_flight_sent_bytes_total",] < ROWS * 8
            assert sum(chunk.data.num_rows for chunk in reader) > 0
            with pytest.raises(fl.FlightUnauthenticatedError):
                client.do_get(fl.Ticket(b"no ticket")).read_all()
        # the server notes the end when it has sent the last message
        deadline = time.monotonic() + PATIENCE
        while samples(metrics)["karyaksham_flight_streams",] > 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        after = samples(metrics)
        assert after["karyaksham_flight_sent_bytes_total",] >= ROWS * 8
        assert after["karyaksham_flight_calls_total", "Ok", "DoGet"] == 1
        assert sum(value for name, value in after.items() if name[0] == "karyaksham_flight_calls_total") == 2
        assert after["karyaksham_flight_call_seconds_count", "DoGet"] == 2


def test_a_server_that_stops_says_so_before_its_streams_end(server: Server, tmp_path: Path) -> None:
    big = server.ticket([server.put(parquet(pa.table({"n": np.arange(ROWS)})))])
    metrics = free_port()
    settings = server.settings.model_copy(update={"flight_port": free_port()})
    process = start_flight(settings, tmp_path / "log", FLIGHT_METRICS_PORT=str(metrics))
    location = f"grpc://127.0.0.1:{settings.flight_port}"
    ready = f"http://127.0.0.1:{metrics}/readyz"
    assert httpx.get(ready).text == "ok\n"
    assert [health(location, name) for name in ("", SERVICE)] == [SERVING, SERVING]
    with fl.connect(location) as client:
        reader = client.do_get(fl.Ticket(big))
        reader.read_chunk()
        process.terminate()
        deadline = time.monotonic() + PATIENCE
        while httpx.get(ready).status_code != 503:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert httpx.get(f"http://127.0.0.1:{metrics}/healthz").status_code == 200
        assert sum(chunk.data.num_rows for chunk in reader) > 0
    assert process.wait(PATIENCE) == 0


def test_a_taken_metrics_port_stops_no_server(server: Server, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        number = taken.getsockname()[1]
        with another(server, tmp_path / "log", FLIGHT_METRICS_PORT=str(number)) as port:
            assert health(f"grpc://127.0.0.1:{port}", SERVICE) == SERVING
    assert "metrics_unavailable" in (tmp_path / "log").read_text()
