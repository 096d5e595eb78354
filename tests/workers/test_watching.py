"""What operators see of a worker: metrics, health, signs of life, traces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from graph.core.errors import ServiceUnavailable
from graph.jobs.requests import result_from_report
from tests.graph.client import User
from tests.processes import PATIENCE
from tests.workers.conftest import StartWorker
from tests.workers.helpers import make_dataset, rows_of, run_job, until, wait_for
from workers.heartbeat import WORKERS_KEY
from workers.progress import PENDING_LINES_MAX, Reporter
from workers.runner import ChildProcess
from workers.spill import SPILL_PREFIX
from workers.tasks import run_job as run_job_module


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_metrics_and_health_of_a_worker(user: User, start_worker: StartWorker) -> None:
    port = free_port()
    await start_worker(worker_metrics_port=port)
    job = await run_job(user, await make_dataset(user))
    await wait_for(user, job)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/healthz")).text == "ok\n"
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/nothing")).status_code == 404
        text = (await client.get("/metrics")).text
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert values['karyaksham_job_seconds_count{outcome="succeeded"}'] >= 1
    assert values['karyaksham_engine_rows_total{kind="in"}'] >= 4
    assert values['karyaksham_engine_bytes_total{direction="read"}'] >= 67
    assert "karyaksham_queue_depth" in values
    assert "karyaksham_queue_oldest_seconds" in values


async def test_a_worker_is_ready_when_its_engines_are(start_worker: StartWorker, monkeypatch: Any) -> None:
    """Whoever waits for it, as an upgrade does, does not end the old one before the new one can run a job."""
    port, gate, start = free_port(), asyncio.Event(), ChildProcess.start

    async def held() -> ChildProcess:
        await gate.wait()
        return await start()

    monkeypatch.setattr(ChildProcess, "start", held)
    starting = asyncio.create_task(start_worker(worker_metrics_port=port))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def answer() -> httpx.Response | None:
            with contextlib.suppress(httpx.ConnectError):
                return await client.get("/readyz")
            return None

        early = await until(answer, lambda found: found is not None, PATIENCE)
        assert early is not None
        assert (early.status_code, early.text.strip()) == (503, "The engine's processes are starting.")
        assert (await client.get("/healthz")).status_code == 200
        gate.set()
        await starting
        assert (await client.get("/readyz")).status_code == 200


async def test_a_taken_metrics_port_stops_no_worker(user: User, start_worker: StartWorker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        await start_worker(worker_metrics_port=taken.getsockname()[1])
        job = await run_job(user, await make_dataset(user))
        assert (await wait_for(user, job))["status"] == "SUCCEEDED"


async def test_signs_of_life_come_and_go(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()

    async def sign() -> dict[str, Any] | None:
        raw = await user.services.queue.redis.hget(WORKERS_KEY, running.worker.id)  # type: ignore[misc]
        return None if raw is None else orjson.loads(raw)

    seen = await until(sign, lambda found: found is not None, 5)
    assert seen is not None
    assert (seen["pid"], seen["slots"], seen["running"]) == (os.getpid(), 2, 0)
    await running.end()
    assert await sign() is None


async def test_a_trace_leads_from_the_request_to_the_engine(user: User, start_worker: StartWorker) -> None:
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    await wait_for(user, job)
    row, *_ = await rows_of(user, job)
    assert row.traceparent is not None
    trace_id = int(row.traceparent.split("-")[1], 16)

    async def spans() -> dict[str, Any]:
        return {item.name: item for item in exporter.get_finished_spans() if item.context.trace_id == trace_id}

    found = await until(spans, lambda names: {"job.create", "job.attempt", "engine.run"} <= set(names), 5)
    assert found["job.attempt"].parent.span_id == found["job.create"].context.span_id
    assert found["engine.run"].parent.span_id == found["job.attempt"].context.span_id
    assert found["engine.run"].attributes["engine.rowsIn"] == 4


async def test_an_unreachable_database_loses_no_result(user: User, start_worker: StartWorker, monkeypatch: Any) -> None:
    running = await start_worker()
    leases = running.worker.leases
    publish, failures = leases.publish, 3

    async def flaky(*args: Any) -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise ServiceUnavailable("PostgreSQL")
        return await publish(*args)

    monkeypatch.setattr(leases, "publish", flaky)
    job = await run_job(user, await make_dataset(user))
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 1)
    assert failures == 0


async def test_the_lease_is_kept_while_a_child_is_awaited(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_concurrency=1)
    dataset = await make_dataset(user)
    async with running.worker.children.child():  # as if every child had just crashed
        job = await run_job(user, dataset)
        await wait_for(user, job, "RUNNING")
        row, *_ = await rows_of(user, job)

        async def renewed() -> Any:
            return (await rows_of(user, job))[0].lease_until

        await until(renewed, lambda until_: until_ != row.lease_until, what="a renewal")
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 1)


async def test_a_worker_without_room_to_spill_says_so(user: User, start_worker: StartWorker, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    await start_worker(spill_dir=str(file / "spill"))
    job = await run_job(user, await make_dataset(user))
    done = await wait_for(user, job)
    assert (done["status"], done["error"]["code"]) == ("FAILED", "SPILL_UNAVAILABLE")
    assert "SPILL_DIR" in done["error"]["hint"]


async def test_a_bug_of_the_worker_fails_the_attempt_at_once(
    user: User, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]

    def result(*args: Any, **kwargs: Any) -> Any:
        if broken:
            broken.pop()
            raise KeyError("rowsIn")
        return result_from_report(*args, **kwargs)

    monkeypatch.setattr(run_job_module, "result_from_report", result)
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 2)
    _, attempts, _, _ = await rows_of(user, job)
    assert attempts[0].error is not None
    assert attempts[0].error["code"] == "INTERNAL_ERROR"


async def test_spilled_data_is_removed(user: User, start_worker: StartWorker, tmp_path: Path) -> None:
    old = tmp_path / f"{SPILL_PREFIX}old"
    old.mkdir()
    os.utime(old, (0, 0))
    await start_worker(spill_dir=str(tmp_path))
    assert not old.exists()  # what a killed worker left behind long ago
    job = await run_job(user, await make_dataset(user))
    await wait_for(user, job)
    assert list(tmp_path.iterdir()) == []


def test_a_reporter_keeps_every_line_and_the_newest_counters() -> None:
    reporter = Reporter()
    assert not reporter.fresh
    reporter.update({"rowsIn": 1, "stage": "scan"})
    reporter.update({"rowsIn": 2, "stage": "scan", "rowsRejected": 0})
    reporter.update({"rowsIn": 3, "stage": "write", "rowsRejected": 1})
    lines = reporter.take()
    assert [line[1] for line in lines[:2]] == ["Engine: scan.", "Engine: write."]
    assert (lines[2][0], len(lines)) == ("WARNING", 3)
    assert reporter.progress["rowsIn"] == 3
    assert not reporter.fresh
    reporter.give_back(lines)
    assert reporter.fresh
    for number in range(1000):
        reporter.line("INFO", str(number))
    assert len(reporter.take()) == PENDING_LINES_MAX
