"""Expiry by policy: what is past its days goes, visibly, and nothing else; a workspace may have days of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from graph.context import Services
from graph.core.errors import Conflict
from graph.core.ids import to_global, uuid7
from graph.core.settings import Settings
from graph.datasets.service import DatasetService
from graph.flight_tickets.service import FlightTables
from graph.jobs.results import ResultService
from graph.models import ApiToken, AuditLog, Dataset, Job, JobAttempt, JobEvent, Session
from graph.retention import service as service_module
from graph.retention.service import RetentionService
from tests.graph.client import User

SET = """mutation ($input: SetRetentionPolicyInput!) { setRetentionPolicy(input: $input) { __typename
  ... on SetRetentionPolicySuccess { policy { resultsDays rejectsDays datasetsDays logsDays eventsDays } }
  ... on Error { code path } } }"""
POLICY = "{ retentionPolicy { resultsDays rejectsDays datasetsDays logsDays eventsDays } }"
RESULT = """query ($id: ID!) { job(id: $id) { status result { expired expiredAt rows sizeBytes receipt
  files { name url } rejects { rows url } flight { ticket } preview { columns rows } } } }"""
KEEP = dict.fromkeys(("results", "rejects", "datasets", "logs", "events", "sessions", "audit"), 0)


def retention(services: Services, **days: int) -> RetentionService:
    """The service with these days, the rest kept for ever."""
    changes = {f"retention_{kind}_days": number for kind, number in (KEEP | days).items()}
    settings: Settings = services.settings.model_copy(update=changes)
    return RetentionService(services.db, services.storage, services.events, settings)


def ago(days: float) -> datetime:
    """So many days ago."""
    return datetime.now(UTC) - timedelta(days=days)


def key_of(moment: datetime) -> UUID:
    """A key that was made at that time."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (uuid7().int & ((1 << 80) - 1)))


async def make_result(user: User, days: float) -> tuple[Job, list[str]]:
    """A job that succeeded so many days ago; and the keys of its files."""
    made, services = ago(days), user.services
    job_id = key_of(made)
    prefix = f"w/{user.workspace_id}/jobs/{job_id}/1-1/"
    keys = [f"{prefix}part-00000.csv", f"{prefix}rejects.csv"]
    for key in keys:
        await services.storage.put(key, b"a\n1\n")
    result: dict[str, Any] = {
        "rows": 1,
        "sizeBytes": 4,
        "format": "csv",
        "schema": [{"name": "a", "type": "int64", "nullable": True}],
        "files": [{"key": keys[0], "name": "part-00000.csv", "format": "csv", "sizeBytes": 4, "rows": 1}],
        "rejects": {"key": keys[1], "rows": 1, "sizeBytes": 4},
        "receipt": {"rowsOut": 1},
    }
    job = Job(
        id=job_id,
        workspace_id=user.workspace_id,
        created_at=made,
        name="j",
        spec={},
        inputs=[],
        status="SUCCEEDED",
        attempt=1,
        result=result,
        finished_at=made,
        sequence=3,
    )
    async with services.db.tenant(user.workspace_id) as session:
        session.add(job)
        await session.flush()
        session.add(
            JobAttempt(
                workspace_id=user.workspace_id,
                job_id=job_id,
                attempt=1,
                lease_token=1,
                worker_id="w",
                output_prefix=prefix,
                started_at=made,
                finished_at=made,
                outcome="SUCCEEDED",
            )
        )
    return job, keys


async def present(services: Services, keys: list[str]) -> list[bool]:
    """Which of these objects are there."""
    return [await services.storage.head(key) is not None for key in keys]


async def test_a_result_that_expired_is_seen_to_have(services: Services, user: User) -> None:
    old, old_keys = await make_result(user, 11)
    young, young_keys = await make_result(user, 9)
    await retention(services, results=10).purge()
    assert await present(services, old_keys) == [False, False]
    assert await present(services, young_keys) == [True, True]
    shown = await user.ask(RESULT, id=to_global("Job", old.id))
    result = shown["result"]
    assert (shown["status"], result["expired"], result["rows"], result["receipt"]["rowsOut"]) == (
        "SUCCEEDED",
        True,
        1,
        1,
    )
    assert result["expiredAt"] is not None
    assert (result["files"], result["rejects"], result["flight"], result["preview"]["rows"]) == ([], None, None, [])
    assert not (await user.ask(RESULT, id=to_global("Job", young.id)))["result"]["expired"]
    async with services.db.tenant(user.workspace_id) as session:
        row = (await session.scalars(select(Job).where(Job.id == old.id))).one()
        events = (await session.scalars(select(JobEvent).where(JobEvent.job_id == old.id))).all()
    assert [(event.kind, event.sequence) for event in events] == [("resultExpired", 4)]
    results = ResultService(services.storage, services.keys, services.settings)
    with pytest.raises(Conflict) as download:
        await results.file_url(row, 0)
    flight = FlightTables(services.db, results, services.keys, services.settings)
    with pytest.raises(Conflict) as ticket:
        await flight.resolve(user.workspace_id, "jobs", old.id)
    assert (download.value.code, ticket.value.code) == ("RESULT_EXPIRED", "RESULT_EXPIRED")
    listed, _ = await flight.tables(user.workspace_id, 10, None)
    assert [item["id"] for item in listed if item["kind"] == "job"] == [to_global("Job", young.id)]


async def test_a_round_that_was_cut_is_finished_by_the_next(services: Services, user: User) -> None:
    _, keys = await make_result(user, 11)
    first = retention(services, results=10)
    assert await first.expire_results() >= 1
    assert await present(services, keys) == [True, True]  # the crash came before the objects went
    await retention(services, results=10).purge()
    assert await present(services, keys) == [False, False]


async def test_of_a_result_that_expired_stays_what_data_sets_need(services: Services, user: User) -> None:
    job, keys = await make_result(user, 50)
    async with services.db.tenant(user.workspace_id) as session:
        made = Dataset(workspace_id=user.workspace_id, name="d", file_name="d", s3_key=keys[0], size_bytes=4)
        made.source_job_id = job.id
        session.add(made)
    await retention(services, results=10).purge()
    assert await present(services, keys) == [True, False]
    assert (await user.ask(RESULT, id=to_global("Job", job.id)))["result"]["expired"]
    # the last one to need it goes
    datasets = DatasetService(services.db, services.storage, services.queue)
    await datasets.delete(user.workspace_id, user.id, made.id)
    assert await present(services, keys) == [False, False]


async def test_rejected_rows_may_go_before_the_result(services: Services, user: User) -> None:
    job, keys = await make_result(user, 5)
    await retention(services, results=10, rejects=3).purge()
    assert await present(services, keys) == [True, False]
    result = (await user.ask(RESULT, id=to_global("Job", job.id)))["result"]
    assert (result["expired"], result["rejects"], len(result["files"])) == (False, None, 1)


async def test_a_workspace_may_have_days_of_its_own(services: Services, user: User, stranger: User) -> None:
    admin = User(user.http, services, "", user.id, user.workspace_id)
    admin.token = services.tokens.issue(user.id, uuid7(), user.workspace_id, "ADMIN")[0]
    workspace = to_global("Workspace", user.workspace_id)
    answer = await admin.ask(SET, input={"workspaceId": workspace, "resultsDays": 0, "rejectsDays": 7})
    assert answer["policy"]["resultsDays"] == 0
    assert (await user.ask(POLICY))["rejectsDays"] == 7
    assert (await user.ask(POLICY))["eventsDays"] == services.settings.retention_events_days
    assert (await stranger.ask(POLICY))["rejectsDays"] == services.settings.retention_rejects_days
    _, kept = await make_result(user, 5)
    _, gone = await make_result(stranger, 5)
    await retention(services, results=2).purge()
    assert await present(services, kept) == [True, True]
    assert await present(services, gone) == [False, False]
    # and shorter ones than the installation's "for ever"
    await admin.ask(SET, input={"workspaceId": workspace, "resultsDays": 4})
    await retention(services).purge()
    assert await present(services, kept) == [False, False]
    for wrong, code in (({"resultsDays": -1}, "DAYS_OUT_OF_RANGE"), ({"logsDays": 10**6}, "DAYS_OUT_OF_RANGE")):
        assert (await admin.ask(SET, input={"workspaceId": workspace, **wrong}))["code"] == code
    nobody = to_global("Workspace", uuid7())
    assert (await admin.ask(SET, input={"workspaceId": nobody}))["code"] == "NOT_FOUND"
    assert (await user.ask(SET, input={"workspaceId": workspace}))["code"] == "FORBIDDEN"


async def test_data_sets_expire_unless_a_job_waits_to_read_them(services: Services, user: User) -> None:
    names = ("old", "read", "young", "inspecting")
    ids = {name: key_of(ago(1 if name == "young" else 40)) for name in names}
    async with services.db.tenant(user.workspace_id) as session:
        for name, dataset_id in ids.items():
            row = Dataset(id=dataset_id, workspace_id=user.workspace_id, name=name, file_name="d", size_bytes=1)
            row.s3_key = f"w/{user.workspace_id}/uploads/{dataset_id}/source"
            row.created_at = ago(1 if name == "young" else 40)
            row.status = "INSPECTING" if name == "inspecting" else "READY"
            session.add(row)
        inputs = [{"name": "input", "datasetId": str(ids["read"])}]
        waiting = Job(workspace_id=user.workspace_id, name="j", spec={}, inputs=inputs, next_attempt_at=ago(-1))
        session.add(waiting)
    await retention(services, datasets=30).purge()
    async with services.db.tenant(user.workspace_id) as session:
        rows = await session.scalars(select(Dataset).where(Dataset.id.in_(ids.values())))
        assert {row.name for row in rows if row.deleted_at is not None} == {"old"}
        audited = await session.scalars(select(AuditLog.object_id).where(AuditLog.action == "dataset.expire"))
        assert set(audited) == {ids["old"]}
        found = await session.get(Job, waiting.id)
        assert found is not None
        found.status = "CANCELLED"


async def test_events_of_ended_jobs_expire(services: Services, user: User) -> None:
    kept = []
    async with services.db.tenant(user.workspace_id) as session:
        for status, days in (("FAILED", 40), ("FAILED", 5), ("PENDING", 40)):
            job = Job(workspace_id=user.workspace_id, name="j", spec={}, inputs=[], status=status)
            job.next_attempt_at = ago(-1)
            session.add(job)
            await session.flush()
            event = JobEvent(id=key_of(ago(days)), workspace_id=user.workspace_id, job_id=job.id, sequence=1)
            event.kind, event.status, event.attempt, event.created_at = "created", status, 0, ago(days)
            session.add(event)
            if (status, days) != ("FAILED", 40):
                kept.append(event.id)
    await retention(services, events=30).purge()
    async with services.db.tenant(user.workspace_id) as session:
        assert set(await session.scalars(select(JobEvent.id))) == set(kept)
        await session.execute(text("UPDATE jobs SET status = 'CANCELLED'"))


async def test_ended_log_ins_and_tokens_are_forgotten(services: Services, user: User) -> None:
    kept: set[UUID] = set()
    async with services.db.system() as session:
        for number, (expires, revoked, stays) in enumerate(
            [(ago(40), None, False), (ago(-5), ago(31), False), (ago(-5), None, True), (ago(29), None, True)]
        ):
            log_in = Session(id=uuid7(), user_id=user.id, token_digest=b"x", expires_at=expires, revoked_at=revoked)
            token = ApiToken(id=uuid7(), workspace_id=user.workspace_id, user_id=user.id, name="t", prefix="p")
            token.token_digest, token.scopes = f"{user.id}{number}".encode(), ["read"]
            token.expires_at, token.revoked_at = expires, revoked
            session.add_all([log_in, token])
            kept |= {log_in.id, token.id} if stays else set()
        endless = ApiToken(id=uuid7(), workspace_id=user.workspace_id, user_id=user.id, name="t", prefix="p")
        endless.token_digest, endless.scopes = f"{user.id}-".encode(), ["read"]
        session.add(endless)
    await retention(services, sessions=30).purge()
    async with services.db.system() as session:
        left = set(
            await session.scalars(select(Session.id).where(Session.user_id == user.id, Session.token_digest == b"x"))
        )
        left |= set(await session.scalars(select(ApiToken.id).where(ApiToken.user_id == user.id)))
    assert left == kept | {endless.id}


async def test_the_audit_log_expires_through_one_door_and_never_young(services: Services, user: User) -> None:
    async with services.db.system() as session:
        for days in (400, 100, 29):
            session.add(AuditLog(workspace_id=user.workspace_id, action=f"test.{days}", created_at=ago(days)))
    await retention(services, audit=365).purge()

    async def left() -> list[str]:
        async with services.db.system() as session:
            found = select(AuditLog.action).where(
                AuditLog.workspace_id == user.workspace_id, AuditLog.action.startswith("test.")
            )
            return sorted(await session.scalars(found))

    assert await left() == ["test.100", "test.29"]
    await retention(services, audit=1).purge()
    assert await left() == ["test.29"]
    with pytest.raises(DBAPIError, match="permission denied"):  # a tenant's transaction has no way to it
        async with services.db.tenant(user.workspace_id) as session:
            await session.scalar(select(func.expire_audit_log(1, 1)))


async def test_with_nothing_to_expire_nothing_goes(services: Services, user: User) -> None:
    _, keys = await make_result(user, 5000)
    counts = await retention(services).purge()
    assert set(counts.values()) == {0}
    assert await present(services, keys) == [True, True]


async def test_a_backlog_is_worked_off_in_batches(
    services: Services, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "BATCH", 2)
    made = [await make_result(user, 20) for _ in range(5)]
    await retention(services, results=10).purge()
    assert [await present(services, keys) for _, keys in made] == [[False, False]] * 5
