"""Queries over all workspaces, for administrators and metrics; in `Database.system()`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import BigInteger, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import Job


@dataclass(frozen=True, slots=True)
class JobFigures:
    """Jobs of the installation. Ages and durations in seconds; `finished`… cover the last hour."""

    by_status: dict[str, int]
    oldest_pending_seconds: float | None
    finished: int
    failed: int
    bytes_read: int
    rows_in: int


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
