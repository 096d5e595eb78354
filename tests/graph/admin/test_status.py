"""What administrators see, and that nobody else does."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.applications import Starlette

from graph.admin.service import WORKERS_KEY, read_workers
from graph.context import Services
from graph.core.ids import to_global, uuid7
from graph.models import Dataset, Job
from tests.graph.client import User

STATUS = """{ systemStatus { at queueDepth queueOldestSeconds jobs { status count }
  workers { id alive state slots running version startedAt jobIds
    machine { cores load memoryAvailableBytes diskFreeBytes } }
  storage { totalBytes datasetBytes resultBytes workspaces { workspaceId totalBytes datasetBytes resultBytes } }
  lastHour { jobsFinished jobsFailed errorRate bytesRead rowsIn }
  machine { cores load memoryTotalBytes memoryAvailableBytes diskFreeBytes apiMemoryBytes } } }"""


async def fresh(services: Services, person: User) -> Any:
    """Status that was not read before."""
    services.status._last = services.status._storage = None
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


async def test_storage_is_summed_up_by_workspace(services: Services, administrator: User, stranger: User) -> None:
    before = (await fresh(services, administrator))["storage"]
    workspace = stranger.workspace_id
    async with services.db.tenant(workspace) as session:
        results: list[Any] = [{"sizeBytes": 1_000, "rejects": {"sizeBytes": 30}}, {"sizeBytes": 200, "rejects": None}]
        for result in results:
            session.add(Job(workspace_id=workspace, name="j", spec={}, inputs=[], status="SUCCEEDED", result=result))
        session.add(Dataset(workspace_id=workspace, name="d", file_name="d", s3_key="k", size_bytes=10**15))
        gone = Dataset(
            workspace_id=workspace, name="d", file_name="d", s3_key=f"w/{workspace}/uploads/x/source", size_bytes=7
        )
        gone.deleted_at = datetime.now(UTC)
        session.add(gone)
    after = (await fresh(services, administrator))["storage"]
    own = next(each for each in after["workspaces"] if each["workspaceId"] == to_global("Workspace", workspace))
    assert (own["datasetBytes"], own["resultBytes"], own["totalBytes"]) == (10**15, 1_230, 10**15 + 1_230)
    assert after["workspaces"][0] == own  # the greatest first
    assert after["totalBytes"] - before["totalBytes"] == 10**15 + 1_230


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
        # the sign of a worker of an older version, which tells less
        told = {"id": names[0], "alive": True, "state": "READY", "slots": 2, "running": 1}
        assert seen[names[0]] == told | {"version": None, "startedAt": None, "jobIds": [], "machine": None}
        assert (seen[names[1]]["alive"], seen[names[1]]["state"]) == (False, "SILENT")
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
