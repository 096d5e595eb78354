"""Schedules through GraphQL: what is refused and how it is told, changes, lists, and whose they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from graph.core.ids import to_global, uuid7
from graph.models import AuditLog, Membership
from tests.graph.client import User
from tests.graph.schedules.asking import (
    CREATE,
    DELETE,
    SCHEDULES,
    UPDATE,
    key,
    look,
    make_pipeline,
    make_schedule,
    order,
)
from tests.workers.helpers import make_dataset, spec


async def test_a_schedule_shows_its_coming_times_on_its_own_clock(user: User) -> None:
    made = await make_schedule(user, cron="30  6 * * *", timeZone="Asia/Kolkata")
    assert (made["cron"], made["timeZone"], made["overlap"], made["enabled"]) == (
        "30 6 * * *",
        "Asia/Kolkata",
        "SKIP",
        True,
    )
    assert [each[11:] for each in made["nextRuns"]] == ["06:30:00+05:30"] * 3
    assert datetime.fromisoformat(made["nextRuns"][0]) == datetime.fromisoformat(made["nextRunAt"])
    assert made["pipeline"]["name"] == "Nightly"
    assert made["jobs"]["nodes"] == []
    assert await look(user, made["id"]) == made
    document = "query ($id: ID!) { node(id: $id) { ... on Schedule { cron } } }"
    assert (await user.ask(document, id=made["id"]))["cron"] == "30 6 * * *"


@pytest.mark.parametrize(
    ("changes", "kind", "code", "path"),
    [
        ({"cron": "0 25 * * *"}, "InvalidInputError", "CRON_INVALID", ["cron"]),
        ({"timeZone": "Mars/Base"}, "InvalidInputError", "TIME_ZONE_UNKNOWN", ["timeZone"]),
        ({"inputs": []}, "InvalidInputError", "INPUTS_MISSING", ["inputs"]),
        ({"pipelineId": to_global("Pipeline", uuid7())}, "NotFoundError", "NOT_FOUND", ["pipelineId"]),
        (
            {"inputs": [{"name": "input", "datasetId": to_global("Dataset", uuid7())}]},
            "NotFoundError",
            "NOT_FOUND",
            ["inputs", "0", "datasetId"],
        ),
    ],
)
async def test_what_cannot_run_is_refused(
    user: User, changes: dict[str, Any], kind: str, code: str, path: list[str]
) -> None:
    answer = await order(user, **changes)
    assert (answer["__typename"], answer["code"], answer["path"]) == (kind, code, path)


async def test_a_pipeline_that_does_not_suit_the_data_is_refused(user: User) -> None:
    answer = await order(user, pipelineId=await make_pipeline(user, spec=spec("nowhere = 1")))
    assert answer["__typename"] == "InvalidPipeline"
    assert answer["problems"]


async def test_changes_count_from_now_on(user: User) -> None:
    made = await make_schedule(user)
    changed = (await user.ask(UPDATE, input={"id": made["id"], "cron": "*/5 * * * *", "overlap": "QUEUE"}))["schedule"]
    assert (changed["cron"], changed["timeZone"], changed["overlap"]) == ("*/5 * * * *", "UTC", "QUEUE")
    assert changed["nextRunAt"] != made["nextRunAt"]
    off = (await user.ask(UPDATE, input={"id": made["id"], "enabled": False}))["schedule"]
    assert (off["enabled"], off["nextRunAt"], off["nextRuns"], off["disabledReason"]) == (False, None, [], None)
    on = (await user.ask(UPDATE, input={"id": made["id"], "enabled": True}))["schedule"]
    assert on["nextRunAt"] is not None
    wrong = await user.ask(UPDATE, input={"id": made["id"], "cron": "x"})
    assert (wrong["code"], wrong["path"]) == ("CRON_INVALID", ["cron"])
    assert (await look(user, made["id"]))["cron"] == "*/5 * * * *"


async def test_lists_and_deletion(user: User) -> None:
    dataset, pipeline = await make_dataset(user), await make_pipeline(user)
    inputs = [{"name": "input", "datasetId": dataset}]
    made = [(await make_schedule(user, pipelineId=pipeline, inputs=inputs))["id"] for _ in range(3)]
    page = await user.ask(SCHEDULES, first=2)
    assert [each["id"] for each in page["nodes"]] == [made[2], made[1]]
    rest = await user.ask(SCHEDULES, first=2, after=page["pageInfo"]["endCursor"])
    assert [each["id"] for each in rest["nodes"]] == [made[0]]
    assert (await user.ask(DELETE, input={"id": made[0]}))["id"] == made[0]
    assert await look(user, made[0]) is None
    assert (await user.ask(DELETE, input={"id": made[0]}))["code"] == "NOT_FOUND"


async def test_others_neither_see_nor_change_it(user: User, stranger: User) -> None:
    made = await make_schedule(user)
    assert await look(stranger, made["id"]) is None
    assert (await stranger.ask(SCHEDULES, first=10))["nodes"] == []
    assert (await stranger.ask(UPDATE, input={"id": made["id"], "enabled": False}))["code"] == "NOT_FOUND"
    assert (await stranger.ask(DELETE, input={"id": made["id"]}))["code"] == "NOT_FOUND"
    theirs = {
        "pipelineId": made["pipelineId"],
        "cron": "0 0 * * *",
        "inputs": [{"name": each["name"], "datasetId": each["datasetId"]} for each in made["inputs"]],
    }
    assert (await stranger.ask(CREATE, input=theirs))["code"] == "NOT_FOUND"
    assert (await look(user, made["id"]))["enabled"]


async def test_each_change_is_audited(user: User) -> None:
    made = await make_schedule(user)
    await user.ask(UPDATE, input={"id": made["id"], "enabled": False})
    await user.ask(DELETE, input={"id": made["id"]})
    async with user.services.db.tenant(user.workspace_id) as session:
        rows = await session.scalars(select(AuditLog).where(AuditLog.object_id == key(made)).order_by(AuditLog.id))
        assert [(row.action, row.actor_id) for row in rows] == [
            ("schedule.create", user.id),
            ("schedule.update", user.id),
            ("schedule.delete", user.id),
        ]


async def test_viewers_read_and_do_not_write(user: User, stranger: User) -> None:
    async with user.services.db.system() as session:
        session.add(Membership(workspace_id=stranger.workspace_id, user_id=user.id, role="VIEWER"))
    user.http.headers["X-Workspace"] = to_global("Workspace", stranger.workspace_id)
    assert (await user.ask(SCHEDULES, first=10))["nodes"] == []
    made = {"pipelineId": "x", "cron": "* * * * *", "inputs": []}
    for document, given in ((CREATE, made), (UPDATE, {"id": "x"}), (DELETE, {"id": "x"})):
        assert (await user.ask(document, input=given))["__typename"] == "ForbiddenError"
