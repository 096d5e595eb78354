"""The sweep for orphans: whatever rows and objects there are, an object goes exactly when no live row points to it."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from graph.context import Services
from graph.core.ids import uuid7
from graph.core.telemetry import ORPHANS
from graph.models import Dataset, Job, JobAttempt, Sweep, Upload
from graph.retention import orphan_repository
from graph.retention.orphans import Findings, OrphanSweeper, last_sweep, place_of
from graph.retention.types import OrphanSweep
from tests.graph.client import User

NOW = datetime.now(UTC)


@dataclass
class World:
    """Rows of a workspace, and keys of objects: those that must stay, and those that must go."""

    workspace: UUID
    draw: random.Random
    rows: list[Any] = field(default_factory=list)
    later: list[Any] = field(default_factory=list)  # rows that refer to the first ones
    stay: set[str] = field(default_factory=set)
    go: set[str] = field(default_factory=set)

    def put(self, key: str, *, live: bool) -> str:
        """An object."""
        (self.stay if live else self.go).add(key)
        return key

    def upload(self) -> None:
        """An upload in any state, its data set there, deleted or long gone; or an object of no upload at all."""
        key_id = uuid7()
        key = f"w/{self.workspace}/uploads/{key_id}/source"
        kind = self.draw.choice(["active", "ready", "deleted", "gone", "uncleared", "cleared", "nobody"])
        status = {"active": "ACTIVE", "uncleared": "ABORTED", "cleared": "EXPIRED"}.get(kind, "COMPLETED")
        if kind != "nobody":
            done = None if kind in {"active", "uncleared"} else NOW
            self.rows.append(
                Upload(
                    id=key_id,
                    workspace_id=self.workspace,
                    file_name="f",
                    size_bytes=1,
                    part_size_bytes=1,
                    part_count=1,
                    s3_key=key,
                    s3_upload_id="u",
                    status=status,
                    expires_at=NOW + timedelta(days=1),
                    completed_at=done,
                )
            )
        if kind in {"ready", "deleted"}:
            row = Dataset(workspace_id=self.workspace, name="d", file_name="d", s3_key=key, size_bytes=1)
            row.deleted_at = NOW if kind == "deleted" else None
            self.rows.append(row)
        self.put(key, live=kind in {"active", "ready", "deleted", "uncleared"})

    def sent(self) -> None:
        """A table that came by Flight, its data set there, deleted, or never made."""
        key_id = uuid7()
        key = f"w/{self.workspace}/datasets/{key_id}/source"
        kind = self.draw.choice(["ready", "deleted", "nobody"])
        if kind != "nobody":
            row = Dataset(id=key_id, workspace_id=self.workspace, name="d", file_name="d", s3_key=key, size_bytes=1)
            row.deleted_at = NOW if kind == "deleted" else None
            self.rows.append(row)
        self.put(key, live=kind != "nobody")

    def job(self) -> None:
        """A job with attempts of any outcome, its result kept, expired, or made into a data set."""
        job_id, draw = uuid7(), self.draw
        prefix = f"w/{self.workspace}/jobs/{job_id}/"
        kind = draw.choice(["none", "RUNNING", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "deleted"])
        if kind == "none":
            self.put(f"{prefix}1-1/part-00000.csv", live=False)
            return
        status = "SUCCEEDED" if kind == "deleted" else kind
        job = Job(id=job_id, workspace_id=self.workspace, name="j", spec={}, inputs=[], status=status)
        job.deleted_at = NOW if kind == "deleted" else None
        self.rows.append(job)
        # a data set made of the result keeps everything of the job
        source = kind == "SUCCEEDED" and draw.random() < 0.3
        keeps = source or kind == "deleted"
        attempts = draw.randint(1, 4)
        job.attempt = job.max_attempts = job.lease_token = attempts
        for token in range(1, attempts + 1):
            last = token == attempts
            outcome = draw.choice(["FAILED", "LOST", "DRAINED", "CRASHED"])
            if last:
                outcome = {"RUNNING": None, "SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED"}[status]
            cleaned = outcome is not None and outcome != "SUCCEEDED" and draw.random() < 0.5
            folder = f"{prefix}{token}-{token}/"
            self.later.append(
                JobAttempt(
                    workspace_id=self.workspace,
                    job_id=job_id,
                    attempt=token,
                    lease_token=token,
                    worker_id="w",
                    output_prefix=folder,
                    started_at=NOW,
                    finished_at=NOW if outcome else None,
                    outcome=outcome,
                    cleaned_at=NOW if cleaned else None,
                )
            )
            files = [
                self.put(f"{folder}c=ä b/part-{n}.csv", live=keeps or not cleaned) for n in range(draw.randint(1, 3))
            ]
            if outcome == "SUCCEEDED":
                self.result(job, folder, files, keeps=keeps)
        if source:
            first = (job.result or {})["files"][0]["key"]
            made = Dataset(workspace_id=self.workspace, name="d", file_name="d", s3_key=first, size_bytes=1)
            made.source_job_id = job_id
            self.later.append(made)
        if draw.random() < 0.3:  # a token that was never given out
            self.put(f"{prefix}9-99/part-00000.csv", live=keeps)
        for number in (10, 20):
            current = draw.random() < 0.5
            key = f"{prefix}log-{number}.ndjson.gz"
            if current and job.log_key is None:
                job.log_key = key
            self.put(key, live=keeps or job.log_key == key)

    def result(self, job: Job, folder: str, files: list[str], *, keeps: bool) -> None:
        """What was published: rejected rows perhaps expired."""
        expired = self.draw.random() < 0.5
        rejects = self.put(f"{folder}rejects.csv", live=keeps or not expired)
        job.rejects_expired_at = NOW if expired else None
        job.result = {"files": [{"key": key} for key in files], "rejects": {"key": rejects}}

    def foreign(self) -> None:
        """Keys of shapes that we do not write."""
        for name in ("notes.txt", "uploads/x/source", f"uploads/{uuid7()}/other", f"jobs/{uuid7()}/x", "exports/1"):
            self.put(f"w/{self.workspace}/{name}", live=True)


async def sweep(services: Services, workspace: UUID, *, age: timedelta, pages: int = 100) -> Findings:
    """A sweep over one workspace, from the beginning to the end."""
    sweeper = OrphanSweeper(services.db, services.storage, services.settings)
    sweeper._age = age
    row = Sweep(id=uuid7(), kind=f"test-{uuid7()}", started_at=NOW, found=asdict(Findings()))
    async with services.db.system() as session:
        session.add(row)
    while True:
        found = await sweeper.run(row, f"w/{workspace}/", pages)
        if found is not None:
            return found
        async with services.db.system() as session:  # as after a crash: only what is stored is known
            again = await orphan_repository.get(session, row.kind)
        assert again is not None
        row = again


async def keys_under(services: Services, workspace: UUID) -> set[str]:
    """Keys of all objects of the workspace."""
    return {item.key async for item in services.storage.list_keys(f"w/{workspace}/")}


@pytest.mark.parametrize("seed", range(6))
async def test_exactly_the_orphans_go(services: Services, user: User, seed: int) -> None:
    world = World(user.workspace_id, random.Random(seed))
    for _ in range(12):
        world.upload()
        world.job()
        world.sent()
    world.foreign()
    assert world.go
    async with services.db.tenant(world.workspace) as session:
        session.add_all(world.rows)
        await session.flush()
        session.add_all(world.later)
    for key in sorted(world.stay | world.go):
        await services.storage.put(key, b"123")
    # all of it is younger than the safe age
    young = await sweep(services, world.workspace, age=timedelta(hours=1))
    assert (young.removed, young.objects) == (0, len(world.stay | world.go))
    assert await keys_under(services, world.workspace) == world.stay | world.go
    before = ORPHANS.labels("object")._value.get()
    found = await sweep(services, world.workspace, age=-timedelta(minutes=5))
    assert await keys_under(services, world.workspace) == world.stay
    assert (found.removed, found.removed_bytes) == (len(world.go), 3 * len(world.go))
    assert found.unknown == 5
    assert set(found.examples) <= world.go
    assert ORPHANS.labels("object")._value.get() - before == len(world.go)


async def test_a_sweep_that_is_cut_goes_on(services: Services, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, storage = user.workspace_id, services.storage
    keys = [f"w/{workspace}/uploads/{uuid7()}/source" for _ in range(7)]
    for key in keys:
        await storage.put(key, b"x")
    whole = storage.list_page

    async def short(prefix: str, after: str | None) -> Any:
        objects, more = await whole(prefix, after)
        return objects[:2], more or len(objects) > 2

    monkeypatch.setattr(storage, "list_page", short)
    found = await sweep(services, workspace, age=-timedelta(minutes=5), pages=1)
    assert (found.objects, found.removed) == (7, 7)
    assert await keys_under(services, workspace) == set()


async def test_multipart_uploads_of_attempts_that_are_over(services: Services, user: User) -> None:
    workspace, storage = user.workspace_id, services.storage
    running, gone = uuid7(), uuid7()
    async with services.db.tenant(workspace) as session:
        session.add(Job(id=running, workspace_id=workspace, name="j", spec={}, inputs=[], status="RUNNING"))
        await session.flush()
        session.add(
            JobAttempt(
                workspace_id=workspace,
                job_id=running,
                attempt=1,
                lease_token=1,
                worker_id="w",
                output_prefix="p",
                started_at=NOW,
            )
        )
    live = f"w/{workspace}/jobs/{running}/1-1/part-00000.csv"
    for key in (live, f"w/{workspace}/jobs/{gone}/1-1/part-00000.csv", f"w/{workspace}/datasets/{gone}/source"):
        await storage.create_multipart(key)
    found = await sweep(services, workspace, age=-timedelta(minutes=5))
    assert found.multiparts == 2
    assert [item.key for item in await storage.list_multiparts(f"w/{workspace}/")] == [live]
    async with services.db.system() as session:
        await session.execute(update(Job).where(Job.id == running).values(status="CANCELLED"))


async def test_a_sweep_is_due_once_a_day_and_its_findings_are_kept(services: Services) -> None:
    every, kind = timedelta(hours=24), f"test-{uuid7()}"
    async with services.db.system() as session:
        first = await orphan_repository.begin(session, kind, asdict(Findings()), every)
    assert first is not None
    async with services.db.system() as session:
        assert (await orphan_repository.begin(session, kind, {}, every)) is not None  # it goes on
        await orphan_repository.save(session, first.id, "w/x", asdict(Findings(removed=3)), finished=True)
    async with services.db.system() as session:
        assert await orphan_repository.begin(session, kind, {}, every) is None
        await session.execute(
            update(Sweep).where(Sweep.kind == kind).values(started_at=datetime.now(UTC) - timedelta(hours=25))
        )
    async with services.db.system() as session:
        second = await orphan_repository.begin(session, kind, asdict(Findings()), every)
    assert second is not None
    assert second.last is not None
    assert (second.cursor, second.finished_at, second.last["removed"]) == (None, None, 3)


async def test_administrators_see_the_last_sweep(services: Services, user: User) -> None:
    document = "{ orphanSweep { startedAt removedObjects } }"
    assert (await user.post(document))["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    stored: dict[str, Any] = {"startedAt": NOW, "finishedAt": NOW, **asdict(Findings(removed=3, examples=["k"]))}
    shown = OrphanSweep.of(stored)
    assert (shown.removed_objects, shown.examples) == (3, ["k"])
    sweeper = OrphanSweeper(services.db, services.storage, services.settings)
    async with services.db.system() as session:
        await session.execute(update(Sweep).where(Sweep.kind == "orphans").values(started_at=NOW - timedelta(days=2)))
    while await sweeper.step(pages=1000) is None:  # young objects only: nothing of other tests goes
        pass
    found = await last_sweep(services.db)
    assert found is not None
    assert OrphanSweep.of(found).objects >= 0


@pytest.mark.parametrize(
    "key",
    [
        "w/",
        "x/{id}/uploads/{id}/source",
        "w/{id}/uploads/{id}/source/more",
        "w/{id}/jobs/{id}/1-1/",
        "w/{id}/jobs/{id}/1-/a",
        "w/{id}/jobs/{id}/log-1.ndjson.gz.bak",
        "w/{id}/uploads/../../w/{id}/uploads/{id}/source",
        "w/ {id}/uploads/{id}/source",
    ],
)
def test_keys_of_other_shapes_are_nobodys(key: str) -> None:
    assert place_of(key.replace("{id}", str(uuid7()))) is None
