"""A worker is drained and resumed by an administrator; a job that is requeued under a worker is published once."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from graph.core import fleet
from graph.core.fleet import WorkerState
from graph.core.ids import uuid7
from tests.graph.client import User
from tests.workers.conftest import Running, StartWorker
from tests.workers.helpers import keys_of, make_dataset, rows_of, run_job, send, until, wait_for

DRAIN = """mutation ($input: DrainWorkerInput!) { drainWorker(input: $input) { __typename
  ... on DrainWorkerSuccess { worker { id state } } ... on Error { code } } }"""
RESUME = """mutation ($input: ResumeWorkerInput!) { resumeWorker(input: $input) { __typename
  ... on ResumeWorkerSuccess { worker { id state } } ... on Error { code } } }"""
REQUEUE = """mutation ($input: AdminRequeueJobInput!) { adminRequeueJob(input: $input) { __typename
  ... on AdminRequeueJobSuccess { job { status } } ... on Error { code } } }"""


def make_administrator(user: User) -> User:
    """The same person with the platform role ADMIN."""
    user.token = user.services.tokens.issue(user.id, uuid7(), user.workspace_id, "ADMIN")[0]
    return user


async def sign_of(user: User, running: Running, phase: str) -> WorkerState:
    """Wait until the worker says that it is in this phase."""

    async def look() -> WorkerState | None:
        workers = await fleet.read_workers(user.services.queue) or []
        return next((each for each in workers if each.id == running.worker.id), None)

    found = await until(look, lambda sign: sign is not None and sign.phase == phase, what=phase)
    assert found is not None
    return found


async def test_a_sign_of_life_tells_what_the_worker_does(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    # The row says so before the worker has heard that it got the job.
    await until(lambda: _jobs(running), lambda jobs: jobs != [], what="a job in hand")
    await running.worker.heartbeat.beat()
    sign = await sign_of(user, running, "ready")
    row, *_ = await rows_of(user, job)
    assert (sign.jobs, sign.running, row.worker_id) == ((row.id,), 1, sign.id)
    assert sign.version
    assert sign.started_at is not None
    assert sign.machine is not None
    assert 0 < sign.machine.disk_free <= sign.machine.disk_total
    send(running.worker.children.pids, signal.SIGCONT)
    await wait_for(user, job)
    await until(lambda: _jobs(running), lambda jobs: jobs == [], what="an empty list")


async def _jobs(running: Running) -> list[Any]:
    return running.worker.slots.jobs


async def test_a_drained_worker_finishes_and_takes_nothing_until_resumed(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    make_administrator(user)
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    first = await run_job(user, dataset)
    await wait_for(user, first, "RUNNING")
    await sign_of(user, running, "ready")
    answer = await user.ask(DRAIN, input={"id": running.worker.id})
    assert answer["worker"] == {"id": running.worker.id, "state": "READY"}
    await sign_of(user, running, "draining")
    second = await run_job(user, dataset)
    send(running.worker.children.pids, signal.SIGCONT)
    assert (await wait_for(user, first))["attempt"] == 1  # what ran is finished, not handed back
    await running.worker.sweeper.expire()  # looks for waiting jobs, in vain
    await asyncio.sleep(0.3)  # the bell has rung long ago
    waiting = (await rows_of(user, second))[0]
    assert (waiting.status, waiting.attempt) == ("PENDING", 0)
    assert not running.task.done()
    assert (await user.ask(RESUME, input={"id": running.worker.id}))["worker"]["state"] == "DRAINING"
    await sign_of(user, running, "ready")
    assert (await wait_for(user, second))["status"] == "SUCCEEDED"


async def test_a_worker_may_hand_its_jobs_back(user: User, start_worker: StartWorker) -> None:
    leaving = await start_worker()
    make_administrator(user)
    dataset = await make_dataset(user)
    send(leaving.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    await sign_of(user, leaving, "ready")
    await user.ask(DRAIN, input={"id": leaving.worker.id, "handBack": True})
    await wait_for(user, job, "PENDING")
    await start_worker()
    done = await wait_for(user, job)
    assert done["status"] == "SUCCEEDED"
    _, attempts, _, _ = await rows_of(user, job)
    assert [each.outcome for each in attempts] == ["DRAINED", "SUCCEEDED"]
    assert attempts[0].worker_id == leaving.worker.id != attempts[1].worker_id


async def test_an_order_outlives_the_memory_of_redis(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    make_administrator(user)
    await sign_of(user, running, "ready")
    await user.ask(DRAIN, input={"id": running.worker.id})
    await sign_of(user, running, "draining")
    await fleet.forget(user.services.queue, running.worker.id)
    await running.worker.heartbeat.beat()
    assert (await sign_of(user, running, "draining")).draining


async def test_orders_for_nobody_are_refused(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    make_administrator(user)
    await sign_of(user, running, "ready")
    assert (await user.ask(DRAIN, input={"id": "nobody"}))["code"] == "NOT_FOUND"
    await running.end()
    assert (await user.ask(RESUME, input={"id": running.worker.id}))["code"] == "NOT_FOUND"


async def test_a_job_requeued_under_its_worker_is_published_once(user: User, start_worker: StartWorker) -> None:
    running = await start_worker(worker_concurrency=1)
    make_administrator(user)
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    answer = await user.ask(REQUEUE, input={"id": job})
    assert answer["job"]["status"] == "PENDING"
    done = await wait_for(user, job)
    assert (done["status"], done["attempt"]) == ("SUCCEEDED", 2)
    row, attempts, events, _ = await rows_of(user, job)
    assert [each.outcome for each in attempts] == ["DRAINED", "SUCCEEDED"]
    assert [each.kind for each in events].count("published") == 1
    assert row.result is not None
    assert await keys_of(user, job) == sorted(item["key"] for item in row.result["files"])
