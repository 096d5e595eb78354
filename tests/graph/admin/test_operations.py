"""Administrators cancel and requeue jobs of any workspace and read the audit log; nobody else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from graph.context import Services
from graph.core.ids import to_global, uuid7
from graph.models import AuditLog, Job, JobAttempt, JobEvent
from tests.graph.client import User

CANCEL = """mutation ($input: AdminCancelJobInput!) { adminCancelJob(input: $input) { __typename
  ... on AdminCancelJobSuccess { job { id workspaceId status cancelRequested worker } }
  ... on Error { code path } } }"""
REQUEUE = """mutation ($input: AdminRequeueJobInput!) { adminRequeueJob(input: $input) { __typename
  ... on AdminRequeueJobSuccess { job { id status attempt maxAttempts worker error { code } } }
  ... on Error { code path } } }"""
DRAIN = """mutation ($input: DrainWorkerInput!) { drainWorker(input: $input) { __typename ... on Error { code } } }"""
JOBS = """query ($status: [JobStatus!], $workspace: ID, $after: String) {
  adminJobs(first: 2, status: $status, workspaceId: $workspace, after: $after) {
    nodes { id status workspaceId } pageInfo { hasNextPage endCursor } } }"""
AUDIT = """query ($first: Int!, $after: String, $actor: ID, $workspace: ID, $action: String, $since: DateTime,
    $until: DateTime) {
  auditLog(first: $first, after: $after, actorId: $actor, workspaceId: $workspace, action: $action, since: $since,
      until: $until) {
    nodes { at action actorId actorEmail workspaceId objectType objectId data }
    pageInfo { hasNextPage endCursor } } }"""


async def make_job(owner: User, status: str, **values: Any) -> str:
    """A job in a state, not due before tomorrow so that no worker of another test takes it."""
    later = datetime.now(UTC) + timedelta(days=1)
    job = Job(
        id=uuid7(),
        workspace_id=owner.workspace_id,
        name="j",
        spec={},
        inputs=[],
        **{"status": status, "next_attempt_at": later, "sequence": 5, **values},
    )
    async with owner.services.db.tenant(owner.workspace_id) as session:
        session.add(job)
        await session.flush()
        if status == "RUNNING":
            session.add(
                JobAttempt(
                    workspace_id=owner.workspace_id,
                    job_id=job.id,
                    attempt=job.attempt,
                    lease_token=job.lease_token,
                    worker_id="w",
                    output_prefix="w/x/",
                    started_at=datetime.now(UTC),
                )
            )
    return to_global("Job", job.id)


def running(**values: Any) -> dict[str, Any]:
    """Columns of a job that a worker holds for another hour."""
    lease = datetime.now(UTC) + timedelta(hours=1)
    return {"attempt": 3, "max_attempts": 3, "lease_token": 3, "lease_until": lease, "worker_id": "w", **values}


async def row_of(services: Services, gid: str) -> tuple[Job, list[JobEvent], list[JobAttempt]]:
    """The job, its events and its attempts."""
    from graph.core.ids import from_global

    key: UUID = from_global(gid, "Job")
    async with services.db.system() as session:
        job = (await session.scalars(select(Job).where(Job.id == key))).one()
        events = (await session.scalars(select(JobEvent).where(JobEvent.job_id == key))).all()
        attempts = (await session.scalars(select(JobAttempt).where(JobAttempt.job_id == key))).all()
        return job, list(events), list(attempts)


async def cancel_quietly(administrator: User, *jobs: str) -> None:
    """Leave no waiting job behind."""
    for job in jobs:
        await administrator.ask(CANCEL, input={"id": job})


async def test_others_may_do_none_of_it(user: User) -> None:
    job = await make_job(user, "FAILED")
    assert (await user.ask(CANCEL, input={"id": job}))["code"] == "FORBIDDEN"
    assert (await user.ask(REQUEUE, input={"id": job}))["code"] == "FORBIDDEN"
    assert (await user.ask(DRAIN, input={"id": "x"}))["code"] == "FORBIDDEN"
    for document, variables in ((JOBS, {}), (AUDIT, {"first": 1})):
        body = await user.post(document, **variables)
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_job_of_another_workspace_is_cancelled(services: Services, administrator: User, stranger: User) -> None:
    job = await make_job(stranger, "PENDING")
    answer = await administrator.ask(CANCEL, input={"id": job})
    assert answer["job"]["status"] == "CANCELLED"
    assert answer["job"]["workspaceId"] == to_global("Workspace", stranger.workspace_id)
    again = await make_job(stranger, "SUCCEEDED")
    assert (await administrator.ask(CANCEL, input={"id": again}))["code"] == "JOB_ENDED"
    unknown = to_global("Job", uuid7())
    assert (await administrator.ask(CANCEL, input={"id": unknown}))["code"] == "NOT_FOUND"
    async with services.db.system() as session:
        found = await session.scalars(select(AuditLog).where(AuditLog.workspace_id == stranger.workspace_id))
        rows = [row for row in found if row.action == "job.cancel"]
    assert [(row.actor_id, row.data) for row in rows] == [(administrator.id, {"administrator": True})]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
async def test_an_ended_job_runs_again(services: Services, administrator: User, stranger: User, status: str) -> None:
    job = await make_job(stranger, status, attempt=3, max_attempts=3, error={"code": "X", "message": "m"})
    answer = await administrator.ask(REQUEUE, input={"id": job})
    assert (answer["job"]["status"], answer["job"]["error"]) == ("PENDING", None)
    assert answer["job"]["maxAttempts"] == 3 + services.settings.max_attempts
    await cancel_quietly(administrator, job)


async def test_a_running_job_is_taken_from_its_worker(services: Services, administrator: User, stranger: User) -> None:
    job = await make_job(stranger, "RUNNING", **running())
    answer = await administrator.ask(REQUEUE, input={"id": job})
    assert (answer["job"]["status"], answer["job"]["worker"]) == ("PENDING", None)
    assert answer["job"]["maxAttempts"] == 4  # the attempt that was taken away is given back
    row, events, attempts = await row_of(services, job)
    assert (row.lease_until, row.worker_id, row.lease_token) == (None, None, 3)
    assert [event.kind for event in events] == ["requeued"]
    assert [(each.outcome, (each.error or {})["code"]) for each in attempts] == [("DRAINED", "REQUEUED")]
    await cancel_quietly(administrator, job)


async def test_what_cannot_be_requeued(administrator: User, stranger: User) -> None:
    done = await make_job(stranger, "SUCCEEDED")
    assert (await administrator.ask(REQUEUE, input={"id": done}))["code"] == "JOB_NOT_RETRYABLE"
    ending = await make_job(stranger, "RUNNING", **running(cancel_requested_at=datetime.now(UTC)))
    assert (await administrator.ask(REQUEUE, input={"id": ending}))["code"] == "CANCEL_REQUESTED"


async def test_jobs_of_all_workspaces_are_paged(administrator: User, user: User, stranger: User) -> None:
    mine = [await make_job(user, "FAILED") for _ in range(3)]
    theirs = await make_job(stranger, "FAILED")
    first = await administrator.ask(JOBS, status=["FAILED"])
    assert [node["id"] for node in first["nodes"]] == [theirs, mine[2]]
    rest = await administrator.ask(JOBS, status=["FAILED"], after=first["pageInfo"]["endCursor"])
    assert [node["id"] for node in rest["nodes"]] == [mine[1], mine[0]]
    own = await administrator.ask(JOBS, workspace=to_global("Workspace", stranger.workspace_id))
    assert [node["id"] for node in own["nodes"]] == [theirs]


async def test_the_audit_log_by_actor_action_and_time(administrator: User, stranger: User) -> None:
    jobs = [await make_job(stranger, "FAILED") for _ in range(2)]
    for job in jobs:
        await administrator.ask(REQUEUE, input={"id": job})
        await administrator.ask(CANCEL, input={"id": job})
    actor = to_global("User", administrator.id)

    async def read(**wanted: Any) -> Any:
        return await administrator.ask(AUDIT, **{"first": 10, "actor": actor, **wanted})

    own = await read(action="job.")
    assert [node["action"] for node in own["nodes"]] == ["job.cancel", "job.requeue"] * 2
    assert {node["actorEmail"] for node in own["nodes"]} != {None}
    assert own["nodes"][0]["objectId"] == jobs[1]
    assert own["nodes"][0]["workspaceId"] == to_global("Workspace", stranger.workspace_id)
    assert [node["action"] for node in (await read(action="job.cancel"))["nodes"]] == ["job.cancel"] * 2
    assert (await read(action="job"))["nodes"] == []
    assert (await read(action="j%."))["nodes"] == []
    page = await read(first=3, action="job.")
    assert page["pageInfo"]["hasNextPage"]
    rest = await read(first=3, action="job.", after=page["pageInfo"]["endCursor"])
    assert page["nodes"] + rest["nodes"] == own["nodes"]
    newest = own["nodes"][0]["at"]
    before = await read(action="job.", until=newest)
    assert before["nodes"] == own["nodes"][1:]
    assert (await read(action="job.", since=newest))["nodes"] == own["nodes"][:1]
    theirs = await administrator.ask(AUDIT, first=10, workspace=to_global("Workspace", stranger.workspace_id))
    assert {node["action"] for node in theirs["nodes"]} >= {"job.cancel", "job.requeue"}
