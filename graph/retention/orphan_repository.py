"""Queries of the sweep for orphans, in `Database.system()`: which rows point to keys, and how far the sweep is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import Dataset, Job, JobAttempt, Sweep, Upload


@dataclass(frozen=True, slots=True)
class Place:
    """What a key names.

    The source of an upload, a file of a job's attempt, (no token) the kept log of a job, or the source of a data set
    that came by Flight.
    """

    workspace_id: UUID
    upload_id: UUID | None
    job_id: UUID | None
    lease_token: int | None
    dataset_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Of a job's row; `expired_rejects_key` is set when the rejected rows have expired."""

    workspace_id: UUID
    deleted: bool
    log_key: str | None
    expired_rejects_key: str | None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """Of an attempt's row; `cleaned` when its objects were removed."""

    outcome: str | None
    cleaned: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows say about some keys; data sets count as long as their row is there, deleted or not."""

    dataset_keys: frozenset[str]
    source_jobs: frozenset[UUID]
    open_uploads: frozenset[UUID]
    jobs: Mapping[UUID, JobFacts]
    attempts: Mapping[tuple[UUID, int], AttemptFacts]


async def facts(session: AsyncSession, places: Mapping[str, Place]) -> Facts:
    """Read all rows that may point to these keys."""
    keys = list(places)
    uploads = {place.upload_id for place in places.values() if place.upload_id is not None}
    job_ids = {place.job_id for place in places.values() if place.job_id is not None}
    part = func.jsonb_array_elements(Dataset.files).table_valued("value").alias("part")
    of_files = and_(
        Dataset.files.is_not(None), exists(select(1).select_from(part).where(part.c.value.op("->>")("key").in_(keys)))
    )
    rows = await session.execute(
        select(Dataset.s3_key, Dataset.files, Dataset.source_job_id).where(
            or_(Dataset.s3_key.in_(keys), Dataset.source_job_id.in_(job_ids), of_files)
        )
    )
    dataset_keys: set[str] = set()
    sources: set[UUID] = set()
    for key, files, source in rows:
        dataset_keys.add(key)
        dataset_keys.update(item["key"] for item in files or [] if "key" in item)
        if source is not None:
            sources.add(source)
    # closed ones stay "open" until the sweep of uploads has cleared them: it says so in completed_at
    unfinished = or_(
        Upload.status == "ACTIVE", and_(Upload.status.in_(("ABORTED", "EXPIRED")), Upload.completed_at.is_(None))
    )
    open_uploads = await session.scalars(select(Upload.id).where(Upload.id.in_(uploads), unfinished))
    jobs = await session.execute(
        select(
            Job.id,
            Job.workspace_id,
            Job.deleted_at.is_not(None),
            Job.log_key,
            Job.rejects_expired_at,
            Job.result["rejects"]["key"].as_string(),
        ).where(Job.id.in_(job_ids))
    )
    attempts = await session.execute(
        select(JobAttempt.job_id, JobAttempt.lease_token, JobAttempt.outcome, JobAttempt.cleaned_at.is_not(None)).where(
            JobAttempt.job_id.in_(job_ids)
        )
    )
    return Facts(
        dataset_keys=frozenset(dataset_keys),
        source_jobs=frozenset(sources),
        open_uploads=frozenset(open_uploads),
        jobs={row[0]: JobFacts(row[1], row[2], row[3], row[5] if row[4] is not None else None) for row in jobs},
        attempts={(row[0], row[1]): AttemptFacts(row[2], row[3]) for row in attempts},
    )


async def get(session: AsyncSession, kind: str) -> Sweep | None:
    """Return a sweep."""
    return (await session.scalars(select(Sweep).where(Sweep.kind == kind))).one_or_none()


async def begin(session: AsyncSession, kind: str, nothing: dict[str, Any], every: timedelta) -> Sweep | None:
    """Return the sweep that goes on, or a new one when the last is old enough; None when there is nothing to do."""
    first = insert(Sweep).values(kind=kind, started_at=func.now(), found=nothing)
    await session.execute(first.on_conflict_do_nothing(index_elements=["kind"]))
    sweep = (await session.scalars(select(Sweep).where(Sweep.kind == kind).with_for_update())).one()
    if sweep.finished_at is None:
        return sweep
    now = (await session.execute(select(func.now()))).scalar_one()
    if sweep.started_at > now - every:
        return None
    times = {"startedAt": sweep.started_at.isoformat(), "finishedAt": sweep.finished_at.isoformat()}
    sweep.last = {**sweep.found, **times}
    sweep.started_at, sweep.finished_at, sweep.cursor, sweep.found = now, None, None, nothing
    await session.flush()
    return sweep


async def save(
    session: AsyncSession, sweep_id: UUID, cursor: str | None, found: dict[str, Any], *, finished: bool
) -> None:
    """Remember how far a sweep is."""
    await session.execute(
        update(Sweep)
        .where(Sweep.id == sweep_id)
        .values(cursor=cursor, found=found, finished_at=func.now() if finished else None)
        .execution_options(synchronize_session=False)
    )
