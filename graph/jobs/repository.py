"""Queries of the API on jobs. The caller's transaction decides which workspaces they see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlalchemy.orm.interfaces import ORMOption

from graph.core.pagination import Page, keyset, make_page, page_values
from graph.jobs import history_repository as history
from graph.jobs.state import TERMINAL
from graph.models import Job, PipelineVersion

Documents = frozenset[str]
# columns of JSON; decoding them was a fifth of the cost of a list of jobs
DOCUMENTS: Final[Documents] = frozenset({"spec", "inputs", "progress", "error", "result"})


def _without(documents: Documents) -> list[ORMOption]:
    """Leave the JSON columns outside `documents` in the database; reading one of them later is an error."""
    return [defer(getattr(Job, name), raiseload=True) for name in sorted(DOCUMENTS.difference(documents))]


async def add(session: AsyncSession, values: dict[str, Any]) -> Job | None:
    """Insert a job with the first entries of its history; None when the workspace has its idempotency key already."""
    parameters = {f"new_{name}": value for name, value in values.items()}
    parameters |= {**history.event_values(), **history.log_values([("INFO", "Queued.", None)])}
    return (await session.scalars(_add(frozenset(values)), parameters)).one_or_none()


# Statements of what is asked most are built once for each shape: building took a fifth of the request.


@cache
def _add(columns: frozenset[str]) -> Select[Job]:
    table = Job.__table__.c
    given = {name: bindparam(f"new_{name}", type_=table[name].type) for name in sorted(columns)}
    job = (
        insert(Job)
        # named in full: SQLAlchemy fills no default inside a CTE
        .values(**given, attempt=0, lease_token=0, log_sequence=1, log_archived=0)
        .on_conflict_do_nothing(index_elements=["workspace_id", "idempotency_key"])
        .returning(Job)
        .cte("job")
    )
    return history.with_history(job, history.event_of(job, "created"), history.logs_of(job, 1))


@cache
def _one(documents: Documents, *, lock: bool) -> Select[Job]:
    query = select(Job).where(Job.id == bindparam("job_id"), Job.deleted_at.is_(None)).options(*_without(documents))
    return query.with_for_update() if lock else query


@cache
def _page(documents: Documents, *, filtered: bool, continued: bool) -> Select[Job]:
    query = select(Job).where(Job.deleted_at.is_(None)).options(*_without(documents))
    if filtered:
        query = query.where(Job.status.in_(bindparam("statuses", expanding=True)))
    return keyset(query, Job.id, continued=continued)


async def get(
    session: AsyncSession, job_id: UUID, *, lock: bool = False, documents: Documents = DOCUMENTS
) -> Job | None:
    """Return a job with these JSON columns; with `lock` no other transaction changes it until this one ends."""
    return (await session.scalars(_one(documents, lock=lock), {"job_id": job_id})).one_or_none()


async def by_key(session: AsyncSession, idempotency_key: str) -> Job | None:
    """Return the job that was made with this idempotency key."""
    query = select(Job).where(Job.idempotency_key == idempotency_key, Job.deleted_at.is_(None))
    return (await session.scalars(query)).one_or_none()


async def get_many(session: AsyncSession, job_ids: Collection[UUID]) -> dict[UUID, Job]:
    """Return jobs by id, the unknown left out."""
    query = select(Job).where(Job.id.in_(job_ids), Job.deleted_at.is_(None))
    return {row.id: row for row in await session.scalars(query)}


async def page(
    session: AsyncSession,
    first: int,
    after: str | None,
    statuses: Collection[str] | None,
    documents: Documents = DOCUMENTS,
) -> Page[Job]:
    """Return one page of jobs with these JSON columns, newest first; with `statuses` those in one of them."""
    statement = _page(documents, filtered=bool(statuses), continued=after is not None)
    values = page_values(first, after) | ({"statuses": list(statuses)} if statuses else {})
    rows = (await session.scalars(statement, values)).all()
    return make_page(rows, first, lambda row: row.id)


async def unfinished(session: AsyncSession, limit: int) -> Sequence[Job]:
    """Return jobs that have not ended, oldest first."""
    query = select(Job).where(Job.status.not_in(TERMINAL), Job.deleted_at.is_(None)).order_by(Job.id).limit(limit)
    return (await session.scalars(query)).all()


async def succeeded(session: AsyncSession, limit: int, before: UUID | None = None) -> Sequence[Job]:
    """Return the newest jobs that have a result; with `before` only those older than this one."""
    query = (
        select(Job)
        .where(Job.status == "SUCCEEDED", Job.result_expired_at.is_(None), Job.deleted_at.is_(None))
        .order_by(Job.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Job.id < before)
    return (await session.scalars(query)).all()


async def succeeded_named(session: AsyncSession, name: str, limit: int) -> Sequence[UUID]:
    """Return the newest jobs of this name that have a result."""
    query = (
        select(Job.id)
        .where(Job.name == name, Job.status == "SUCCEEDED", Job.result_expired_at.is_(None), Job.deleted_at.is_(None))
        .order_by(Job.id.desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def versions(session: AsyncSession, version_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, int]]:
    """Return (pipeline, version number) by the id of a pipeline's version."""
    query = select(PipelineVersion.id, PipelineVersion.pipeline_id, PipelineVersion.version).where(
        PipelineVersion.id.in_(version_ids)
    )
    return {row[0]: (row[1], row[2]) for row in await session.execute(query)}
