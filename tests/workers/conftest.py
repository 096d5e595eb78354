"""Workers on the real stack: in this process where a test looks inside, as processes where a test kills them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from graph.context import Services
from tests.graph.api_fixtures import app, services, stranger, user  # noqa: F401
from tests.processes import PATIENCE
from workers.main import WorkerProcess

ROOT = Path(__file__).resolve().parents[2]
# A lease outlasts a stall of a loaded machine, and ends soon enough for tests that wait for its end.
QUICK = {"lease_seconds": 5, "heartbeat_seconds": 0.5, "worker_concurrency": 2, "worker_drain_seconds": 0.2}


@dataclass
class Running:
    """A worker in this process."""

    worker: WorkerProcess
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        """Drain and stop it."""
        self.stop.set()
        await asyncio.wait_for(self.task, PATIENCE)


async def forget_jobs(services: Services) -> None:  # noqa: F811
    """End what other tests left unfinished, and their schedules, so that the slots are this test's alone."""
    async with services.db.system() as session:
        await session.execute(text("UPDATE schedules SET enabled = false, next_run_at = NULL WHERE enabled"))
        await session.execute(
            text("UPDATE jobs SET status = 'CANCELLED', lease_until = NULL WHERE status IN ('PENDING', 'RUNNING')")
        )


StartWorker = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start_worker(services: Services) -> AsyncIterator[StartWorker]:  # noqa: F811
    """Start workers in this process, with short leases; all are stopped afterwards."""
    started: list[Running] = []
    await forget_jobs(services)

    async def start(**changes: Any) -> Running:
        settings = services.settings.model_copy(update={**QUICK, **changes})
        worker, stop = WorkerProcess(settings), asyncio.Event()
        running = Running(worker, stop, asyncio.create_task(worker.serve(stop)))
        started.append(running)
        for _ in range(3000):
            if len(worker.children.pids) == settings.worker_concurrency and worker.serving.is_set():
                break
            assert not running.task.done(), running.task.exception()
            await asyncio.sleep(0.05)
        return running

    yield start
    for running in started:
        for pid in [*running.worker.children.pids, *running.worker.inspectors.pids]:
            with contextlib.suppress(ProcessLookupError):  # an engine may be ending at this moment
                os.kill(pid, signal.SIGCONT)
        if not running.task.done():
            await running.end()


@pytest.fixture
def spawn_worker(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start workers as processes of their own, with short leases."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(**changes: Any) -> subprocess.Popen[bytes]:
        quick = {name.upper(): str(value) for name, value in {**QUICK, **changes}.items()}
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.main"], cwd=ROOT, env={**os.environ, **quick}, stderr=output
            )
        started.append(process)
        deadline = time.monotonic() + PATIENCE
        while b"worker_ready" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        return process

    yield spawn
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
