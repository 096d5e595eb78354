"""Queries on schedules. The caller's transaction decides which workspaces they see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.pagination import Page, make_page, page_query
from graph.models import Job, Schedule

NOW: ColumnElement[datetime] = func.clock_timestamp()


async def now(session: AsyncSession) -> datetime:
    """Return PostgreSQL's time."""
    return (await session.execute(select(NOW))).scalar_one()


async def add(session: AsyncSession, schedule: Schedule) -> None:
    """Insert a schedule; its `created_at` is known afterwards."""
    session.add(schedule)
    await session.flush()


async def remove(session: AsyncSession, schedule: Schedule) -> None:
    """Delete a schedule; its jobs stay."""
    await session.delete(schedule)
    await session.flush()


async def count(session: AsyncSession) -> int:
    """Return how many schedules the workspace has."""
    return (await session.execute(select(func.count()).select_from(Schedule))).scalar_one()


async def get(session: AsyncSession, schedule_id: UUID, *, lock: bool = False) -> Schedule | None:
    """Return a schedule; with `lock` no other transaction changes it until this one ends."""
    query = select(Schedule).where(Schedule.id == schedule_id)
    if lock:
        query = query.with_for_update()
    return (await session.scalars(query)).one_or_none()


async def page(session: AsyncSession, first: int, after: str | None) -> Page[Schedule]:
    """Return one page of the schedules, newest first."""
    rows = (await session.scalars(page_query(select(Schedule), Schedule.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


async def jobs_page(session: AsyncSession, schedule_id: UUID, first: int, after: str | None) -> Page[Job]:
    """Return one page of the jobs that a schedule started, newest first."""
    query = select(Job).where(Job.schedule_id == schedule_id, Job.deleted_at.is_(None))
    rows = (await session.scalars(page_query(query, Job.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


def _unfinished() -> Select[Any]:
    return select(Job.id).where(Job.schedule_id == Schedule.id, Job.status.in_(("PENDING", "RUNNING")))


async def due(session: AsyncSession, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return (schedule, workspace) of what is due, longest first; without those that wait for their job before."""
    waits = (Schedule.overlap == "QUEUE") & _unfinished().exists()
    query = (
        select(Schedule.id, Schedule.workspace_id)
        .where(Schedule.enabled, Schedule.next_run_at <= NOW, ~waits)
        .order_by(Schedule.next_run_at)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def take(session: AsyncSession, schedule_id: UUID) -> tuple[Schedule, datetime, bool] | None:
    """Return a schedule that is due, locked, with PostgreSQL's time and whether a job of its has not ended.

    None when another worker has it in hand, or has dealt with the tick already.
    """
    query = (
        select(Schedule, NOW)
        .where(Schedule.id == schedule_id, Schedule.enabled, Schedule.next_run_at <= NOW)
        .with_for_update(skip_locked=True)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    # asked behind the lock: a worker that has just let go of it may have started a job
    unfinished = select(Job.id).where(Job.schedule_id == schedule_id, Job.status.in_(("PENDING", "RUNNING"))).limit(1)
    busy = (await session.execute(unfinished)).first() is not None
    return row[0], row[1], busy
