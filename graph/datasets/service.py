"""Data sets: inspection after arrival, reading, deletion.

Inspection runs in the workers (`inspect`), never in the API. Its result is written by one update guarded by the status,
so that an inspection that ran twice is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, NotFound
from graph.core.pagination import Page
from graph.core.queue import Queue
from graph.core.storage import Storage
from graph.datasets import repository
from graph.models import Dataset, Job

log = structlog.get_logger(__name__)

INSPECT_TASK = "inspect_dataset"
# After this long without a result the bell is rung again; after the other one the data set is given up.
RING_AGAIN_AFTER = timedelta(seconds=30)
GIVE_UP_AFTER = timedelta(hours=24)
PREVIEW_ROWS = 100
# A file that brings the engine down this often is at fault itself, not a restart of the worker.
MAX_CRASHES = 3
CRASHED = "ENGINE_CRASHED"

# Takes an engine request as JSON, returns the inspection report as JSON.
Inspector = Callable[[str], Awaitable[str]]

MEDIA_TYPES = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
    "lines": "text/plain",
}


PACKED_TYPES = {
    "gzip": "application/gzip",
    "zstd": "application/zstd",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
}


async def ring_inspection(queue: Queue, dataset_id: UUID) -> None:
    """Ask the workers for an inspection; should the bell fail, the sweep rings again."""
    await queue.enqueue(INSPECT_TASK, str(dataset_id), unique_id=f"inspect:{dataset_id}")


async def inspect_here(request: str) -> str:
    """Run the engine's inspection in a thread of this process."""
    import engine

    return await asyncio.to_thread(engine.inspect, request)


def media_type(dataset: Dataset) -> str:
    """Content type that a download of the data set gets."""
    if dataset.compression in PACKED_TYPES:
        return PACKED_TYPES[dataset.compression]
    return MEDIA_TYPES.get(dataset.format or "", "application/octet-stream")


def engine_input(dataset: Dataset, storage: Storage) -> dict[str, Any]:
    """The data set as an input of an engine request, with what inspection found out."""
    return {
        "url": storage.url(dataset.s3_key),
        "fileName": dataset.file_name,
        "format": dataset.format,
        "sizeBytes": dataset.size_bytes,
        "dialect": dataset.dialect,
        "schema": engine_schema(dataset),
    }


def engine_schema(dataset: Dataset) -> list[dict[str, Any]] | None:
    """The columns as the engine takes them: name, type, nullable."""
    if dataset.schema is None:
        return None
    return [{key: column.get(key) for key in ("name", "type", "nullable")} for column in dataset.schema]


class DatasetService:
    """Data sets of one workspace at a time; `inspect` and the sweeps act across workspaces."""

    def __init__(self, db: Database, storage: Storage, queue: Queue) -> None:
        self._db = db
        self._storage = storage
        self._queue = queue

    async def get(self, workspace_id: UUID, dataset_id: UUID) -> Dataset | None:
        """Return a data set, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get(session, dataset_id)

    async def get_many(self, workspace_id: UUID, dataset_ids: Collection[UUID]) -> dict[UUID, Dataset]:
        """Return data sets by id, the unknown left out."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get_many(session, dataset_ids)

    async def page(self, workspace_id: UUID, first: int, after: str | None) -> Page[Dataset]:
        """Return one page of the data sets, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page(session, first, after)

    async def preview(self, dataset: Dataset) -> dict[str, Any] | None:
        """Return the stored first rows, read now when the row came from a list; None before inspection."""
        if not repository.has_preview_loaded(dataset):
            found = await self.get(dataset.workspace_id, dataset.id)
            return None if found is None else found.preview
        return dataset.preview

    async def readers(self, workspace_id: UUID, dataset_id: UUID, limit: int) -> Sequence[Job]:
        """Return up to `limit` jobs that read a data set, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.readers(session, dataset_id, limit)

    async def living_jobs(self, workspace_id: UUID, job_ids: Collection[UUID]) -> frozenset[UUID]:
        """Return those of the jobs that are not deleted."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.living_jobs(session, job_ids)

    async def made_of(self, workspace_id: UUID, job_ids: Collection[UUID]) -> Sequence[Dataset]:
        """Return the data sets made of these jobs' results, oldest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.made_of(session, job_ids)

    async def download_url(self, dataset: Dataset) -> str:
        """Return a presigned URL that downloads the file under its own name."""
        return await self._storage.sign_get(dataset.s3_key, dataset.file_name, media_type(dataset))

    async def delete(self, workspace_id: UUID, user_id: UUID, dataset_id: UUID) -> UUID:
        """Delete a data set: the row is hidden at once, then the object goes, then the row.

        Raises `NotFound`, or `Conflict` (DATASET_IN_USE) while a job that has not ended reads it.
        """
        async with self._db.tenant(workspace_id) as session:
            row = await repository.get(session, dataset_id, lock=True)
            if row is None:
                raise NotFound.of("data set")
            readers = await repository.unfinished_readers(session, dataset_id)
            if readers:
                raise Conflict(
                    "A job that has not ended reads this data set. Wait for it or cancel it, then delete.",
                    code="DATASET_IN_USE",
                    path=["id"],
                )
            row.deleted_at = datetime.now(UTC)
            await record(
                session,
                "dataset.delete",
                actor_id=user_id,
                workspace_id=workspace_id,
                object_type="Dataset",
                object_id=row.id,
                data={"name": row.name},
            )
        await self.remove(row)
        return dataset_id

    async def remove(self, dataset: Dataset) -> None:
        """Remove the object of a deleted data set, then its row; what a job still offers as its result stays.

        Job and data set each say that they are gone before they look at the other: the later one finds it so.
        """
        async with self._db.system() as session:
            owned = await repository.owns_object(session, dataset)
        if owned:
            await self._storage.delete_keys([dataset.s3_key])
        async with self._db.system() as session:
            await repository.forget(session, dataset.id)

    async def purge_deleted(self) -> int:
        """Finish deletions that storage interrupted; for the workers' sweeper. Returns how many."""
        async with self._db.system() as session:
            rows = await repository.deleted(session)
        for row in rows:
            await self.remove(row)
        return len(rows)

    async def ring_stuck(self) -> int:
        """Ring again for data sets whose inspection got lost, give up on those that never end; returns how many.

        For the workers' sweeper.
        """
        async with self._db.system() as session:
            hopeless = await repository.stuck(session, GIVE_UP_AFTER)
            for dataset_id in hopeless:
                await repository.record_inspection(
                    session,
                    dataset_id,
                    _failure("INSPECTION_TIMEOUT", "The file could not be inspected in time.", "Upload it again."),
                )
            waiting = await repository.stuck(session, RING_AGAIN_AFTER)
        for dataset_id in waiting:
            await ring_inspection(self._queue, dataset_id)
        return len(hopeless) + len(waiting)

    async def inspect(self, dataset_id: UUID, inspector: Inspector = inspect_here) -> str | None:
        """Inspect a data set and record the outcome; return its status, None when there was nothing to inspect.

        `inspector` runs the engine: in a thread here, or wherever the worker wants it. A retryable failure (storage
        away) is raised and leaves the data set waiting for the sweep.
        """
        async with self._db.system() as session:
            dataset = await repository.get(session, dataset_id)
        if dataset is None or dataset.status != "INSPECTING":
            return None
        request = {"input": engine_input(dataset, self._storage), "storage": self._storage.engine_storage()}
        try:
            report = orjson.loads(await inspector(orjson.dumps(request).decode()))
        except Exception as error:
            # engine.exceptions.EngineError, or what a worker's child reported of one: both say `code`
            code = getattr(error, "code", None)
            if not isinstance(code, str) or (
                getattr(error, "retryable", False) and not (code == CRASHED and await self._crashed_too_often(dataset))
            ):
                raise
            values = _failure(code, str(getattr(error, "message", error)), getattr(error, "hint", None))
        else:
            values = _success(report)
        async with self._db.system() as session:
            written = await repository.record_inspection(session, dataset_id, values)
        log.info("dataset_inspected", dataset_id=str(dataset_id), status=values["status"], written=written)
        return str(values["status"])

    async def _crashed_too_often(self, dataset: Dataset) -> bool:
        """Count one more crash; tell whether it was one too many."""
        crashes = int((dataset.error or {}).get("crashes", 0)) + 1
        if crashes >= MAX_CRASHES:
            return True
        async with self._db.system() as session:
            await repository.count_crash(session, dataset.id, crashes)
        return False


def _success(report: dict[str, Any]) -> dict[str, Any]:
    dialect = report.get("dialect")
    preview = report.get("preview") or {"columns": [], "rows": []}
    return {
        "status": "READY",
        "format": report["format"],
        "compression": report.get("compression"),
        "encoding": report.get("encoding") or (dialect or {}).get("encoding"),
        "dialect": dialect,
        "schema": report["schema"],
        "row_estimate": report.get("rowEstimate"),
        "rows_exact": bool(report.get("rowsExact")),
        "preview": {"columns": preview["columns"], "rows": preview["rows"][:PREVIEW_ROWS]},
        "warnings": [str(warning) for warning in report.get("warnings") or []],
        "error": None,
    }


def _failure(code: str, message: str, hint: str | None) -> dict[str, Any]:
    return {"status": "FAILED", "error": {"code": code, "message": message, "hint": hint}}
