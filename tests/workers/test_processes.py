"""Worker processes that are killed, frozen and told to stop while they run a job."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from graph.context import Services
from tests.graph.client import User
from tests.processes import PATIENCE
from tests.workers.conftest import forget_jobs
from tests.workers.helpers import children_of, keys_of, look, make_dataset, rows_of, run_job, send, until, wait_for

Spawn = Callable[..., subprocess.Popen[bytes]]


async def start_frozen_job(user: User, worker: subprocess.Popen[bytes]) -> str:
    """Run a job whose engine stands still from the start."""
    dataset = await make_dataset(user)
    send(children_of(worker.pid), signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    return job


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_a_killed_workers_job_is_finished_by_another(user: User, services: Services, spawn_worker: Spawn) -> None:
    await forget_jobs(services)
    first = spawn_worker()
    job = await start_frozen_job(user, first)
    orphans = children_of(first.pid)
    first.kill()

    async def all_gone() -> bool:
        return all(gone(pid) for pid in orphans)

    # the children die with their worker although they are frozen and hear nothing
    await until(all_gone, bool, what="the end of the children")
    spawn_worker()
    done = await wait_for(user, job)
    assert done["status"] == "SUCCEEDED", done["error"]
    assert done["attempt"] == 2
    _, attempts, _, _ = await rows_of(user, job)
    assert [item.outcome for item in attempts] == ["LOST", "SUCCEEDED"]
    assert attempts[0].error is not None
    assert attempts[0].error["code"] == "LEASE_EXPIRED"


async def test_a_frozen_worker_that_wakes_up_publishes_nothing(
    user: User, services: Services, spawn_worker: Spawn
) -> None:
    await forget_jobs(services)
    first = spawn_worker()
    job = await start_frozen_job(user, first)
    children = children_of(first.pid)
    first.send_signal(signal.SIGSTOP)
    spawn_worker()
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 2)
    published = (await rows_of(user, job))[0].result
    send(children, signal.SIGCONT)  # the old engine writes its output to the end …
    first.send_signal(signal.SIGCONT)  # … and its worker tries to publish it
    other = await run_job(user, await make_dataset(user))
    await wait_for(user, other)
    row, attempts, events, _ = await rows_of(user, job)
    assert row.result == published
    assert [item.outcome for item in attempts] == ["LOST", "SUCCEEDED"]
    assert [item.kind for item in events].count("published") == 1
    assert row.result is not None
    assert all("/2-2/" in item["key"] for item in row.result["files"])
    keys = sorted(item["key"] for item in row.result["files"])
    assert (
        await until(lambda: keys_of(user, job), lambda found: found == keys, what="the end of the old output") == keys
    )


async def test_sigterm_hands_the_job_back_and_ends_with_code_0(
    user: User, services: Services, spawn_worker: Spawn
) -> None:
    await forget_jobs(services)
    worker = spawn_worker()
    job = await start_frozen_job(user, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE) == 0
    handed = await look(user, job)
    assert (handed["status"], handed["maxAttempts"]) == ("PENDING", 4)
