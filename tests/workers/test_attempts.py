"""One worker and what may happen to its attempts: success, crash, cancel, drain, a job that crashes always."""

from __future__ import annotations

import asyncio
import signal
import time

import httpx
import pytest

from graph.core.ids import from_global
from tests.graph.client import User
from tests.processes import PATIENCE
from tests.workers.conftest import StartWorker
from tests.workers.helpers import (
    CANCEL,
    CSV,
    RETRY,
    keys_of,
    look,
    make_dataset,
    order,
    rows_of,
    run_job,
    send,
    spec,
    until,
    wait_for,
)
from workers import runner


async def test_a_job_from_order_to_download(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    done = await wait_for(user, job)
    assert done["status"] == "SUCCEEDED", done["error"]
    assert (done["attempt"], done["name"]) == (1, "orders.csv")
    result, ledger = done["result"], done["result"]["receipt"]
    assert (ledger["rowsIn"], ledger["rowsOut"], ledger["rowsFiltered"], ledger["rowsRejected"]) == (4, 2, 2, 0)
    assert result["rows"] == 2
    (file,) = result["files"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(file["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert "orders.csv" in answer.headers["content-disposition"]
    assert len(answer.content) == file["sizeBytes"] == result["sizeBytes"]
    assert [line.split(b",")[:2] for line in answer.content.splitlines()] == [
        [b"id", b"country"],
        [b"1", b"India"],
        [b"3", b"India"],
    ]
    row, attempts, events, logs = await rows_of(user, job)
    assert [key.split("/")[4] for key in await keys_of(user, job)] == ["1-1"]
    assert [(item.attempt, item.outcome) for item in attempts] == [(1, "SUCCEEDED")]
    assert [item.kind for item in events] == ["created", "claimed", "published"]
    assert [item.sequence for item in logs] == list(range(1, len(logs) + 1))
    assert logs[0].message == "Queued."
    assert "2 out" in logs[-1].message
    assert row.lease_until is None
    assert done["progress"]["fraction"] == 1.0


async def test_a_pipeline_that_fails_on_the_data_fails_once_and_says_where(
    user: User, start_worker: StartWorker
) -> None:
    await start_worker()
    dirty = b"id,country,amount\n1,India,10\n2,Nepal,7,surplus,fields\n3,India,250\n"
    dataset = await make_dataset(user, dirty)
    job = await run_job(user, dataset, spec={**spec(), "onBadRow": "fail"})
    done = await wait_for(user, job)
    assert done["status"] == "FAILED"
    assert done["attempt"] == 1
    assert (done["error"]["code"], done["error"]["row"]) == ("BAD_ROW", 3)
    assert done["error"]["retryable"] is False
    assert done["logs"]["nodes"][-1]["level"] == "ERROR"
    assert await keys_of(user, job) == []


async def test_a_crashed_engine_costs_one_attempt(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    before = running.worker.children.pids
    send(before, signal.SIGSTOP)  # so that the job is caught while it runs
    job = await run_job(user, dataset)
    while not any(child._current for child in running.worker.children._children):
        await asyncio.sleep(0.01)  # until an engine has been given the job
    send(before, signal.SIGKILL)
    done = await wait_for(user, job)
    assert done["status"] == "SUCCEEDED", done["error"]
    assert done["attempt"] == 2
    _, attempts, events, logs = await rows_of(user, job)
    assert [item.outcome for item in attempts] == ["CRASHED", "SUCCEEDED"]
    assert attempts[0].error is not None
    assert attempts[0].error["code"] == "ENGINE_CRASHED"
    assert "SIGKILL" in attempts[0].error["message"]
    assert [item.kind for item in events] == ["created", "claimed", "requeued", "claimed", "published"]
    assert any(item.level == "WARNING" for item in logs)
    assert not set(before) & set(running.worker.children.pids)


async def test_an_engine_that_always_crashes_ends_as_failed(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_concurrency=1)
    header, _, rows = CSV.partition(b"\n")
    dataset = await make_dataset(user, header + b"\n" + rows * 100_000)
    # milliards of pairs: the engine is never faster than the killer
    endless = {"sql": {"query": "SELECT a.id FROM input a JOIN input b ON a.country = b.country"}}
    job = await run_job(user, dataset, spec={"version": 1, "steps": [endless], "output": {"format": "parquet"}})
    killed: set[int] = set()
    done = await look(user, job)
    deadline = time.monotonic() + PATIENCE
    while done["status"] in {"PENDING", "RUNNING"} and time.monotonic() < deadline:
        fresh = [pid for pid in running.worker.children.pids if pid not in killed]
        send(fresh, signal.SIGKILL)
        killed |= set(fresh)
        await asyncio.sleep(0.002)
        done = await look(user, job)
    assert done["status"] == "FAILED"
    assert done["attempt"] == done["maxAttempts"] == 3
    assert done["error"]["code"] == "ENGINE_CRASHED"
    assert done["error"]["hint"]
    answer = await user.ask(RETRY, input={"id": job})
    assert answer["job"] == {"id": job, "status": "PENDING", "attempt": 3, "maxAttempts": 6, "error": None}
    await wait_for(user, job, "RUNNING")
    await user.ask(CANCEL, input={"id": job})
    assert (await wait_for(user, job))["status"] == "CANCELLED"


async def test_a_job_is_cancelled_although_its_engine_hears_nothing(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    frozen = running.worker.children.pids
    send(frozen, signal.SIGSTOP)  # an engine that hears nothing
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    answer = await user.ask(CANCEL, input={"id": job})
    assert answer["job"] == {"id": job, "status": "RUNNING", "cancelRequested": True}
    done = await wait_for(user, job)
    assert done["status"] == "CANCELLED"
    assert done["result"] is None
    assert done["error"] is None
    again = await user.ask(CANCEL, input={"id": job})
    assert again["job"]["status"] == "CANCELLED"
    send([pid for pid in frozen if pid in running.worker.children.pids], signal.SIGCONT)
    # the slot is free again and has a fresh child
    other = await run_job(user, dataset)
    assert (await wait_for(user, other))["status"] == "SUCCEEDED"


async def test_a_job_over_its_memory_limit_is_stopped(
    user: User, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    monkeypatch.setattr(runner, "memory_ceiling", lambda _: 1)  # whatever a child holds is too much now
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    done = await wait_for(user, job)
    assert done["status"] == "FAILED"
    assert done["error"]["code"] == "MEMORY_LIMIT_EXCEEDED"
    assert "JOB_MEMORY_LIMIT_BYTES" in done["error"]["hint"]


async def test_a_stopping_worker_hands_its_job_back_uncounted(user: User, start_worker: StartWorker) -> None:
    first = await start_worker()
    dataset = await make_dataset(user)
    send(first.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    await first.end()
    handed = await look(user, job)
    assert (handed["status"], handed["attempt"], handed["maxAttempts"]) == ("PENDING", 1, 4)
    await start_worker()
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 2)
    _, attempts, _, _ = await rows_of(user, job)
    assert [item.outcome for item in attempts] == ["DRAINED", "SUCCEEDED"]


async def test_a_stopping_worker_finishes_what_it_can(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_drain_seconds=20)
    dataset = await make_dataset(user)
    frozen = running.worker.children.pids
    send(frozen, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    ending = asyncio.create_task(running.end())
    await asyncio.sleep(0.3)
    send(frozen, signal.SIGCONT)
    await ending
    assert (await look(user, job))["status"] == "SUCCEEDED"


async def test_a_job_whose_bell_was_lost_is_found(user: User, start_worker: StartWorker) -> None:
    dataset = await make_dataset(user)
    job = await run_job(user, dataset)
    await user.services.queue.redis.flushdb()  # as if Redis had been restarted empty
    await start_worker()
    assert (await wait_for(user, job))["status"] == "SUCCEEDED"


async def test_a_worker_outlives_the_loss_of_its_redis_connections(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dataset = await make_dataset(user)
    for _ in range(3):
        await user.services.queue.redis.client_kill_filter(_type="normal", skipme=True)
        await user.services.queue.redis.client_kill_filter(_type="pubsub", skipme=True)
        job = await run_job(user, dataset)
        assert (await wait_for(user, job))["status"] == "SUCCEEDED"


async def test_a_deleted_data_set_fails_the_job_with_a_reason(user: User, start_worker: StartWorker) -> None:
    dataset = await make_dataset(user)
    job = await run_job(user, dataset)
    key = from_global(dataset, "Dataset")
    async with user.services.db.system() as session:
        from sqlalchemy import func, update

        from graph.models import Dataset

        await session.execute(update(Dataset).where(Dataset.id == key).values(deleted_at=func.now()))
    await start_worker()
    done = await wait_for(user, job)
    assert done["status"] == "FAILED"
    assert done["error"]["code"] == "INPUT_GONE"
    assert "`input`" in done["error"]["message"]
    assert (await order(user, dataset))["__typename"] == "NotFoundError"


async def test_many_small_jobs_share_two_slots(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dataset = await make_dataset(user)
    jobs = [await run_job(user, dataset) for _ in range(20)]
    for job in jobs:
        done = await wait_for(user, job)
        assert done["status"] == "SUCCEEDED", done["error"]
        assert done["attempt"] == 1


async def test_inspection_runs_in_a_child_beside_busy_slots(user: User, start_worker: StartWorker) -> None:
    from tests.graph.client import upload

    running = await start_worker()
    dataset = await make_dataset(user)
    frozen = running.worker.children.pids
    send(frozen, signal.SIGSTOP)
    jobs = [await run_job(user, dataset) for _ in frozen]
    for job in jobs:
        await wait_for(user, job, "RUNNING")
    fresh = await upload(user, b"x,y\n1,2\n", "fresh.csv")
    document = "query ($id: ID!) { dataset(id: $id) { status } }"
    seen = await until(lambda: user.ask(document, id=fresh["id"]), lambda found: found["status"] != "INSPECTING", 8)
    assert seen["status"] == "READY"
    send(frozen, signal.SIGCONT)
    for job in jobs:
        assert (await wait_for(user, job))["status"] == "SUCCEEDED"
