"""What KEDA asks PostgreSQL, asked here: on real rows, by the role that ops/setup/scaler.sql makes for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import URL, make_url

from graph.core.ids import uuid7
from tests.ops.kubernetes.chart import of_kind
from tests.ops.scaler import SCALER_PASSWORD, make_scaler
from tests.stack import Backends

# what the chart renders, by the trigger's name
TRIGGERS: dict[str, Any] = {
    each["name"]: each for each in of_kind("plain", "ScaledObject")["karyaksham-worker"]["spec"]["triggers"]
}


class Queue:
    """One connection in a transaction that never commits: other tests see none of it, nor it their changes."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def ask(self, trigger: str) -> float:
        """The one number that a trigger reads, with the rights of KEDA's role."""
        await self.run("SET LOCAL ROLE karyaksham_scaler")
        (row,) = await self._connection.fetch(TRIGGERS[trigger]["metadata"]["query"])
        await self.run("SET LOCAL ROLE karyaksham_system")
        (value,) = row
        assert isinstance(value, float)
        return value

    async def run(self, statement: str, *values: object) -> None:
        await self._connection.execute(statement, *values)

    async def put(self, table: str, **values: object) -> UUID:
        """Add a row; returns its id."""
        made = uuid7()
        row = {"id": made, **values}
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())
        return made

    async def workspace(self, most: int | None = None) -> UUID:
        owner = await self.put("users", email=f"{uuid7()}@example.com", name="Somebody", password_hash="-")
        return await self.put("workspaces", name="w", owner_id=owner, max_running_jobs=most)

    async def jobs(self, workspace: UUID, number: int, *, status: str = "PENDING", waited: int = 0) -> None:
        begin = await self._connection.fetchval("SELECT now() - make_interval(secs => $1)", float(waited))
        for each in range(number):
            slot = each if status == "RUNNING" else None
            known = {"workspace_id": workspace, "name": "j", "spec": "{}", "inputs": "[]", "status": status}
            await self.put("jobs", **known, workspace_slot=slot, next_attempt_at=begin)


@pytest.fixture
async def queue(backends: Backends, scaler: None) -> AsyncIterator[Queue]:
    async with asking(backends) as connection:
        found = Queue(connection)
        await found.run("UPDATE jobs SET status = 'CANCELLED' WHERE status IN ('PENDING', 'RUNNING')")
        await found.run("UPDATE schedules SET enabled = false")
        await found.run("UPDATE webhook_deliveries SET status = 'FAILED' WHERE status = 'PENDING'")
        await found.run("UPDATE mails SET status = 'SENT' WHERE status = 'PENDING'")
        await found.run("UPDATE datasets SET status = 'READY' WHERE status = 'INSPECTING'")
        yield found


@pytest.fixture(scope="module")
def scaler(backends: Backends) -> None:
    """The role, made twice, since an operator may."""
    for _ in range(2):
        make_scaler(backends.settings.owner_database_url)


async def connected(url: URL, **instead: str) -> asyncpg.Connection:
    who = {"user": url.username, "password": url.password} | instead
    return await asyncpg.connect(host=url.host, port=url.port, database=url.database, **who)


@asynccontextmanager
async def asking(backends: Backends) -> AsyncIterator[asyncpg.Connection]:
    """As a superuser, who can take both roles: what one adds is not committed before the other counts it."""
    connection = await connected(make_url(backends.settings.owner_database_url))
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET LOCAL ROLE karyaksham_system")
        yield connection
        await transaction.rollback()
    finally:
        await connection.close()


async def test_the_role_logs_in_and_can_do_nothing_but_count(backends: Backends, scaler: None) -> None:
    url = make_url(backends.settings.database_url)
    connection = await connected(url, user="karyaksham_scaler", password=SCALER_PASSWORD)
    try:
        for trigger in TRIGGERS.values():
            assert len(await connection.fetch(trigger["metadata"]["query"])) == 1
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        assert len(tables) > 20
        for (table,) in tables:
            for statement in ("SELECT * FROM {}", "INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement.format(table))
        for statement in (
            *(
                "SELECT name FROM jobs",
                "SELECT spec FROM jobs",
                "SELECT name FROM workspaces",
                "SELECT url FROM webhooks",
            ),
            *("SELECT recipient FROM mails", "UPDATE jobs SET status = 'FAILED'", "SET ROLE karyaksham_system"),
            "CREATE TABLE public.mine (n int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_role_sees_only_what_waits_or_runs(queue: Queue) -> None:
    workspace = await queue.workspace()
    await queue.jobs(workspace, 2)
    await queue.jobs(workspace, 3, status="SUCCEEDED")
    await queue.put("mails", kind="PASSWORD_CHANGED", recipient="a@example.org", status="SENT")
    await queue.run("SET LOCAL ROLE karyaksham_scaler")
    counted = "SELECT (SELECT count(*) FROM jobs WHERE workspace_id = $1), (SELECT count(*) FROM mails)"
    assert tuple(await queue._connection.fetchrow(counted, workspace)) == (2, 0)


async def test_nothing_waits(queue: Queue) -> None:
    assert await queue.ask("places") == 0
    assert await queue.ask("oldest") == 0


async def test_jobs_that_wait_and_those_that_run_need_places(queue: Queue) -> None:
    one, other = await queue.workspace(), await queue.workspace()
    await queue.jobs(one, 3)
    await queue.jobs(other, 2, status="RUNNING")
    assert await queue.ask("places") == 5
    # a claim moves a job, and takes no worker away
    first = "(SELECT min(id::text)::uuid FROM jobs WHERE status = 'PENDING')"
    await queue.run(f"UPDATE jobs SET status = 'RUNNING', workspace_slot = 9 WHERE id = {first}")
    assert await queue.ask("places") == 5


async def test_a_workspace_gets_no_more_places_than_its_limit(queue: Queue) -> None:
    await queue.jobs(await queue.workspace(2), 50)
    await queue.jobs(await queue.workspace(), 500)
    assert await queue.ask("places") == 2 + 100  # WORKSPACE_MAX_RUNNING_JOBS


async def test_who_waits_for_his_own_limit_asks_for_no_more_workers(queue: Queue) -> None:
    full = await queue.workspace(1)
    await queue.jobs(full, 1, status="RUNNING")
    await queue.jobs(full, 5, waited=900)
    assert await queue.ask("places") == 1
    assert await queue.ask("oldest") == 0
    await queue.jobs(await queue.workspace(), 1, waited=300)
    assert 299 <= await queue.ask("oldest") < 330


async def test_an_attempt_that_is_put_off_does_not_count_yet(queue: Queue) -> None:
    await queue.jobs(await queue.workspace(), 2, waited=-600)
    assert (await queue.ask("places"), await queue.ask("oldest")) == (0, 0)


async def test_one_worker_for_what_else_only_workers_do(queue: Queue) -> None:
    workspace = await queue.workspace()
    of = {"workspace_id": workspace}
    pipeline = await queue.put("pipelines", **of, name="p")
    schedule = await queue.put(
        "schedules", **of, pipeline_id=pipeline, cron="0 0 * * *", time_zone="UTC", inputs="[]", next_run_at=None
    )
    assert await queue.ask("places") == 0
    await queue.run("UPDATE schedules SET next_run_at = now() + interval '1 hour' WHERE id = $1", schedule)
    assert await queue.ask("places") == 0
    await queue.run("UPDATE schedules SET next_run_at = now() WHERE id = $1", schedule)
    assert await queue.ask("places") == 1
    await queue.run("UPDATE schedules SET enabled = false WHERE id = $1", schedule)

    hook = await queue.put("webhooks", **of, url="https://example.com", events=[], secret=b"-")
    await queue.put("webhook_deliveries", **of, webhook_id=hook, event="job.failed", snapshot="{}")
    assert await queue.ask("places") == 1
    # nothing is sent to a webhook that is turned off
    await queue.run("UPDATE webhooks SET enabled = false WHERE id = $1", hook)
    assert await queue.ask("places") == 0

    mail = await queue.put("mails", kind="PASSWORD_CHANGED", recipient="a@example.org")
    assert await queue.ask("places") == 1
    await queue.run("UPDATE mails SET status = 'SENT' WHERE id = $1", mail)
    assert await queue.ask("places") == 0

    await queue.put("datasets", **of, name="d", file_name="d.csv", s3_key="k", size_bytes=1)
    await queue.jobs(workspace, 1)
    assert await queue.ask("places") == 2


def test_a_worker_is_wanted_for_each_so_many_places() -> None:
    places, oldest = TRIGGERS["places"], TRIGGERS["oldest"]
    assert (places["metricType"], places["metadata"]["targetQueryValue"]) == ("AverageValue", "2")
    assert (oldest["metricType"], oldest["metadata"]["targetQueryValue"]) == ("Value", "60")
    # one place that is needed wakes the first worker
    assert {each["metadata"]["activationTargetQueryValue"] for each in TRIGGERS.values()} == {"0"}
