"""Queries on data sets. A deleted data set is invisible to all but `deleted` and `forget`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, inspect, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer, load_only
from sqlalchemy.sql.expression import cast

from graph.core.pagination import Page, make_page, page_query
from graph.models import Dataset, Job

# Previews are the bulk of a row and lists do not show them.
_LEAN = defer(Dataset.preview)


def has_preview_loaded(dataset: Dataset) -> bool:
    """Tell whether the row was read with its preview."""
    return "preview" not in inspect(dataset).unloaded


async def add(session: AsyncSession, dataset: Dataset) -> Dataset:
    """Insert a data set; its `created_at` is known afterwards."""
    session.add(dataset)
    await session.flush()
    return dataset


async def get(session: AsyncSession, dataset_id: UUID, *, lock: bool = False) -> Dataset | None:
    """Return a data set; with `lock` no other transaction changes or starts to read it until this one ends."""
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.deleted_at.is_(None))
    if lock:
        query = query.with_for_update()
    return (await session.execute(query)).scalar_one_or_none()


async def get_many(
    session: AsyncSession, dataset_ids: Collection[UUID], *, for_reading: bool = False
) -> dict[UUID, Dataset]:
    """Return the data sets by id, the unknown left out, previews not loaded.

    `for_reading` holds off their deletion until the transaction ends: for inserting a job that reads them.
    """
    query = select(Dataset).where(Dataset.id.in_(dataset_ids), Dataset.deleted_at.is_(None)).options(_LEAN)
    if for_reading:
        query = query.with_for_update(read=True)
    return {row.id: row for row in (await session.execute(query)).scalars()}


async def page(session: AsyncSession, first: int, after: str | None) -> Page[Dataset]:
    """Return one page of the data sets, newest first, previews not loaded."""
    query = page_query(select(Dataset).where(Dataset.deleted_at.is_(None)).options(_LEAN), Dataset.id, first, after)
    rows = (await session.execute(query)).scalars().all()
    return make_page(rows, first, lambda row: row.id)


async def named(session: AsyncSession, name: str, limit: int) -> Sequence[Dataset]:
    """Return the newest data sets of this name, whatever their status, previews not loaded."""
    query = (
        select(Dataset)
        .where(Dataset.name == name, Dataset.deleted_at.is_(None))
        .order_by(Dataset.id.desc())
        .limit(limit)
        .options(_LEAN)
    )
    return (await session.execute(query)).scalars().all()


async def ready(session: AsyncSession, limit: int, before: UUID | None = None) -> Sequence[Dataset]:
    """Return the newest data sets that can be read; with `before` only those older than this one."""
    query = (
        select(Dataset)
        .where(Dataset.status == "READY", Dataset.deleted_at.is_(None))
        .order_by(Dataset.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Dataset.id < before)
    return (await session.execute(query)).scalars().all()


async def ready_named(session: AsyncSession, name: str, limit: int) -> Sequence[UUID]:
    """Return the newest data sets of this name that can be read."""
    query = (
        select(Dataset.id)
        .where(Dataset.name == name, Dataset.status == "READY", Dataset.deleted_at.is_(None))
        .order_by(Dataset.id.desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def record_inspection(session: AsyncSession, dataset_id: UUID, values: dict[str, Any]) -> bool:
    """Write what inspection found, unless another inspection was first; tell whether it was written."""
    query = (
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status == "INSPECTING", Dataset.deleted_at.is_(None))
        .values(inspected_at=func.now(), **values)
        .returning(Dataset.id)
    )
    return (await session.execute(query)).scalar_one_or_none() is not None


async def count_crash(session: AsyncSession, dataset_id: UUID, crashes: int) -> None:
    """Remember that the engine crashed on a data set that still waits for its inspection."""
    query = (
        update(Dataset)
        .where(Dataset.id == dataset_id, Dataset.status == "INSPECTING")
        .values(error={"code": "ENGINE_CRASHED", "message": "The engine crashed on this file.", "crashes": crashes})
    )
    await session.execute(query)


async def stuck(session: AsyncSession, age: timedelta, *, limit: int = 100) -> Sequence[UUID]:
    """Return data sets that have waited for their inspection longer than `age`, oldest first."""
    query = (
        select(Dataset.id)
        .where(Dataset.status == "INSPECTING", Dataset.deleted_at.is_(None), Dataset.created_at < func.now() - age)
        .order_by(Dataset.id)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


async def unfinished_readers(session: AsyncSession, dataset_id: UUID, *, limit: int = 3) -> Sequence[UUID]:
    """Return up to `limit` jobs, pending or running, that read the data set."""
    wanted = cast([{"datasetId": str(dataset_id)}], JSONB)
    query = (
        select(Job.id)
        .where(Job.status.in_(("PENDING", "RUNNING")), Job.inputs.op("@>")(wanted))
        .order_by(Job.id)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


async def readers(session: AsyncSession, dataset_id: UUID, limit: int) -> Sequence[Job]:
    """Return up to `limit` jobs that read the data set, newest first."""
    wanted = cast([{"datasetId": str(dataset_id)}], JSONB)
    query = (
        select(Job)
        .where(Job.inputs.op("@>")(wanted), Job.deleted_at.is_(None))
        .options(load_only(Job.id, Job.name, Job.status, Job.created_at))
        .order_by(Job.id.desc())
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


def _offering(job_id: InstrumentedAttribute[UUID | None] | UUID | None) -> Select[UUID]:
    """The job of this id, if it still keeps its result."""
    return select(Job.id).where(Job.id == job_id, Job.deleted_at.is_(None), Job.result_expired_at.is_(None))


def stored_apart() -> ColumnElement[bool]:
    """Whether a data set's bytes are its own, rather than those of a job's result that is still kept."""
    return or_(Dataset.source_job_id.is_(None), ~_offering(Dataset.source_job_id).correlate(Dataset).exists())


async def made_of(session: AsyncSession, job_ids: Collection[UUID]) -> Sequence[Dataset]:
    """Return the data sets made of these jobs' results, oldest first, previews not loaded."""
    query = (
        select(Dataset)
        .where(Dataset.source_job_id.in_(job_ids), Dataset.deleted_at.is_(None))
        .order_by(Dataset.id)
        .options(_LEAN)
    )
    return (await session.scalars(query)).all()


async def living_jobs(session: AsyncSession, job_ids: Collection[UUID]) -> frozenset[UUID]:
    """Return those of the jobs that are not deleted."""
    return frozenset(await session.scalars(select(Job.id).where(Job.id.in_(job_ids), Job.deleted_at.is_(None))))


async def keys_made_of(session: AsyncSession, job_id: UUID) -> frozenset[str]:
    """Return the keys of a job's objects that data sets need."""
    query = select(Dataset.s3_key).where(Dataset.source_job_id == job_id, Dataset.deleted_at.is_(None))
    return frozenset(await session.scalars(query))


async def owns_object(session: AsyncSession, dataset: Dataset) -> bool:
    """Tell whether nothing but this data set points to its object: no other one, and no job that keeps its result."""
    other = select(Dataset.id).where(
        Dataset.s3_key == dataset.s3_key, Dataset.id != dataset.id, Dataset.deleted_at.is_(None)
    )
    return not await session.scalar(select(or_(_offering(dataset.source_job_id).exists(), other.exists())))


async def deleted(session: AsyncSession, *, limit: int = 100) -> Sequence[Dataset]:
    """Return data sets that users deleted and whose objects may still be in storage."""
    query = select(Dataset).where(Dataset.deleted_at.is_not(None)).order_by(Dataset.deleted_at).limit(limit)
    return (await session.execute(query)).scalars().all()


async def forget(session: AsyncSession, dataset_id: UUID) -> None:
    """Remove the row of a deleted data set, its objects being gone."""
    await session.execute(delete(Dataset).where(Dataset.id == dataset_id, Dataset.deleted_at.is_not(None)))
