"""Batched reads behind the fields of a job.

They batch and do not cache: a socket's context lives for hours, and a remembered row would be a stale one.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from strawberry.dataloader import DataLoader

from graph.context import Info
from graph.datasets.types import dataset_service
from graph.jobs.service import JobService
from graph.models import Dataset, JobAttempt


def job_service(info: Info) -> JobService:
    """Return the service of this request."""
    context = info.context
    return JobService(context.db, context.storage, context.queue, context.events, context.settings)


def datasets(info: Info) -> DataLoader[UUID, Dataset | None]:
    """Data sets of the active workspace by id."""

    async def load(ids: Sequence[UUID]) -> list[Dataset | None]:
        found = await dataset_service(info).get_many(info.context.workspace_id, ids)
        return [found.get(key) for key in ids]

    loader: DataLoader[UUID, Dataset | None] = info.context.loaders.setdefault(
        "jobs.datasets", DataLoader(load, cache=False)
    )
    return loader


def made_of(info: Info) -> DataLoader[UUID, dict[str, Dataset]]:
    """Data sets by object key, by the job of whose result they were made."""

    async def load(ids: Sequence[UUID]) -> list[dict[str, Dataset]]:
        found = await dataset_service(info).made_of(info.context.workspace_id, ids)
        return [{row.s3_key: row for row in found if row.source_job_id == key} for key in ids]

    loader: DataLoader[UUID, dict[str, Dataset]] = info.context.loaders.setdefault(
        "jobs.made_of", DataLoader(load, cache=False)
    )
    return loader


def attempts(info: Info) -> DataLoader[UUID, list[JobAttempt]]:
    """Attempts by job, in order."""

    async def load(ids: Sequence[UUID]) -> list[list[JobAttempt]]:
        found = await job_service(info).attempts(info.context.workspace_id, ids)
        return [found[key] for key in ids]

    loader: DataLoader[UUID, list[JobAttempt]] = info.context.loaders.setdefault(
        "jobs.attempts", DataLoader(load, cache=False)
    )
    return loader


def versions(info: Info) -> DataLoader[UUID, tuple[UUID, int] | None]:
    """(pipeline, version number) by the id of a pipeline's version."""

    async def load(ids: Sequence[UUID]) -> list[tuple[UUID, int] | None]:
        found = await job_service(info).versions(info.context.workspace_id, ids)
        return [found.get(key) for key in ids]

    loader: DataLoader[UUID, tuple[UUID, int] | None] = info.context.loaders.setdefault(
        "jobs.versions", DataLoader(load, cache=False)
    )
    return loader
