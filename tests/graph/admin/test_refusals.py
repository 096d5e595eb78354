"""What was refused stands in the audit log, within bounds, and can be exported as the rest."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import select
from starlette.applications import Starlette

from graph.context import Services
from graph.core.ids import from_global, to_global
from graph.core.refusals import Refusals
from graph.core.settings import Settings
from graph.models import AuditLog
from tests.graph.client import User
from tests.graph.users.asking import ME, PASSWORD, REFRESH, Browser, address

ADMIN = "{ adminUsers(first: 1) { edges { node { id } } } }"
DISABLE = """mutation ($input: SetUserDisabledInput!) { setUserDisabled(input: $input) {
  __typename ... on Error { code } } }"""
PIPELINE = """mutation ($input: CreatePipelineInput!) { createPipeline(input: $input) {
  __typename ... on Error { code } } }"""


async def rows(services: Services, **where: Any) -> list[AuditLog]:
    """Entries, oldest first."""
    await services.refusals.settled()
    async with services.db.system() as session:
        return list(await session.scalars(select(AuditLog).filter_by(**where).order_by(AuditLog.id)))


async def test_denied_access_names_who_and_what(app: Starlette, services: Services, user: User) -> None:
    assert (await user.post(ADMIN))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    target = {"id": to_global("User", user.id), "disabled": True}
    assert (await user.ask(DISABLE, input=target))["code"] == "FORBIDDEN"
    found = await rows(services, actor_id=user.id, action="access.refused")
    assert [row.data for row in found] == [
        {"code": "FORBIDDEN", "field": "adminUsers"},
        {"code": "FORBIDDEN", "field": "setUserDisabled"},
    ]
    assert all(row.address and row.request_id and row.workspace_id is None for row in found)


async def test_a_token_that_may_not_write_is_named(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    made = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
      ... on CreateApiTokenSuccess { token apiToken { id } } } }"""
    values = {"name": "t", "scopes": ["READ"]}
    answer = await browser.ask(made, opened["accessToken"], input=values)
    spec = {"name": "p", "spec": {"version": 1, "steps": []}}
    assert (await browser.ask(PIPELINE, answer["token"], input=spec))["code"] == "SCOPE_MISSING"
    (row,) = await rows(services, object_id=from_global(answer["apiToken"]["id"], "ApiToken"), action="access.refused")
    assert row.data == {"code": "SCOPE_MISSING", "field": "createPipeline"}
    assert row.actor_id == from_global(opened["user"]["id"], "User")


async def test_refused_tokens_are_noted_without_their_text(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    made_up = f"kar_{secrets.token_urlsafe(32)}"
    for token in (made_up, "a.b.c"):
        assert await browser.code(ADMIN, token) == "UNAUTHENTICATED"
    browser.http.cookies.set("karyaksham-refresh", f"{UUID(int=7).hex}.{made_up}")
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"
    found = await rows(services, address=browser.address)
    assert [row.action for row in found] == ["token.refused"] * 3
    texts = [json.dumps(row.data) for row in found]
    assert "API token" in texts[0]
    assert "refresh token" in texts[2]
    assert not any(made_up in text for text in texts)


async def test_nobody_is_noted_too_but_not_for_looking_whether_there_is_a_session(
    app: Starlette, services: Services
) -> None:
    browser = Browser(app)
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"
    assert await browser.ask(ME) is None
    assert await browser.code(ADMIN) == "UNAUTHENTICATED"
    (row,) = await rows(services, address=browser.address)
    assert (row.action, row.actor_id, row.data) == (
        "access.refused",
        None,
        {"code": "UNAUTHENTICATED", "field": "adminUsers"},
    )


async def test_another_workspace_is_noted(app: Starlette, services: Services, user: User, stranger: User) -> None:
    browser = Browser(app)
    headers = {"X-Workspace": to_global("Workspace", stranger.workspace_id)}
    body = await browser.post(ADMIN, user.token, headers=headers)
    assert body["errors"][0]["extensions"]["code"] == "WORKSPACE_UNKNOWN"
    assert [row.data for row in await rows(services, address=browser.address)] == [{"code": "WORKSPACE_UNKNOWN"}]


async def test_failed_log_ins_and_reached_limits(app: Starlette, services: Services) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    for _ in range(services.settings.login_rate_limit):
        assert (await browser.log_in(email, "wrong horse battery"))["code"] == "CREDENTIALS_WRONG"
    document = "mutation ($input: LogInInput!) { logIn(input: $input) { __typename } }"
    assert await browser.code(document, input={"email": email, "password": PASSWORD}) == "RATE_LIMITED"
    failed = await rows(services, actor_id=from_global(opened["user"]["id"], "User"), action="user.login_failed")
    assert len(failed) == services.settings.login_rate_limit
    (limited,) = await rows(services, address=browser.address, action="access.limited")
    assert limited.data == {"code": "RATE_LIMITED", "field": "logIn"}


async def test_plain_routes_are_noted(services: Services, user: User) -> None:
    headers = {"Authorization": f"Bearer {user.token}"}
    answer = await user.http.get("/export/audit", headers=headers)
    assert answer.status_code == 403
    (row,) = await rows(services, request_id=answer.headers["x-request-id"])
    assert (row.action, row.data) == ("access.refused", {"code": "FORBIDDEN", "path": "/export/audit"})


async def test_a_flood_adds_few_rows_and_is_counted(services: Services) -> None:
    refusals, mark = Refusals(services.db, 20), f"test.{secrets.token_hex(8)}"
    loud, quiet = secrets.token_hex(4), secrets.token_hex(4)
    with structlog.contextvars.bound_contextvars(address=loud):
        await asyncio.gather(*(refusals.write(mark, "FORBIDDEN") for _ in range(500)))
    # one address does not silence the others
    with structlog.contextvars.bound_contextvars(address=quiet):
        await refusals.write(mark, "FORBIDDEN")
    # nor do many addresses fill the table, whatever they are refused
    for number in range(100):
        with structlog.contextvars.bound_contextvars(address=f"{loud}-{number}"):
            await refusals.write(mark, f"CODE_{number}")
    found = await rows(services, action=mark)
    assert len(found) == 20
    assert sum(row.address == loud for row in found) == 2
    assert sum(row.address == quiet for row in found) == 1
    await refusals.close()
    summed = [row.data for row in (await rows(services, action=mark))[20:] if row.data]
    assert len(summed) <= 20
    assert {row["code"]: row["furtherTimes"] for row in summed}["FORBIDDEN"] == 498
    assert (await rows(services, action=mark))[-1].address is None


async def test_a_new_minute_begins_anew(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("graph.core.refusals.time.monotonic", lambda: now)
    refusals, mark = Refusals(services.db, 10), f"test.{secrets.token_hex(8)}"
    with structlog.contextvars.bound_contextvars(address="203.0.113.9"):
        for _ in range(5):
            await refusals.write(mark, "FORBIDDEN")
        assert len(await rows(services, action=mark)) == 1
        now += 60
        await refusals.write(mark, "FORBIDDEN")
    assert [row.data for row in await rows(services, action=mark)] == [
        {"code": "FORBIDDEN"},
        {"code": "FORBIDDEN", "furtherTimes": 4},
        {"code": "FORBIDDEN"},
    ]


async def test_without_postgresql_nothing_else_fails() -> None:
    from graph.core.db import Database

    gone = Database(Settings().database_url.replace("localhost", "127.0.0.1").replace(":5432", ":1"))
    try:
        await Refusals(gone, 10).write("access.refused", "FORBIDDEN")
    finally:
        await gone.close()


async def test_they_are_exported_as_the_rest(services: Services, user: User, administrator: User) -> None:
    await user.post(ADMIN)
    await services.refusals.settled()
    headers = {"Authorization": f"Bearer {administrator.token}"}
    query = {"action": "access.", "actor": to_global("User", user.id)}
    answer = await administrator.http.get("/export/audit", params=query, headers=headers)
    (entry,) = [json.loads(line) for line in answer.text.splitlines()]
    assert (entry["action"], entry["data"]["field"]) == ("access.refused", "adminUsers")
