"""Administrators list, disable and enable accounts, and see what the last hours did; nobody else does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from graph.core.ids import to_global
from graph.models import AuditLog
from graph.models import User as UserRow
from tests.graph.admin.test_operations import make_job
from tests.graph.client import User
from tests.graph.users.asking import CREATE_TOKEN

LIST = """query ($search: String, $after: String, $first: Int = 5) {
  adminUsers(first: $first, search: $search, after: $after) {
    nodes { id email name role disabledAt } pageInfo { hasNextPage endCursor } } }"""
SET = """mutation ($input: SetUserDisabledInput!) { setUserDisabled(input: $input) { __typename
  ... on SetUserDisabledSuccess { user { id disabledAt } } ... on Error { code path } } }"""
HISTORY = """query ($hours: Int!) { throughputHistory(hours: $hours) {
  start seconds jobsFinished jobsFailed bytesRead rowsIn } }"""
ME = "{ me { id } }"


async def test_others_may_not(user: User) -> None:
    assert (await user.post(LIST))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert (await user.post(HISTORY, hours=1))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    refused = await user.ask(SET, input={"id": to_global("User", user.id), "disabled": True})
    assert refused["code"] == "FORBIDDEN"


async def test_accounts_are_found_by_part_of_name_or_address(administrator: User, user: User) -> None:
    async with user.services.db.system() as session:
        row = (await session.scalars(select(UserRow).where(UserRow.id == user.id))).one()
    found = await administrator.ask(LIST, search=row.email[:12].upper())
    assert [each["id"] for each in found["nodes"]] == [to_global("User", user.id)]
    assert (await administrator.ask(LIST, search="100%_nobody"))["nodes"] == []
    page = await administrator.ask(LIST, first=1)
    further = await administrator.ask(LIST, first=1, after=page["pageInfo"]["endCursor"])
    assert page["pageInfo"]["hasNextPage"]
    assert page["nodes"][0]["id"] != further["nodes"][0]["id"]


async def test_a_disabled_account_is_shut_out_until_it_is_enabled(administrator: User, user: User) -> None:
    me = to_global("User", user.id)
    program = (await user.ask(CREATE_TOKEN, input={"name": "n", "scopes": ["READ"]}))["token"]
    session_token, user.token = user.token, program

    disabled = await administrator.ask(SET, input={"id": me, "disabled": True})
    assert disabled["user"]["disabledAt"] is not None
    again = await administrator.ask(SET, input={"id": me, "disabled": True})
    assert again["user"]["disabledAt"] == disabled["user"]["disabledAt"]
    # what a process with no memory of the token finds
    user.services.authenticator._api_tokens.clear()
    assert (await user.post(ME))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    assert (await administrator.ask(SET, input={"id": me, "disabled": False}))["user"]["disabledAt"] is None
    assert (await user.ask(ME))["id"] == me
    user.token = session_token
    async with user.services.db.system() as session:
        actions = await session.scalars(
            select(AuditLog.action).where(AuditLog.object_id == user.id, AuditLog.actor_id == administrator.id)
        )
    assert sorted(actions) == ["user.disable", "user.disable", "user.enable"]


async def test_nobody_disables_themselves_or_somebody_who_is_not_there(administrator: User) -> None:
    mine = to_global("User", administrator.id)
    assert (await administrator.ask(SET, input={"id": mine, "disabled": True}))["code"] == "SELF_DISABLED"
    nobody = to_global("User", administrator.workspace_id)
    assert (await administrator.ask(SET, input={"id": nobody, "disabled": True}))["code"] == "NOT_FOUND"


async def test_the_history_holds_what_ended_in_its_spans(administrator: User, user: User) -> None:
    async def points() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await administrator.ask(HISTORY, hours=168)
        return found

    before = {point["start"]: point for point in await points()}
    now = datetime.now(UTC)
    result = {"bytesRead": 2_000_000_000_000, "rowsIn": 7}
    await make_job(user, "SUCCEEDED", finished_at=now - timedelta(hours=30), result=result)
    await make_job(user, "FAILED", finished_at=now - timedelta(hours=30))
    await make_job(user, "SUCCEEDED", finished_at=now - timedelta(hours=169), result=result)
    after = await points()

    assert len(after) == 60
    assert {point["seconds"] for point in after} == {10_080}
    starts = [datetime.fromisoformat(point["start"]).timestamp() for point in after]
    assert [later - earlier for earlier, later in pairwise(starts)] == [10_080.0] * 59
    assert starts[-1] <= time.time()
    grown = [
        (point, old)
        for point in after
        if (old := before.get(point["start"])) and point["bytesRead"] - old["bytesRead"] >= 2_000_000_000_000
    ]
    assert len(grown) == 1
    point, old = grown[0]
    assert point["jobsFinished"] - old["jobsFinished"] == 2
    assert point["jobsFailed"] - old["jobsFailed"] == 1
    assert point["rowsIn"] - old["rowsIn"] == 7


@pytest.mark.parametrize("hours", [0, 169, -1])
async def test_a_history_of_no_such_length_is_refused(administrator: User, hours: int) -> None:
    body = await administrator.post(HISTORY, hours=hours)
    assert body["errors"][0]["extensions"]["code"] == "HOURS_OUT_OF_RANGE"
