"""The audit log as a file: complete, in order, filtered, in bounded memory, for administrators, and itself audited."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from graph.admin.export import BATCH, COLUMNS, AuditExport
from graph.admin.repository import AuditFilter
from graph.core.audit import record
from graph.core.ids import to_global, uuid7
from graph.core.viewer import Viewer
from graph.models import AuditLog
from graph.models import User as UserRow
from tests.graph.client import User


@pytest.fixture
def admin(administrator: User) -> User:
    """An administrator."""
    return administrator


async def get(who: User, **query: Any) -> Any:
    headers = {"Authorization": f"Bearer {who.token}"} if who.token else {}
    return await who.http.get("/export/audit", params=query, headers=headers)


async def write(who: User, action: str, number: int = 1, **data: Any) -> None:
    async with who.services.db.system() as session:
        for _ in range(number):
            await record(session, action, actor_id=who.id, workspace_id=None, data=data or None)


async def test_it_is_complete_and_in_order_over_many_batches(admin: User) -> None:
    mark = f"test.{uuid7().hex}"
    await write(admin, mark, 2 * BATCH + 1)
    answer = await get(admin, action=mark)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    assert "karyaksham-audit.ndjson" in answer.headers["content-disposition"]
    entries = [json.loads(line) for line in answer.text.splitlines()]
    async with admin.services.db.system() as session:
        rows = list(await session.scalars(select(AuditLog.id).where(AuditLog.action == mark).order_by(AuditLog.id)))
    assert [each["id"] for each in entries] == [to_global("AuditEntry", row) for row in rows]
    assert len(rows) == 2 * BATCH + 1
    assert list(entries[0]) == list(COLUMNS)
    assert entries[0]["actorId"] == to_global("User", admin.id)
    assert "@example.org" in entries[0]["actorEmail"]


async def test_it_holds_one_batch_at_a_time(admin: User) -> None:
    mark = f"test.{uuid7().hex}"
    await write(admin, mark, 2 * BATCH + 1)
    viewer = Viewer(admin.id, admin.workspace_id, "OWNER", "ADMIN", frozenset({"read", "write"}))
    lines = await AuditExport(admin.services.db).begin(viewer, AuditFilter(action=mark), "ndjson")
    assert [chunk.count(b"\n") async for chunk in lines] == [BATCH, BATCH, 1]


async def test_filters(admin: User, stranger: User) -> None:
    mark = f"test.{uuid7().hex}"
    for who, name in ((admin, "one"), (admin, "two"), (stranger, "one")):
        await write(who, f"{mark}.{name}")

    async def found(**query: str) -> list[str]:
        return [json.loads(line)["action"] for line in (await get(admin, **query)).text.splitlines()]

    assert await found(action=f"{mark}.") == [f"{mark}.one", f"{mark}.two", f"{mark}.one"]
    assert await found(action=f"{mark}.two") == [f"{mark}.two"]
    async with admin.services.db.system() as session:
        email = (await session.scalars(select(UserRow.email).where(UserRow.id == stranger.id))).one()
    for actor in (to_global("User", stranger.id), email):
        assert await found(action=f"{mark}.", actor=actor) == [f"{mark}.one"]
    now = datetime.now(UTC)
    assert await found(action=f"{mark}.", until=(now - timedelta(hours=1)).isoformat()) == []
    assert await found(action=f"{mark}.", since=(now + timedelta(hours=1)).isoformat()) == []
    around = {"since": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    assert len(await found(action=f"{mark}.", **around)) == 3


async def test_csv_reads_back_and_holds_no_formula(admin: User) -> None:
    mark = f"=test.{uuid7().hex}"
    await write(admin, mark, name='a "quoted", line\nbroken', more="ü")
    answer = await get(admin, format="csv", action=mark)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    header, row = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert tuple(header) == COLUMNS
    entry = dict(zip(header, row, strict=True))
    assert entry["action"] == f"'{mark}"
    assert json.loads(entry["data"]) == {"name": 'a "quoted", line\nbroken', "more": "ü"}
    assert entry["workspaceId"] == ""


async def test_the_export_is_audited_with_its_filters(admin: User) -> None:
    mark = f"test.{uuid7().hex}"
    assert (await get(admin, action=mark)).text == ""
    async with admin.services.db.system() as session:
        query = select(AuditLog).where(AuditLog.action == "audit.export", AuditLog.actor_id == admin.id)
        (row,) = await session.scalars(query)
    assert row.data is not None
    assert (row.data["format"], row.data["action"]) == ("ndjson", mark)
    assert row.data["until"]


async def test_nobody_else_gets_it(admin: User, stranger: User) -> None:
    refused = await get(stranger)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    stranger.token = ""
    assert (await get(stranger)).status_code == 401
    async with admin.services.db.system() as session:
        query = select(AuditLog.id).where(AuditLog.action == "audit.export", AuditLog.actor_id == stranger.id)
        assert (await session.scalars(query)).all() == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"since": "yesterday"}, 400, "TIME_INVALID"),
        ({"until": "0001-01-01T00:00+14:00"}, 400, "TIME_INVALID"),
        ({"format": "xml"}, 400, "QUERY_UNKNOWN"),
        ({"action": ["user.", "job."]}, 400, "QUERY_UNKNOWN"),
        ({"sinse": "2026-01-01"}, 400, "QUERY_UNKNOWN"),
        ({"actor": "nobody@example.org"}, 404, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_asked(admin: User, query: dict[str, str], status: int, code: str) -> None:
    answer = await get(admin, **query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
