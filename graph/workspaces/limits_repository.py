"""Queries of limits: a workspace's row, and what it runs, queues and stores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import BigInteger, ScalarSelect, Select, Uuid, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.errors import NotFound
from graph.datasets.repository import stored_apart
from graph.models import Dataset, Job, Upload, Workspace


@dataclass(frozen=True, slots=True)
class Usage:
    """What a workspace does now. Results that became data sets are stored, and counted, once: with the job."""

    running_jobs: int
    unfinished_jobs: int
    storage_bytes: int


async def get(session: AsyncSession, workspace_id: UUID, *, lock: bool = False) -> Workspace | None:
    """Return a workspace; with `lock` no other transaction changes it or passes `lock` until this one ends."""
    query = select(Workspace).where(Workspace.id == workspace_id)
    if lock:
        # NO KEY: rows that refer to the workspace may be inserted meanwhile
        query = query.with_for_update(key_share=True)
    return (await session.scalars(query)).one_or_none()


async def lock(session: AsyncSession, workspace_id: UUID) -> None:
    """Let no other transaction pass here until this one ends: what is counted afterwards cannot grow meanwhile."""
    await get(session, workspace_id, lock=True)


async def usage(session: AsyncSession, workspace_id: UUID) -> tuple[Workspace, Usage]:
    """Return the workspace and what it does, in one round trip; each part by an index. `NotFound` without one."""
    values = {"workspace": workspace_id}
    row = (await session.execute(_usage(), values, execution_options={"populate_existing": True})).one_or_none()
    if row is None:
        raise NotFound.of("workspace", path=[])
    return row[0], Usage(running_jobs=int(row[1]), unfinished_jobs=int(row[2]), storage_bytes=int(row[3]))


@cache
def _usage() -> Select[Workspace, int, int, int]:
    """Build the statement, once."""
    workspace_id = bindparam("workspace", type_=Uuid())

    def jobs(*statuses: str) -> ScalarSelect[int]:
        counted = select(func.count()).select_from(Job)
        return counted.where(Job.workspace_id == workspace_id, Job.status.in_(statuses)).scalar_subquery()

    datasets = select(func.coalesce(func.sum(Dataset.size_bytes), 0)).where(
        Dataset.workspace_id == workspace_id, Dataset.deleted_at.is_(None), stored_apart()
    )
    results = select(func.coalesce(func.sum(Job.result_bytes), 0)).where(
        Job.workspace_id == workspace_id,
        Job.result_bytes.is_not(None),
        Job.deleted_at.is_(None),
        Job.result_expired_at.is_(None),
    )
    uploads = select(func.coalesce(func.sum(Upload.size_bytes), 0)).where(
        Upload.workspace_id == workspace_id, Upload.status == "ACTIVE"
    )
    stored = datasets.scalar_subquery() + results.scalar_subquery() + uploads.scalar_subquery()
    return select(Workspace, jobs("RUNNING"), jobs("PENDING", "RUNNING"), stored.cast(BigInteger)).where(
        Workspace.id == workspace_id
    )
