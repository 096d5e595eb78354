"""Limits of workspaces: refusals with figures, also when many ask at once; administrators set them, and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, select

from graph.core.ids import to_global, uuid7
from graph.models import AuditLog, Dataset, Job
from tests.graph.client import BEGIN, User
from tests.workers.helpers import CANCEL, RETRY, make_dataset, order, run_job

ME = """{ me { workspaces { id limits { maxRunningJobs maxUnfinishedJobs maxStorageBytes maxPriority }
  usage { runningJobs unfinishedJobs storageBytes } } } }"""
SET = """mutation ($input: SetWorkspaceLimitsInput!) { setWorkspaceLimits(input: $input) { __typename
  ... on SetWorkspaceLimitsSuccess { workspaceId name
    limits { maxRunningJobs maxUnfinishedJobs maxStorageBytes maxPriority } usage { storageBytes } }
  ... on Error { code message path } } }"""
QUOTA = "... on QuotaExceeded { code message resource limit used requested } ... on Error { code message path }"
RUN = f"mutation ($input: RunJobInput!) {{ runJob(input: $input) {{ __typename {QUOTA} }} }}"
BEGIN_QUOTA = f"mutation ($input: BeginUploadInput!) {{ beginUpload(input: $input) {{ __typename {QUOTA} }} }}"


@pytest.fixture
def administrator(stranger: User) -> User:
    """Somebody else with the platform role ADMIN."""
    stranger.token = stranger.services.tokens.issue(stranger.id, uuid7(), stranger.workspace_id, "ADMIN")[0]
    return stranger


async def set_limits(administrator: User, user: User, **limits: int | None) -> Any:
    """Set limits of the user's workspace."""
    given = {"workspaceId": to_global("Workspace", user.workspace_id), **limits}
    return await administrator.ask(SET, input=given)


async def workspace(user: User) -> Any:
    """The user's workspace as they see it."""
    return (await user.ask(ME))["workspaces"][0]


async def test_limits_are_the_settings_until_an_administrator_sets_others(user: User, administrator: User) -> None:
    settings = user.services.settings
    defaults = {
        "maxRunningJobs": settings.workspace_max_running_jobs,
        "maxUnfinishedJobs": settings.workspace_max_unfinished_jobs,
        "maxStorageBytes": settings.workspace_max_storage_bytes,
        "maxPriority": settings.workspace_max_priority,
    }
    assert (await workspace(user))["limits"] == defaults
    answer = await set_limits(administrator, user, maxRunningJobs=3, maxStorageBytes=5_000_000_000)
    assert answer["limits"] == {**defaults, "maxRunningJobs": 3, "maxStorageBytes": 5_000_000_000}
    # what is left out stays, null is the default again
    await set_limits(administrator, user, maxRunningJobs=None, maxPriority=2)
    changed = {**defaults, "maxStorageBytes": 5_000_000_000, "maxPriority": 2}
    assert (await workspace(user))["limits"] == changed
    async with user.services.db.tenant(user.workspace_id) as session:
        rows = await session.scalars(
            select(AuditLog).where(AuditLog.action == "workspace.limits").order_by(AuditLog.id)
        )
        found = [(row.actor_id, row.data) for row in rows]
    assert [actor for actor, _ in found] == [administrator.id] * 2
    assert found[1][1] == {
        "before": {"max_running_jobs": 3, "max_priority": None},
        "after": {"max_running_jobs": None, "max_priority": 2},
    }


async def test_members_do_not_set_their_own_limits(user: User, administrator: User) -> None:
    answer = await set_limits(user, user, maxStorageBytes=2**60)
    assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "FORBIDDEN")
    answer = await set_limits(administrator, user, maxRunningJobs=-1)
    assert (answer["code"], answer["path"]) == ("LIMIT_OUT_OF_RANGE", ["maxRunningJobs"])
    nobody = {"workspaceId": to_global("Workspace", uuid7()), "maxRunningJobs": 1}
    assert (await administrator.ask(SET, input=nobody))["code"] == "NOT_FOUND"


async def test_no_more_unfinished_jobs_than_allowed_also_when_many_are_ordered_at_once(
    user: User, administrator: User
) -> None:
    dataset = await make_dataset(user)
    await set_limits(administrator, user, maxUnfinishedJobs=3)
    answers = await asyncio.gather(*(order(user, dataset) for _ in range(8)))
    made = [answer["job"]["id"] for answer in answers if answer["__typename"] == "RunJobSuccess"]
    refused = [answer for answer in answers if answer["__typename"] == "QuotaExceeded"]
    assert (len(made), len(refused)) == (3, 5)
    assert {answer["code"] for answer in refused} == {"QUOTA_EXCEEDED"}
    spec = {"version": 1, "steps": [], "output": {"format": "csv"}}
    answer = await user.ask(RUN, input={"inputs": [{"name": "input", "datasetId": dataset}], "spec": spec})
    assert (answer["resource"], answer["limit"], answer["used"]) == ("UNFINISHED_JOBS", 3, 3)
    assert "3 jobs" in answer["message"]
    assert "cancel" in answer["message"]
    assert (await workspace(user))["usage"]["unfinishedJobs"] == 3
    await user.ask(CANCEL, input={"id": made[0]})
    await run_job(user, dataset)
    # running a cancelled one again is one more too
    assert (await user.ask(RETRY, input={"id": made[0]}))["code"] == "QUOTA_EXCEEDED"
    assert (await order(user, dataset, idempotencyKey="k"))["code"] == "QUOTA_EXCEEDED"


async def test_a_known_key_gives_its_job_also_at_the_limit(user: User, administrator: User) -> None:
    dataset = await make_dataset(user)
    job = await run_job(user, dataset, idempotencyKey="once")
    await set_limits(administrator, user, maxUnfinishedJobs=1)
    assert await run_job(user, dataset, idempotencyKey="once") == job


async def test_storage_is_data_sets_results_and_uploads_in_progress(user: User, administrator: User) -> None:
    async with user.services.db.tenant(user.workspace_id) as session:
        common = {"workspace_id": user.workspace_id, "name": "x"}
        result = {"sizeBytes": 300, "rejects": {"sizeBytes": 30}}
        done = Job(**common, spec={}, inputs=[], status="SUCCEEDED", result=result)
        session.add_all([done, Dataset(**common, file_name="x", s3_key="k1", size_bytes=1000)])
        await session.flush()
        # a result that became a data set is there once
        session.add(Dataset(**common, file_name="x", s3_key="k2", size_bytes=300, source_job_id=done.id))
    assert (await workspace(user))["usage"]["storageBytes"] == 1330
    begun = await user.ask(BEGIN, input={"fileName": "a.csv", "sizeBytes": 70})
    assert (await workspace(user))["usage"]["storageBytes"] == 1400
    await set_limits(administrator, user, maxStorageBytes=1500)
    answer = await user.ask(BEGIN_QUOTA, input={"fileName": "b.csv", "sizeBytes": 101})
    assert answer["__typename"] == "QuotaExceeded"
    figures = (answer["code"], answer["resource"], answer["limit"], answer["used"], answer["requested"])
    assert figures == ("QUOTA_EXCEEDED", "STORAGE_BYTES", 1500, 1400, 101)
    assert "Delete" in answer["message"]
    # the room that is left can be used up, and by one of many only
    answers = await asyncio.gather(
        *(user.ask(BEGIN, input={"fileName": f"{n}.csv", "sizeBytes": 100}) for n in range(6))
    )
    assert sorted(answer["__typename"] for answer in answers) == ["BeginUploadSuccess"] + ["QuotaExceeded"] * 5
    assert len(await user.services.storage.list_multiparts(f"w/{user.workspace_id}/")) == 2
    abort = "mutation ($input: AbortUploadInput!) { abortUpload(input: $input) { __typename } }"
    await user.ask(abort, input={"uploadId": begun["upload"]["id"]})
    assert (await workspace(user))["usage"]["storageBytes"] == 1430


async def test_a_full_workspace_runs_nothing_more(user: User, administrator: User) -> None:
    dataset = await make_dataset(user)
    await set_limits(administrator, user, maxStorageBytes=10)
    answer = await order(user, dataset)
    assert answer["code"] == "QUOTA_EXCEEDED"
    assert "no result has room" in answer["message"]


async def test_usage_tells_what_runs(user: User) -> None:
    async with user.services.db.tenant(user.workspace_id) as session:
        rows = [
            {"id": uuid7(), "workspace_id": user.workspace_id, "name": "x", "spec": {}, "inputs": [], "status": status}
            for status in ("RUNNING", "SUCCEEDED", "CANCELLED", "FAILED")
        ]
        await session.execute(insert(Job), rows)
    assert (await workspace(user))["usage"] == {"runningJobs": 1, "unfinishedJobs": 1, "storageBytes": 0}


async def test_priority_is_bounded_by_the_workspace(user: User, administrator: User) -> None:
    dataset = await make_dataset(user)
    answer = await order(user, dataset, priority=1)
    assert (answer["code"], answer["path"]) == ("PRIORITY_TOO_HIGH", ["priority"])
    await run_job(user, dataset, priority=-10)
    await set_limits(administrator, user, maxPriority=5)
    await run_job(user, dataset, priority=5)
    await set_limits(administrator, user, maxPriority=-3)
    await run_job(user, dataset)
    async with user.services.db.tenant(user.workspace_id) as session:
        assert (await session.scalars(select(Job.priority).order_by(Job.id))).all() == [-10, 5, -3]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"priority": -11}, "priority"),
        ({"priority": 11}, "priority"),
        ({"memoryLimitBytes": 1_000_000}, "memoryLimitBytes"),
        ({"memoryLimitBytes": 2**50}, "memoryLimitBytes"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"timeoutSeconds": 86_401}, "timeoutSeconds"),
    ],
)
async def test_what_a_job_may_not_ask_for(user: User, changes: dict[str, int], field: str) -> None:
    answer = await order(user, await make_dataset(user), **changes)
    assert (answer["code"], answer["path"]) == ("OUT_OF_RANGE", [field])
