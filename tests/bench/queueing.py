"""Many jobs at once: how fast they go, who waits how long, and what a claim costs with a long queue. Reports only."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from graph.core.db import Database
from graph.core.events import Events
from graph.core.ids import uuid7
from graph.core.storage import Storage
from graph.jobs.leases import Leases
from tests.bench.load import Client, percentile
from tests.stack import RUN_JOB, Account, backends_in

CLIENTS = 10
JOBS = """query($after: String) { jobs(first: 100, after: $after) {
  nodes { id status createdAt startedAt } pageInfo { hasNextPage endCursor } } }"""
UNFINISHED = "query { jobs(first: 1, status: [PENDING, RUNNING]) { nodes { id } } }"
ADD_USER = "INSERT INTO users (id, email, name, password_hash) VALUES (:id, :email, 'bench', 'x')"
ADD_WORKSPACE = "INSERT INTO workspaces (id, name, owner_id) VALUES (:id, 'bench', :owner)"
# ids in the order of time, as the service's are: the jobs that are next lie together
ADD_JOBS = """INSERT INTO jobs (id, workspace_id, name, spec, inputs, next_attempt_at)
  SELECT uuidv7(), :workspace, 'bench', '{}', '[]', now() - n * interval '1 ms'
  FROM generate_series(1, :n) n"""


async def submit(account: Account, spec: Mapping[str, Any], dataset: str, number: int) -> None:
    """Send so many runJobs over ten connections."""
    variables = {"i": {"spec": spec, "inputs": [{"name": "input", "datasetId": dataset}]}}
    left = iter(range(number))

    async def loop() -> None:
        client = await Client(account.graphql_url, str(account.token)).open()
        request = client.encode(RUN_JOB, variables)
        for _ in left:
            body = await client.send(request)
            if b'"RunJobSuccess"' not in body:
                raise RuntimeError(body.decode())
        client.close()

    await asyncio.gather(*(loop() for _ in range(CLIENTS)))


async def until_done(account: Account) -> None:
    """Wait until no job is pending or running."""
    client = await Client(account.graphql_url, str(account.token)).open()
    request = client.encode(UNFINISHED, {})
    while json.loads(await client.send(request))["data"]["jobs"]["nodes"]:
        await asyncio.sleep(0.05)
    client.close()


async def watched(account: Account, work: Callable[[], Awaitable[None]]) -> list[float]:
    """Milliseconds of a metadata query, asked twenty times a second while the work is done, ascending."""
    client = await Client(account.graphql_url, str(account.token)).open()
    request = client.encode("query { jobs(first: 20) { nodes { id status createdAt } } }", {})
    task = asyncio.ensure_future(work())
    took = []
    while not task.done():
        started = time.perf_counter()
        await client.send(request)
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.05)
    client.close()
    await task
    return sorted(took)


def waits(account: Account, number: int) -> tuple[list[float], int]:
    """Seconds that the newest jobs waited for a worker, ascending, and how many of them succeeded."""
    seconds: list[float] = []
    succeeded = 0
    after: str | None = None
    while len(seconds) < number:
        page = account.gql(JOBS, {"after": after})["jobs"]
        for node in page["nodes"][: number - len(seconds)]:
            begun, made = (datetime.fromisoformat(node[name]) for name in ("startedAt", "createdAt"))
            seconds.append((begun - made).total_seconds())
            succeeded += node["status"] == "SUCCEEDED"
        after = page["pageInfo"]["endCursor"]
    return sorted(seconds), succeeded


def measure_many(account: Account, spec: Mapping[str, Any], dataset: str) -> list[str]:
    """A hundred empty jobs, then two hundred with somebody looking on."""

    async def all_of(number: int) -> None:
        await submit(account, spec, dataset, number)
        await until_done(account)

    asyncio.run(all_of(4))  # warm
    started = time.perf_counter()
    asyncio.run(all_of(100))
    hundred = time.perf_counter() - started
    started = time.perf_counter()
    took = asyncio.run(watched(account, lambda: all_of(200)))
    two_hundred = time.perf_counter() - started
    seconds, succeeded = waits(account, 200)
    median, most = statistics.median(seconds), seconds[-1]
    return [
        f"100 empty jobs at once, over {CLIENTS} connections, from the first runJob until none is unfinished: "
        f"{hundred:.1f} s",
        "",
        f"200 at once: {two_hundred:.1f} s, {succeeded} succeeded; jobs(first: 20) meanwhile, asked {len(took)} times: "
        f"p50 {percentile(took, 0.5):.0f} ms, p99 {percentile(took, 0.99):.0f} ms; wait for a worker: median "
        f"{median:.2f} s, longest {most:.2f} s ({most / max(median, 1e-9):.1f} times)",
    ]


def measure_claims() -> list[str]:
    """A claim and its end, with 10 and with 10,000 jobs queued, and with the queue spread over 500 workspaces."""
    with tempfile.TemporaryDirectory() as folder, backends_in(Path(folder) / "data") as backends:
        return asyncio.run(_claims(backends.settings))


async def _claims(settings: Any) -> list[str]:
    db, events = Database(settings.database_url), Events(settings)
    storage = Storage(settings)
    leases = Leases(db, storage, events, settings)
    lines = ["| queued at the end | workspaces | claim p50 ms | claim p99 ms |", "| --- | --- | --- | --- |"]
    try:
        for queued, workspaces in ((10, 1), (10_000, 1), (10_000, 500)):
            async with db.system() as session:
                await session.execute(text("DELETE FROM workspaces"))
                owner = uuid7()
                await session.execute(text(ADD_USER), {"id": owner, "email": f"{owner}@example.org"})
                for _ in range(workspaces):
                    workspace = uuid7()
                    await session.execute(text(ADD_WORKSPACE), {"id": workspace, "owner": owner})
                    # as many more as are taken while we measure
                    many = {"workspace": workspace, "n": queued // workspaces + (210 if workspaces == 1 else 0)}
                    await session.execute(text(ADD_JOBS), many)
            took = sorted([await _claim(leases) for _ in range(210)][10:])
            lines.append(f"| {queued:,} | {workspaces} | {percentile(took, 0.5):.1f} | {percentile(took, 0.99):.1f} |")
    finally:
        await storage.close()
        await events.close()
        await db.close()
    return lines


async def _claim(leases: Leases) -> float:
    """Milliseconds of one claim; its attempt ends at once."""
    started = time.perf_counter()
    work = await leases.claim("bench")
    took = (time.perf_counter() - started) * 1000
    if work is None:
        raise RuntimeError("nothing was claimed")
    await leases.fail(work, {"code": "BENCH", "message": "of no matter", "retryable": False})
    return took
