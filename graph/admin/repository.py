"""Queries over all workspaces, for administrators and metrics; in `Database.system()`."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.pagination import Page, make_page, page_query
from graph.datasets.repository import stored_apart
from graph.models import AuditLog, Dataset, Job, User, Workspace

WORKSPACES_MOST = 100


@dataclass(frozen=True, slots=True)
class JobFigures:
    """Jobs of the installation. Ages and durations in seconds; `finished`… cover the last hour."""

    by_status: dict[str, int]
    oldest_pending_seconds: float | None
    finished: int
    failed: int
    bytes_read: int
    rows_in: int


@dataclass(frozen=True, slots=True)
class WorkspaceStorage:
    """What a workspace keeps, in bytes; uploads under way are not in it."""

    workspace_id: UUID
    name: str
    datasets: int
    results: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.datasets + self.results


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """Bytes that live rows point to: of the whole installation, and of the workspaces that keep most.

    `at` in Unix seconds.
    """

    at: float
    datasets: int
    results: int
    workspaces: list[WorkspaceStorage]


async def job_figures(session: AsyncSession) -> JobFigures:
    """Count jobs by status, the age of the oldest waiting one, and what the last hour did."""
    counted = await session.execute(
        select(Job.status, func.count()).where(Job.deleted_at.is_(None)).group_by(Job.status)
    )
    by_status = {str(status): int(number) for status, number in counted}
    oldest = await session.scalar(
        select(func.extract("epoch", func.now() - func.min(Job.next_attempt_at))).where(
            Job.status == "PENDING", Job.next_attempt_at <= func.now(), Job.deleted_at.is_(None)
        )
    )
    read = func.sum(case((Job.status == "SUCCEEDED", Job.result["bytesRead"].as_string().cast(BigInteger)), else_=0))
    rows = func.sum(case((Job.status == "SUCCEEDED", Job.result["rowsIn"].as_string().cast(BigInteger)), else_=0))
    hour = (
        await session.execute(
            select(
                func.count(),
                func.count().filter(Job.status == "FAILED"),
                func.coalesce(read, 0),
                func.coalesce(rows, 0),
            ).where(Job.finished_at > func.now() - timedelta(hours=1))
        )
    ).one()
    return JobFigures(
        by_status=by_status,
        oldest_pending_seconds=None if oldest is None else float(oldest),
        finished=int(hour[0]),
        failed=int(hour[1]),
        bytes_read=int(hour[2]),
        rows_in=int(hour[3]),
    )


async def workspace_jobs(session: AsyncSession) -> list[tuple[UUID, str, int]]:
    """Count jobs that wait or run by workspace and status; of the workspaces that have most."""
    counted = (
        select(Job.workspace_id, Job.status, func.count().label("number"))
        .where(Job.status.in_(("PENDING", "RUNNING")), Job.deleted_at.is_(None))
        .group_by(Job.workspace_id, Job.status)
        .order_by(func.count().desc(), Job.workspace_id)
        .limit(WORKSPACES_MOST)
    )
    return [(row[0], str(row[1]), int(row[2])) for row in await session.execute(counted)]


async def storage_figures(session: AsyncSession) -> StorageFigures:
    """Sum up data sets and results (rejected rows included) by workspace; reads all jobs with a result."""
    bytes_of = BigInteger()
    result = Job.result["sizeBytes"].as_string().cast(bytes_of)
    rejects = func.coalesce(Job.result["rejects"]["sizeBytes"].as_string().cast(bytes_of), 0)
    kept = union_all(
        select(
            Dataset.workspace_id.label("workspace_id"),
            Dataset.size_bytes.label("datasets"),
            literal(0, bytes_of).label("results"),
        )
        # what a job still offers as its result is counted with the job
        .where(Dataset.deleted_at.is_(None), stored_apart()),
        select(Job.workspace_id, literal(0, bytes_of), result + rejects).where(
            Job.status == "SUCCEEDED",
            Job.result_expired_at.is_(None),
            Job.deleted_at.is_(None),
            Job.result.is_not(None),
        ),
    ).subquery()
    datasets, results = (
        func.coalesce(func.sum(column), 0).cast(bytes_of) for column in (kept.c.datasets, kept.c.results)
    )
    rows = await session.execute(
        select(Workspace.id, Workspace.name, datasets, results)
        .join(kept, kept.c.workspace_id == Workspace.id)
        .group_by(Workspace.id, Workspace.name)
        .order_by((datasets + results).desc(), Workspace.id)
    )
    workspaces = [WorkspaceStorage(row[0], row[1], int(row[2]), int(row[3])) for row in rows]
    return StorageFigures(
        at=time.time(),
        datasets=sum(each.datasets for each in workspaces),
        results=sum(each.results for each in workspaces),
        workspaces=workspaces[:WORKSPACES_MOST],
    )


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """Jobs that ended in a span of time which begins at `start` (Unix seconds)."""

    start: int
    finished: int = 0
    failed: int = 0
    bytes_read: int = 0
    rows_in: int = 0


async def job_history(session: AsyncSession, width: int, points: int) -> list[HistoryPoint]:
    """Return what the last `points` spans of `width` seconds did, oldest first.

    Spans begin at multiples of their width, so that a second look finds the same ones.
    """
    now = await session.scalar(select(func.extract("epoch", func.now())))
    newest = int(now or 0) // width
    span = func.floor(func.extract("epoch", Job.finished_at) / width).cast(BigInteger).label("span")
    done = Job.status == "SUCCEEDED"
    rows = await session.execute(
        select(
            span,
            func.count(),
            func.count().filter(Job.status == "FAILED"),
            func.coalesce(func.sum(Job.result["bytesRead"].as_string().cast(BigInteger)).filter(done), 0),
            func.coalesce(func.sum(Job.result["rowsIn"].as_string().cast(BigInteger)).filter(done), 0),
        )
        .where(Job.finished_at >= func.to_timestamp((newest - points + 1) * width))
        .group_by("span")
    )
    found = {int(row[0]): [int(value) for value in row[1:]] for row in rows}
    return [HistoryPoint(each * width, *found.get(each, ())) for each in range(newest - points + 1, newest + 1)]


async def user_page(session: AsyncSession, first: int, after: str | None, search: str | None) -> Page[User]:
    """Return one page of the accounts, newest first; `search` is part of a name or an e-mail address."""
    query = select(User)
    if search:
        query = query.where(
            User.name.icontains(search, autoescape=True) | User.email.icontains(search, autoescape=True)
        )
    rows = (await session.scalars(page_query(query, User.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


async def set_disabled(session: AsyncSession, user_id: UUID, disabled: bool) -> User | None:
    """Disable or enable an account; the time of the first disabling stays. None when there is no such account."""
    user = await session.scalar(select(User).where(User.id == user_id).with_for_update())
    if user is not None and disabled != (user.disabled_at is not None):
        user.disabled_at = await session.scalar(select(func.now())) if disabled else None
        await session.flush()
    return user


async def workspace_of_job(session: AsyncSession, job_id: UUID) -> UUID | None:
    """Return the workspace of a job, None when there is no such job."""
    return await session.scalar(select(Job.workspace_id).where(Job.id == job_id, Job.deleted_at.is_(None)))


async def job_page(
    session: AsyncSession, first: int, after: str | None, statuses: Collection[str] | None, workspace_id: UUID | None
) -> Page[Job]:
    """Return one page of the jobs of all workspaces, newest first."""
    query = select(Job).where(Job.deleted_at.is_(None))
    if statuses:
        query = query.where(Job.status.in_(statuses))
    if workspace_id is not None:
        query = query.where(Job.workspace_id == workspace_id)
    rows = (await session.scalars(page_query(query, Job.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What of the audit log is asked for; None asks for all. An action that ends with a dot names a group."""

    actor_id: UUID | None = None
    workspace_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _audit(wanted: AuditFilter) -> Select[AuditLog]:
    query = select(AuditLog)
    if wanted.actor_id is not None:
        query = query.where(AuditLog.actor_id == wanted.actor_id)
    if wanted.workspace_id is not None:
        query = query.where(AuditLog.workspace_id == wanted.workspace_id)
    if wanted.action is not None:
        group = wanted.action.endswith(".")
        query = query.where(
            AuditLog.action.startswith(wanted.action, autoescape=True) if group else AuditLog.action == wanted.action
        )
    if wanted.since is not None:
        query = query.where(AuditLog.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditLog.created_at < wanted.until)
    return query


async def audit_page(
    session: AsyncSession, first: int, after: str | None, wanted: AuditFilter
) -> tuple[Page[AuditLog], dict[UUID, str]]:
    """Return one page of the audit log, newest first, and the e-mail addresses of its actors who still exist."""
    rows = (await session.scalars(page_query(_audit(wanted), AuditLog.id, first, after))).all()
    page = make_page(rows, first, lambda row: row.id)
    return page, await _emails(session, page.rows)


async def audit_batch(
    session: AsyncSession, wanted: AuditFilter, after: UUID | None, most: int
) -> tuple[Sequence[AuditLog], dict[UUID, str]]:
    """Return so many entries behind `after`, oldest first, and the e-mail addresses of their actors who still exist."""
    query = _audit(wanted).order_by(AuditLog.id).limit(most)
    if after is not None:
        query = query.where(AuditLog.id > after)
    rows = (await session.scalars(query)).all()
    return rows, await _emails(session, rows)


async def _emails(session: AsyncSession, rows: Sequence[AuditLog]) -> dict[UUID, str]:
    actors = {row.actor_id for row in rows if row.actor_id is not None}
    found = await session.execute(select(User.id, User.email).where(User.id.in_(actors)))
    return {row[0]: row[1] for row in found}


async def now(session: AsyncSession) -> datetime:
    """Return PostgreSQL's time."""
    moment: ColumnElement[datetime] = func.clock_timestamp()
    return (await session.execute(select(moment))).scalar_one()
