"""Subscriptions about jobs over both protocols: snapshot first, nothing twice, the last state always, then the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from graph.core.errors import ServiceUnavailable
from graph.core.events import job_channel, workspace_channel
from graph.core.ids import to_global
from graph.jobs.service import JobService
from graph.models import Job
from graph.subscriptions import streams
from tests.graph.client import User
from tests.graph.live import Socket, stream
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CANCEL, job_uuid, make_dataset, run_job, send, wait_for

UPDATED = """subscription ($id: ID!) { jobUpdated(id: $id) {
  id status sequence attempt progress { fraction } error { code } result { rows files { url } } } }"""
CHANGED = "subscription { jobsChanged { id status sequence } }"
LOG = "subscription ($id: ID!, $after: String) { jobLog(id: $id, after: $after) { cursor sequence message } }"


def follow(protocol: str, url: str, user: User, document: str, **variables: Any) -> AsyncIterator[dict[str, Any]]:
    """Subscribe over a protocol."""
    if protocol == "sse":
        return stream(url, user, document, **variables)

    async def over_socket() -> AsyncIterator[dict[str, Any]]:
        socket = await Socket.open(url, user.token)
        try:
            async for payload in socket.subscribe(document, **variables):
                yield payload
        finally:
            await socket.close()

    return over_socket()


@pytest.mark.parametrize("protocol", ["ws", "sse"])
async def test_a_job_is_followed_to_its_end(user: User, url: str, start_worker: StartWorker, protocol: str) -> None:
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    seen = [payload["data"]["jobUpdated"] async for payload in follow(protocol, url, user, UPDATED, id=job)]
    assert seen[0]["sequence"] >= 1
    numbers = [state["sequence"] for state in seen]
    assert numbers == sorted(set(numbers))
    assert seen[-1]["status"] == "SUCCEEDED"
    assert [state["status"] for state in seen].count("SUCCEEDED") == 1
    assert seen[-1]["result"]["rows"] == 2
    assert seen[-1]["result"]["files"][0]["url"].startswith("http")


@pytest.mark.parametrize("protocol", ["ws", "sse"])
async def test_an_ended_job_gives_its_state_and_completes(
    user: User, url: str, start_worker: StartWorker, protocol: str
) -> None:
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    await wait_for(user, job)
    seen = [payload["data"]["jobUpdated"] async for payload in follow(protocol, url, user, UPDATED, id=job)]
    assert [state["status"] for state in seen] == ["SUCCEEDED"]


async def test_many_subscribers_all_get_the_last_state(user: User, url: str, start_worker: StartWorker) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)

    async def last() -> str:
        states = [item["data"]["jobUpdated"]["status"] async for item in follow("ws", url, user, UPDATED, id=job)]
        return str(states[-1])

    waiting = [asyncio.create_task(last()) for _ in range(10)]
    await asyncio.sleep(0.3)
    send(running.worker.children.pids, signal.SIGCONT)
    assert set(await asyncio.gather(*waiting)) == {"SUCCEEDED"}


async def test_the_last_state_comes_even_when_redis_says_nothing(
    user: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.3)
    job = await run_job(user, await make_dataset(user))
    updates = follow("ws", url, user, UPDATED, id=job)
    assert (await anext(updates))["data"]["jobUpdated"]["status"] == "PENDING"
    from sqlalchemy import text

    async with user.services.db.system() as session:  # a change without any notice
        await session.execute(
            text("UPDATE jobs SET status = 'FAILED', sequence = sequence + 1 WHERE id = :id"), {"id": job_uuid(job)}
        )
    rest = [payload["data"]["jobUpdated"]["status"] async for payload in updates]
    assert rest == ["FAILED"]


async def test_a_stream_outlives_an_outage_of_the_database(
    user: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await run_job(user, await make_dataset(user))
    updates = follow("ws", url, user, UPDATED, id=job)
    await anext(updates)
    read, failures = JobService.get, [ServiceUnavailable("PostgreSQL")] * 2

    async def flaky(self: JobService, workspace_id: UUID, job_id: UUID) -> Job | None:
        if failures:
            raise failures.pop()
        return await read(self, workspace_id, job_id)

    monkeypatch.setattr(JobService, "get", flaky)
    await user.ask(CANCEL, input={"id": job})
    rest = [payload["data"]["jobUpdated"]["status"] async for payload in updates]
    assert rest == ["CANCELLED"]
    assert failures == []


async def test_stale_notices_are_dropped(user: User, url: str) -> None:
    job = await run_job(user, await make_dataset(user))
    updates = follow("ws", url, user, UPDATED, id=job)
    first = (await anext(updates))["data"]["jobUpdated"]
    for _ in range(5):
        await user.services.events.publish_job(job_uuid(job), user.workspace_id, first["sequence"])
    await user.ask(CANCEL, input={"id": job})
    rest = [payload["data"]["jobUpdated"] async for payload in updates]
    assert [state["status"] for state in rest] == ["CANCELLED"]


async def test_nobody_follows_anothers_job(user: User, stranger: User, url: str) -> None:
    job = await run_job(user, await make_dataset(user))
    absent = to_global("Job", job_uuid(job).__class__(int=1))
    answers = []
    for gid in (job, absent, "nonsense"):
        payloads = [payload async for payload in follow("ws", url, stranger, UPDATED, id=gid)]
        answers.append(payloads)
        assert len(payloads) == 1
        assert payloads[0]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert not payloads[0].get("data")
        logs = [payload async for payload in follow("ws", url, stranger, LOG, id=gid)]
        assert logs[0]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert answers[0] == answers[1] == answers[2]


async def test_the_workspace_view_shows_unfinished_jobs_then_changes(user: User, stranger: User, url: str) -> None:
    dataset = await make_dataset(user)
    waiting = await run_job(user, dataset)
    changes = follow("ws", url, user, CHANGED)
    assert (await anext(changes))["data"]["jobsChanged"]["id"] == waiting
    fresh = await run_job(user, dataset)
    assert (await anext(changes))["data"]["jobsChanged"]["id"] == fresh
    await run_job(stranger, await make_dataset(stranger))  # is nobody else's business
    await user.ask(CANCEL, input={"id": waiting})
    state = (await anext(changes))["data"]["jobsChanged"]
    assert (state["id"], state["status"]) == (waiting, "CANCELLED")
    with contextlib.suppress(RuntimeError):
        await changes.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", ["ws", "sse"])
async def test_a_log_is_whole_live_and_resumable(
    user: User, url: str, start_worker: StartWorker, protocol: str
) -> None:
    running = await start_worker()
    dataset = await make_dataset(user)
    send(running.worker.children.pids, signal.SIGSTOP)
    job = await run_job(user, dataset)
    await wait_for(user, job, "RUNNING")
    lines: list[dict[str, Any]] = []
    async for payload in follow(protocol, url, user, LOG, id=job):
        lines.append(payload["data"]["jobLog"])
        if len(lines) == 2:
            send(running.worker.children.pids, signal.SIGCONT)
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["message"] == "Queued."
    assert lines[-1]["message"].startswith("Finished")
    rest = [
        payload["data"]["jobLog"]
        async for payload in follow(protocol, url, user, LOG, id=job, after=lines[1]["cursor"])
    ]
    assert rest == lines[2:]
    broken = [payload async for payload in follow(protocol, url, user, LOG, id=job, after="zzz")]
    assert broken[0]["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


async def test_streams_leave_no_listener_behind(user: User, url: str) -> None:
    job = await run_job(user, await make_dataset(user))
    updates, changes = follow("ws", url, user, UPDATED, id=job), follow("ws", url, user, CHANGED)
    await anext(updates)
    await anext(changes)
    subscribers = user.services.events._subscribers
    assert user.services.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # none waits with a session
    assert job_channel(job_uuid(job)) in subscribers
    await updates.aclose()  # type: ignore[attr-defined]
    await changes.aclose()  # type: ignore[attr-defined]
    for _ in range(100):
        if not {job_channel(job_uuid(job)), workspace_channel(user.workspace_id)} & set(subscribers):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still listening: {list(subscribers)}")


async def test_anonymous_callers_follow_nothing(user: User, url: str) -> None:
    job = await run_job(user, await make_dataset(user))
    anonymous = User(user.http, user.services, "not-a-token", user.id, user.workspace_id)
    payloads = [payload async for payload in stream(url, anonymous, UPDATED, id=job)]
    assert payloads[0]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
