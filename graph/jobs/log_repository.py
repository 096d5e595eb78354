"""Queries on logs, attempts and events of jobs: what pages show, and what moves from rows into a kept log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.pagination import Page, make_page, page_sequence_query
from graph.jobs.state import TERMINAL
from graph.models import Job, JobAttempt, JobEvent, JobLog


async def rows_after(session: AsyncSession, job_id: UUID, sequence: int, limit: int | None) -> Sequence[JobLog]:
    """Return the lines behind a sequence number that stand in rows, oldest first."""
    query = select(JobLog).where(JobLog.job_id == job_id, JobLog.sequence > sequence).order_by(JobLog.sequence)
    return (await session.scalars(query.limit(limit))).all()


async def kept(session: AsyncSession, job_id: UUID) -> tuple[int, str | None]:
    """Return up to which line the log has left the rows, and the object that holds those lines (None: none does)."""
    row = (await session.execute(select(Job.log_archived, Job.log_key).where(Job.id == job_id))).one_or_none()
    return (0, None) if row is None else (row[0], row[1])


async def to_keep(session: AsyncSession, age: timedelta, limit: int) -> Sequence[Job]:
    """Return jobs that ended so long ago and have lines in rows, oldest first."""
    query = (
        select(Job)
        .where(
            Job.status.in_(("SUCCEEDED", "FAILED", "CANCELLED")),
            Job.log_archived < Job.log_sequence,
            Job.deleted_at.is_(None),
            Job.finished_at < func.now() - age,
        )
        .order_by(Job.finished_at)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def set_kept(session: AsyncSession, job: Job, key: str) -> bool:
    """Note that the object holds all lines, and remove their rows; False when the job has changed since it was read."""
    statement = (
        update(Job)
        .where(
            Job.id == job.id,
            Job.status.in_(sorted(TERMINAL)),
            Job.log_sequence == job.log_sequence,
            Job.log_archived == job.log_archived,
            Job.log_key.is_not_distinct_from(job.log_key),
            Job.deleted_at.is_(None),
        )
        .values(log_key=key, log_archived=job.log_sequence)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    if (await session.execute(statement)).one_or_none() is None:
        return False
    await session.execute(
        delete(JobLog)
        .where(JobLog.job_id == job.id, JobLog.sequence <= job.log_sequence)
        .execution_options(synchronize_session=False)
    )
    return True


async def event_page(session: AsyncSession, job_id: UUID, first: int, after: str | None) -> Page[JobEvent]:
    """Return one page of a job's history, oldest change first."""
    query = page_sequence_query(select(JobEvent).where(JobEvent.job_id == job_id), JobEvent.sequence, first, after)
    rows = (await session.scalars(query)).all()
    return make_page(rows, first, lambda row: row.sequence)


async def attempts(session: AsyncSession, job_ids: Collection[UUID]) -> dict[UUID, list[JobAttempt]]:
    """Return the attempts of these jobs, in order."""
    found: dict[UUID, list[JobAttempt]] = {job_id: [] for job_id in job_ids}
    query = select(JobAttempt).where(JobAttempt.job_id.in_(job_ids)).order_by(JobAttempt.lease_token)
    for row in await session.scalars(query):
        found[row.job_id].append(row)
    return found
