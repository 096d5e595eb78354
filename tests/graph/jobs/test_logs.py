"""A log reads the same whether its lines stand in rows, in an object, or in both; nothing is lost on the way."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update

from graph.context import Services
from graph.core.ids import to_global, uuid7
from graph.jobs import logs
from graph.jobs.logs import LogKeeper
from graph.jobs.service import JobService
from graph.models import Job, JobEvent, JobLog
from graph.retention.service import RetentionService
from tests.graph.client import User

LOGS = """query ($id: ID!, $first: Int!, $after: String) { job(id: $id) { logs(first: $first, after: $after) {
  nodes { cursor sequence at attempt level message fields } pageInfo { hasNextPage endCursor } } } }"""
EVENTS = """query ($id: ID!, $first: Int!, $after: String) { job(id: $id) { events(first: $first, after: $after) {
  nodes { sequence at kind status attempt data } pageInfo { hasNextPage endCursor } } } }"""
NONE = timedelta(days=-1)


async def make_job(user: User, lines: int, status: str = "FAILED") -> Job:
    """An ended job with so many lines."""
    job = Job(id=uuid7(), workspace_id=user.workspace_id, name="j", spec={}, inputs=[], status=status)
    job.log_sequence, job.finished_at, job.attempt = lines, datetime.now(UTC), 1
    async with user.services.db.tenant(user.workspace_id) as session:
        session.add(job)
        await session.flush()
        session.add_all([line(job, number) for number in range(1, lines + 1)])
    return job


def line(job: Job, number: int) -> JobLog:
    """A line."""
    fields = {"n": number, "ü": "\n"} if number % 2 else None
    row = JobLog(workspace_id=job.workspace_id, job_id=job.id, sequence=number, attempt=1, level="INFO")
    row.message, row.fields = f"Line {number}\nand ü more.", fields
    return row


async def keep_all(services: Services) -> None:
    """Keep the logs of all ended jobs, however young."""
    while await LogKeeper(services.db, services.storage).keep(NONE):
        pass


async def read(user: User, job: Job, first: int = 7) -> list[dict[str, Any]]:
    """The whole log, page by page."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        answer = await user.ask(LOGS, id=to_global("Job", job.id), first=first, after=after)
        found += answer["logs"]["nodes"]
        if not answer["logs"]["pageInfo"]["hasNextPage"]:
            return found
        after = answer["logs"]["pageInfo"]["endCursor"]


async def rows_left(services: Services, job: Job) -> int:
    """Lines in rows."""
    async with services.db.system() as session:
        return int(await session.scalar(select(func.count()).where(JobLog.job_id == job.id)) or 0)


async def current(services: Services, job: Job) -> Job:
    """The row now."""
    async with services.db.system() as session:
        return (await session.scalars(select(Job).where(Job.id == job.id))).one()


@pytest.fixture(autouse=True)
def forget_logs() -> None:
    """Read objects, not memory."""
    logs._cache.clear()


async def test_a_log_reads_the_same_from_its_object(services: Services, user: User, stranger: User) -> None:
    job = await make_job(user, 25)
    before = await read(user, job)
    assert [each["sequence"] for each in before] == list(range(1, 26))
    assert await LogKeeper(services.db, services.storage).keep() == 0  # young ones stay in rows
    await keep_all(services)
    assert await rows_left(services, job) == 0
    assert await read(user, job) == before
    assert await read(user, job, first=100) == before
    row = await current(services, job)
    assert row.log_key is not None
    packed = await services.storage.get(row.log_key)
    assert packed is not None
    assert [orjson.loads(text)["sequence"] for text in gzip.decompress(packed).splitlines()] == list(range(1, 26))
    assert await stranger.ask(LOGS, id=to_global("Job", job.id), first=1) is None


async def test_a_job_that_runs_again_keeps_all_its_lines(services: Services, user: User) -> None:
    job = await make_job(user, 10)
    await keep_all(services)
    first_key = (await current(services, job)).log_key
    async with services.db.tenant(user.workspace_id) as session:
        session.add_all([line(job, number) for number in range(11, 16)])
        await session.execute(update(Job).where(Job.id == job.id).values(log_sequence=15, status="RUNNING"))
    both = await read(user, job)
    assert [each["sequence"] for each in both] == list(range(1, 16))
    await keep_all(services)
    assert await rows_left(services, job) == 5  # it has not ended
    async with services.db.tenant(user.workspace_id) as session:
        await session.execute(update(Job).where(Job.id == job.id).values(status="SUCCEEDED"))
    await keep_all(services)
    row = await current(services, job)
    assert (await rows_left(services, job), row.log_archived) == (0, 15)
    assert first_key != row.log_key
    assert first_key is not None
    assert await services.storage.head(first_key) is None
    logs._cache.clear()
    assert await read(user, job) == both


async def test_a_line_written_meanwhile_is_not_lost(
    services: Services, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await make_job(user, 3)
    put = services.storage.put

    async def slow(key: str, data: bytes) -> None:
        await put(key, data)
        if str(job.id) in key:  # a person deletes or repeats the job while the object is written
            async with services.db.tenant(user.workspace_id) as session:
                session.add(line(job, 4))
                await session.execute(update(Job).where(Job.id == job.id).values(log_sequence=4))

    monkeypatch.setattr(services.storage, "put", slow)
    await LogKeeper(services.db, services.storage).keep(NONE)
    monkeypatch.setattr(services.storage, "put", put)
    assert await rows_left(services, job) == 4
    assert [each["sequence"] for each in await read(user, job)] == [1, 2, 3, 4]
    await keep_all(services)
    assert [each["sequence"] for each in await read(user, job)] == [1, 2, 3, 4]


async def test_readers_miss_nothing_while_logs_move(services: Services, user: User) -> None:
    job = await make_job(user, 40)
    expected = list(range(1, 41))
    moving = asyncio.create_task(keep_all(services))
    seen = 0
    while not moving.done() or seen < 3:
        logs._cache.clear()
        assert [each["sequence"] for each in await read(user, job, first=100)] == expected
        seen += 1
    await moving


async def test_the_stream_of_a_log_goes_on_behind_its_object(services: Services, user: User) -> None:
    job = await make_job(user, 12)
    await keep_all(services)
    jobs = JobService(services.db, services.storage, services.queue, services.events, services.settings)
    after, seen = 3, []
    while lines := await jobs.logs_after(user.workspace_id, job.id, after, 4):
        seen += [each.sequence for each in lines]
        after = lines[-1].sequence
    assert seen == list(range(4, 13))


async def test_a_log_that_expired_is_empty(services: Services, user: User) -> None:
    job = await make_job(user, 3)
    await keep_all(services)
    row = await current(services, job)
    key, old = row.log_key, datetime.now(UTC) - timedelta(days=40)
    assert key is not None
    settings = services.settings.model_copy(update={"retention_logs_days": 30})
    retention = RetentionService(services.db, services.storage, services.events, settings)
    await retention.expire_logs()
    assert await services.storage.head(key) is not None
    moved = uuid7().int & ((1 << 80) - 1) | (int(old.timestamp() * 1000) << 80)
    from uuid import UUID

    async with services.db.system() as session:
        values = {"id": UUID(int=moved), "finished_at": old}
        await session.execute(update(Job).where(Job.id == job.id).values(**values))
    job.id = UUID(int=moved)
    await retention.expire_logs()
    assert await services.storage.head(key) is None
    assert await read(user, job) == []


async def test_the_history_is_paged(services: Services, user: User) -> None:
    job = await make_job(user, 0)
    async with services.db.tenant(user.workspace_id) as session:
        for sequence, kind in ((1, "created"), (2, "claimed"), (9, "failed")):
            event = JobEvent(workspace_id=user.workspace_id, job_id=job.id, sequence=sequence, kind=kind, attempt=1)
            event.status, event.data = "FAILED", {"code": "X"} if kind == "failed" else None
            session.add(event)
    page = (await user.ask(EVENTS, id=to_global("Job", job.id), first=2))["events"]
    assert [(each["sequence"], each["kind"]) for each in page["nodes"]] == [(1, "created"), (2, "claimed")]
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    rest = (await user.ask(EVENTS, id=to_global("Job", job.id), first=2, after=after))["events"]
    assert [(each["kind"], each["data"]) for each in rest["nodes"]] == [("failed", {"code": "X"})]
