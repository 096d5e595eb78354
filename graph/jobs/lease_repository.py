"""Queries of the workers on jobs: leases, fenced writes, what the sweeper looks for (claims: `claim_repository`).

All run in system transactions. Time is PostgreSQL's (`clock_timestamp()`): a worker with a wrong clock neither keeps
nor steals a lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Uuid, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.jobs import history_repository as history
from graph.jobs.history_repository import LogLine
from graph.jobs.state import JobState
from graph.models import Dataset, Job, JobAttempt, JobEvent, JobLog

NOW: ColumnElement[datetime] = func.clock_timestamp()
# lines of a job's log; beyond them only the end is still told
LOG_LINES_MAX = 1000


def state_of(job: Job) -> JobState:
    """Return the part of the row that the state machine works on."""
    return JobState(
        status=job.status,  # type: ignore[arg-type]  # the table's CHECK holds the same five values
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        lease_token=job.lease_token,
        lease_until=job.lease_until,
        next_attempt_at=job.next_attempt_at,
        cancel_requested=job.cancel_requested_at is not None,
        sequence=job.sequence,
    )


def _held(job_id: UUID, token: int) -> ColumnElement[bool]:
    return (Job.id == job_id) & (Job.status == "RUNNING") & (Job.lease_token == token)


async def renew(session: AsyncSession, job_id: UUID, token: int, lease: timedelta) -> bool | None:
    """Extend the lease; returns whether cancel was asked, None when the lease is lost."""
    statement = (
        update(Job)
        .where(_held(job_id, token))
        .values(lease_until=NOW + lease)
        .returning(Job.cancel_requested_at.is_not(None))
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def set_progress(
    session: AsyncSession, job_id: UUID, token: int, progress: dict[str, Any], lease: timedelta
) -> tuple[int, bool] | None:
    """Write progress and extend the lease; returns (sequence, cancel asked), None when the lease is lost."""
    statement = (
        update(Job)
        .where(_held(job_id, token))
        .values(progress=progress, lease_until=NOW + lease, sequence=Job.sequence + 1)
        .returning(Job.sequence, Job.cancel_requested_at.is_not(None))
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def publish(
    session: AsyncSession,
    job_id: UUID,
    token: int,
    *,
    result: dict[str, Any],
    progress: dict[str, Any],
    lines: Sequence[LogLine],
) -> Job | None:
    """End the job with this result if the token is the newest and nobody asked for cancel; writes its history too."""
    values = {
        "held_job": job_id,
        "held_token": token,
        "new_result": result,
        "new_progress": progress,
        **history.event_values({"rows": result["rows"], "sizeBytes": result["sizeBytes"]}),
        **history.log_values(lines),
    }
    return (await session.scalars(_publish(len(lines)), values)).one_or_none()


@lru_cache(maxsize=32)
def _publish(lines: int) -> Select[Job]:
    """Build the statement for so many lines of log, once."""
    job = (
        update(Job)
        .where(
            Job.id == bindparam("held_job", type_=Uuid()),
            Job.status == "RUNNING",
            Job.lease_token == bindparam("held_token", type_=BigInteger()),
            Job.cancel_requested_at.is_(None),
        )
        .values(
            status="SUCCEEDED",
            result=bindparam("new_result", type_=Job.result.type),
            progress=bindparam("new_progress", type_=Job.progress.type),
            error=None,
            lease_until=None,
            finished_at=NOW,
            sequence=Job.sequence + 1,
            log_sequence=Job.log_sequence + lines,
        )
        .returning(Job)
        .cte("job")
    )
    parts = [history.end_of_attempt(job, "SUCCEEDED"), history.event_of(job, "published")]
    if lines:
        parts.append(history.logs_of(job, lines))
    return history.with_history(job, *parts)


async def published(session: AsyncSession, job_id: UUID, token: int) -> Job | None:
    """Return the job if it is this token that published its result."""
    query = select(Job).where(Job.id == job_id, Job.status == "SUCCEEDED", Job.lease_token == token)
    return (await session.scalars(query)).one_or_none()


async def lock(session: AsyncSession, job_id: UUID) -> tuple[Job, datetime] | None:
    """Return the job, locked until the end of the transaction, and PostgreSQL's time."""
    statement = select(Job, NOW).where(Job.id == job_id).with_for_update()
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def expired(session: AsyncSession, limit: int) -> Sequence[tuple[Job, datetime]]:
    """Return running jobs whose lease has ended, locked; those that others work on are skipped."""
    statement = (
        select(Job, NOW)
        .where(Job.status == "RUNNING", Job.lease_until < NOW)
        .order_by(Job.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def waiting_for_more(
    session: AsyncSession, memory: int, age: timedelta, limit: int
) -> Sequence[tuple[Job, datetime]]:
    """Return jobs that ask for more memory than this and have waited so long, locked."""
    statement = (
        select(Job, NOW)
        .where(Job.status == "PENDING", Job.memory_limit_bytes > memory, Job.next_attempt_at < NOW - age)
        .order_by(Job.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def waiting(session: AsyncSession) -> tuple[int, float]:
    """Return how many jobs could be claimed now, and the seconds that the oldest of them has waited."""
    statement = select(
        func.count(), func.coalesce(func.extract("epoch", NOW - func.min(Job.next_attempt_at)), 0)
    ).where(Job.status == "PENDING", Job.next_attempt_at <= NOW)
    row = (await session.execute(statement)).one()
    return int(row[0]), float(row[1])


async def by_status(session: AsyncSession) -> dict[str, int]:
    """Return the number of unfinished jobs by status."""
    statement = select(Job.status, func.count()).where(Job.status.in_(("PENDING", "RUNNING"))).group_by(Job.status)
    return {row[0]: row[1] for row in await session.execute(statement)}


async def datasets_of(session: AsyncSession, workspace_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Dataset]:
    """Return the data sets of a job by id; only those of its own workspace, deleted ones left out."""
    statement = select(Dataset).where(
        Dataset.id.in_(ids), Dataset.workspace_id == workspace_id, Dataset.deleted_at.is_(None)
    )
    return {row.id: row for row in await session.scalars(statement)}


async def end_attempt(session: AsyncSession, job: Job, outcome: str, error: dict[str, Any] | None = None) -> None:
    """Record how the newest attempt of a job ended."""
    await session.execute(
        update(JobAttempt)
        .where(JobAttempt.job_id == job.id, JobAttempt.lease_token == job.lease_token)
        .values(outcome=outcome, error=error, finished_at=NOW)
        .execution_options(synchronize_session=False)
    )


def add_event(session: AsyncSession, job: Job, kind: str, data: dict[str, Any] | None = None) -> None:
    """Record a change of the job at its present sequence number."""
    session.add(
        JobEvent(
            workspace_id=job.workspace_id,
            job_id=job.id,
            sequence=job.sequence,
            kind=kind,
            status=job.status,
            attempt=job.attempt,
            data=data,
        )
    )


async def add_logs(
    session: AsyncSession,
    job_id: UUID,
    workspace_id: UUID,
    attempt: int,
    lines: Sequence[LogLine],
    *,
    always: bool = False,
) -> None:
    """Append (level, message, fields) lines; past `LOG_LINES_MAX` only with `always` (how an attempt ended)."""
    statement = update(Job).where(Job.id == job_id).values(log_sequence=Job.log_sequence + len(lines))
    if not always:
        statement = statement.where(Job.log_sequence < LOG_LINES_MAX)
    counted = statement.returning(Job.log_sequence).execution_options(synchronize_session=False)
    last = (await session.execute(counted)).scalar_one_or_none() if lines else None
    if last is None:
        return
    first = last - len(lines)
    session.add_all(
        JobLog(
            workspace_id=workspace_id,
            job_id=job_id,
            sequence=first + number,
            attempt=attempt,
            level=level,
            message=message[: history.MESSAGE_MAX],
            fields=fields,
        )
        for number, (level, message, fields) in enumerate(lines, 1)
    )


async def lost_attempts(session: AsyncSession, limit: int) -> Sequence[JobAttempt]:
    """Return ended attempts that were not published and whose objects may still be there."""
    statement = (
        select(JobAttempt)
        .where(
            JobAttempt.finished_at.is_not(None),
            JobAttempt.outcome != "SUCCEEDED",
            JobAttempt.cleaned_at.is_(None),
            # a worker that lost its lease may write until its next heartbeat fails
            JobAttempt.finished_at < NOW - timedelta(seconds=60),
        )
        .order_by(JobAttempt.finished_at)
        .limit(limit)
    )
    return list(await session.scalars(statement))


async def mark_cleaned(session: AsyncSession, attempt_ids: Sequence[UUID]) -> None:
    """Note that the objects of these attempts are gone."""
    await session.execute(
        update(JobAttempt)
        .where(JobAttempt.id.in_(attempt_ids))
        .values(cleaned_at=NOW)
        .execution_options(synchronize_session=False)
    )


async def clean_again(session: AsyncSession, job_id: UUID, token: int) -> bool:
    """Let the purge pass by an attempt once more; False when there is nothing to clear: it was published."""
    query = (
        update(JobAttempt)
        .where(JobAttempt.job_id == job_id, JobAttempt.lease_token == token, JobAttempt.outcome != "SUCCEEDED")
        .values(cleaned_at=None)
        .returning(JobAttempt.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


async def deleted_jobs(session: AsyncSession, limit: int) -> Sequence[Job]:
    """Return jobs that users deleted a while ago: no zombie attempt of theirs writes any more."""
    statement = select(Job).where(Job.deleted_at < NOW - timedelta(seconds=120)).order_by(Job.deleted_at).limit(limit)
    return list(await session.scalars(statement))


async def forget_job(session: AsyncSession, job_id: UUID) -> None:
    """Remove a deleted job's row, with its attempts, events and logs."""
    await session.execute(delete(Job).where(Job.id == job_id, Job.deleted_at.is_not(None)))
