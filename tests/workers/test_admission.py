"""What a worker takes on: as many jobs as fit into its memory, each for as long as it may last."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from graph.core.fleet import WORKERS_KEY, WorkerState
from graph.core.machine_memory import control_group_bytes, machine_bytes
from graph.core.settings import MIB
from graph.jobs.leases import Leases
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CSV, job_uuid, keys_of, look, make_dataset, order, rows_of, run_job, send, wait_for
from workers.memory import Memory

GIB = 1024 * MIB
# milliards of pairs: it never ends by itself
ENDLESS = {"sql": {"query": "SELECT a.id FROM input a JOIN input b ON a.country = b.country"}}
ENDLESS_SPEC = {"version": 1, "steps": [ENDLESS], "output": {"format": "parquet"}}


async def test_two_slots_without_the_memory_for_two_jobs_run_one(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_memory_bytes=600 * MIB)
    slots = running.worker.slots
    dataset = await make_dataset(user)
    frozen = running.worker.children.pids
    send(frozen, signal.SIGSTOP)
    first = await run_job(user, dataset)
    await wait_for(user, first, "RUNNING")
    second = await run_job(user, dataset)
    small = await run_job(user, dataset, memoryLimitBytes=64 * MIB)
    # the other slot takes what fits, so it has passed the older job over
    await wait_for(user, small, "RUNNING")
    assert (await look(user, second))["status"] == "PENDING"
    assert slots.memory.free == (600 - 512 - 64) * MIB
    assert slots.free == 0
    await running.worker.heartbeat.beat()
    sign = orjson.loads(await user.services.queue.redis.hget(WORKERS_KEY, running.worker.id))
    assert (sign["memory_bytes"], sign["memory_free_bytes"]) == (600 * MIB, 24 * MIB)
    send(frozen, signal.SIGCONT)
    for job in (first, second, small):
        assert (await wait_for(user, job))["status"] == "SUCCEEDED"
    await running.end()
    assert slots.memory.free == slots.memory.total


async def test_a_small_machine_runs_the_usual_job_in_what_it_has(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_memory_bytes=200 * MIB)
    assert running.worker.slots.memory.default == 200 * MIB
    job = await run_job(user, await make_dataset(user))
    assert (await wait_for(user, job))["status"] == "SUCCEEDED"


async def test_what_no_worker_could_give_is_refused(user: User) -> None:
    dataset = await make_dataset(user)
    redis = user.services.queue.redis
    at = time.time() + 3600
    sign = WorkerState(id="small", host="h", pid=1, slots=1, running=0, at=at, memory_bytes=GIB)
    await redis.delete(WORKERS_KEY)  # a killed worker of another test may still count as living
    await redis.hset(WORKERS_KEY, sign.id, sign.to_json())
    try:
        answer = await order(user, dataset, memoryLimitBytes=2 * GIB)
        assert (answer["code"], answer["path"]) == ("MEMORY_UNAVAILABLE", ["memoryLimitBytes"])
        assert f"{GIB:,}" in answer["message"]
        await run_job(user, dataset, memoryLimitBytes=GIB)
    finally:
        await redis.hdel(WORKERS_KEY, "small")


async def test_a_job_that_waits_for_memory_that_no_worker_has_fails(user: User) -> None:
    services = user.services
    leases = Leases(services.db, services.storage, services.events, services.settings)
    dataset = await make_dataset(user)
    large = await run_job(user, dataset, memoryLimitBytes=4 * GIB)
    fits = await run_job(user, dataset, memoryLimitBytes=GIB)
    assert job_uuid(large) not in await leases.refuse_larger(2 * GIB)  # a larger worker may be about to start
    async with services.db.tenant(user.workspace_id) as session:
        await session.execute(text("UPDATE jobs SET next_attempt_at = now() - interval '2 minutes'"))
    refused = await leases.refuse_larger(2 * GIB)
    assert job_uuid(large) in refused
    assert job_uuid(fits) not in refused
    found = await look(user, large)
    assert (found["status"], found["attempt"], found["error"]["code"]) == ("FAILED", 0, "MEMORY_UNAVAILABLE")
    assert found["finishedAt"]
    _, _, events, logs = await rows_of(user, large)
    assert [item.kind for item in events] == ["created", "failed"]
    assert "2,147,483,648" in logs[-1].message


@pytest.mark.parametrize("frozen", [True, False], ids=["engine-that-hangs", "engine-at-work"])
async def test_an_attempt_ends_after_its_time_limit_and_is_not_repeated(
    user: User, start_worker: StartWorker, frozen: bool
) -> None:
    running = await start_worker(worker_concurrency=1)
    header, _, rows = CSV.partition(b"\n")
    dataset = await make_dataset(user, header + b"\n" + rows * 50_000)
    if frozen:
        send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset, spec=ENDLESS_SPEC, timeoutSeconds=1)
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"], done["error"]["code"]) == ("FAILED", 1, "JOB_TIMEOUT")
    assert done["error"]["retryable"] is False
    assert "1 s" in done["error"]["message"]
    assert await keys_of(user, job) == []
    _, attempts, events, _ = await rows_of(user, job)
    assert [item.outcome for item in attempts] == ["FAILED"]
    assert [item.kind for item in events] == ["created", "claimed", "failed"]
    # the slot and its memory are free again
    assert (await wait_for(user, await run_job(user, dataset)))["status"] == "SUCCEEDED"


async def test_no_job_outlasts_the_services_limit(user: User, start_worker: StartWorker) -> None:
    header, _, rows = CSV.partition(b"\n")
    dataset = await make_dataset(user, header + b"\n" + rows * 50_000)
    await start_worker(job_time_limit_seconds=1)
    jobs = [
        await run_job(user, dataset, spec=ENDLESS_SPEC),
        await run_job(user, dataset, spec=ENDLESS_SPEC, timeoutSeconds=80_000),
    ]
    for job in jobs:
        assert (await wait_for(user, job))["error"]["code"] == "JOB_TIMEOUT"


def test_memory_is_the_least_of_machine_and_control_groups(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/service/worker\n")
    root = tmp_path / "fs"
    (root / "service" / "worker").mkdir(parents=True)
    assert control_group_bytes(root, membership) is None
    (root / "service" / "worker" / "memory.max").write_text("max\n")
    assert control_group_bytes(root, membership) is None
    (root / "service" / "memory.max").write_text("1000000\n")
    assert control_group_bytes(root, membership) == 1_000_000
    (root / "memory.max").write_text("900000\n")
    assert control_group_bytes(root, membership) == 900_000
    # version 1, and a path that only the host knows
    membership.write_text("5:cpu,cpuacct:/a\n7:memory:/docker/abc\n")
    (root / "memory").mkdir()
    (root / "memory" / "memory.limit_in_bytes").write_text("800000\n")
    assert control_group_bytes(root, membership) == 800_000
    assert control_group_bytes(root, tmp_path / "none") is None


def test_a_worker_takes_a_share_of_its_machine_or_what_it_is_told() -> None:
    from graph.core.settings import Settings

    whole = Memory(Settings.model_validate({}))
    assert 64 * MIB <= whole.total < machine_bytes()
    told = Memory(Settings.model_validate({"worker_memory_bytes": 700 * MIB}))
    assert (told.total, told.default) == (700 * MIB, 512 * MIB)
    told.take(650 * MIB)
    assert told.short
    told.give_back(650 * MIB)
    assert (told.room.free, told.short) == (700 * MIB, False)
