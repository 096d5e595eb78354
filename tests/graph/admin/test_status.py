"""What administrators see, and that nobody else does."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from graph.admin.service import WORKERS_KEY, read_workers
from graph.context import Services
from graph.core.ids import uuid7
from graph.models import Job
from tests.graph.client import User

STATUS = """{ systemStatus { at queueDepth queueOldestSeconds jobs { status count } workers { id alive slots running }
  lastHour { jobsFinished jobsFailed errorRate bytesRead rowsIn }
  machine { cores load memoryTotalBytes memoryAvailableBytes diskFreeBytes apiMemoryBytes } } }"""


@pytest.fixture
def administrator(user: User) -> User:
    """Somebody with the platform role ADMIN."""
    user.token = user.services.tokens.issue(user.id, uuid7(), user.workspace_id, "ADMIN")[0]
    return user


async def fresh(services: Services, person: User) -> Any:
    """Status that was not read before."""
    services.status._last = None
    return await person.ask(STATUS)


async def test_ordinary_users_and_strangers_are_refused(app: Starlette, user: User) -> None:
    body = await user.post(STATUS)
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    user.token = "x"
    assert (await user.post(STATUS))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_jobs_of_all_workspaces_are_counted(services: Services, administrator: User, stranger: User) -> None:
    before = await fresh(services, administrator)
    async with services.db.tenant(stranger.workspace_id) as session:
        for status, extra in (
            ("PENDING", {}),
            ("FAILED", {}),
            ("SUCCEEDED", {"bytesRead": 5_000_000_000, "rowsIn": 3}),
        ):
            job = Job(workspace_id=stranger.workspace_id, name="j", spec={}, inputs=[], status=status)
            if status != "PENDING":
                from datetime import UTC, datetime

                job.finished_at, job.result = datetime.now(UTC), extra or None
            session.add(job)
    after = await fresh(services, administrator)

    def counts(answer: Any) -> dict[str, int]:
        return {each["status"]: each["count"] for each in answer["jobs"]}

    grown = {status: counts(after)[status] - counts(before)[status] for status in counts(after)}
    assert grown == {"PENDING": 1, "RUNNING": 0, "SUCCEEDED": 1, "FAILED": 1, "CANCELLED": 0}
    assert after["queueDepth"] == before["queueDepth"] + 1
    assert after["queueOldestSeconds"] >= 0
    hour = after["lastHour"]
    assert hour["bytesRead"] - before["lastHour"]["bytesRead"] == 5_000_000_000
    assert 0 < hour["errorRate"] < 1
    machine = after["machine"]
    assert 0 < machine["memoryAvailableBytes"] < machine["memoryTotalBytes"]
    assert machine["apiMemoryBytes"] > 10_000_000


async def test_workers_by_their_signs_of_life(services: Services, administrator: User) -> None:
    redis, names = services.queue.redis, [f"test-{uuid7()}" for _ in range(3)]
    signs: list[Any] = [
        {"id": names[0], "host": "h", "pid": 1, "slots": 2, "running": 1, "at": time.time()},
        {"id": names[1], "host": "h", "pid": 2, "slots": 2, "running": 0, "at": time.time() - 40},
        {"broken": True},
    ]
    try:
        for name, sign in zip(names, signs, strict=True):
            await redis.hset(WORKERS_KEY, name, orjson.dumps(sign).decode())
        seen = {each["id"]: each for each in (await fresh(services, administrator))["workers"]}
        assert seen[names[0]] == {"id": names[0], "alive": True, "slots": 2, "running": 1}
        assert not seen[names[1]]["alive"]
        assert names[2] not in seen
    finally:
        await redis.hdel(WORKERS_KEY, *names)


async def test_without_redis_the_rest_is_still_shown(services: Services) -> None:
    from graph.core.queue import Queue
    from graph.core.settings import Settings

    queue = Queue(Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"}))
    try:
        assert await read_workers(queue) is None
    finally:
        await queue.close()
