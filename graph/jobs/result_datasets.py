"""Data sets made of results: rows that point to what the job published, so that nothing is copied, however large.

The object belongs to the job and the data set together: it goes when neither needs it any more, whichever goes first
(`JobService.delete`, `RetentionService.clear_expired`, `DatasetService.remove`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.ids import to_global
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.datasets import repository as datasets
from graph.datasets.service import ring_inspection
from graph.jobs import repository
from graph.jobs.results import download_name, require_result
from graph.models import Dataset, Job
from graph.uploads.parts import check_file_name
from graph.workspaces.limits import admit_upload

# One transaction makes them; a result may have thousands of files.
FILES_MOST: Final = 100


class ResultDatasets:
    """Results of one workspace at a time."""

    def __init__(self, db: Database, queue: Queue, settings: Settings) -> None:
        self._db = db
        self._queue = queue
        self._settings = settings

    async def create(
        self, workspace_id: UUID, user_id: UUID, job_id: UUID, *, name: str | None, files: Sequence[str] | None
    ) -> list[Dataset]:
        """Return a data set for each of these files, all of the result by default; one that is there already as it is.

        Raises `NotFound`, `InvalidInput` for a name or a file that is none, `QuotaExceeded` in a full workspace, or
        `Conflict` (RESULT_NOT_READY, JOB_FAILED, JOB_CANCELLED, RESULT_EXPIRED, RESULT_EMPTY, TOO_MANY_FILES).
        """
        name = None if name is None else check_file_name(name, path="name")
        async with self._db.tenant(workspace_id) as session:
            # neither deletion nor expiry comes between this look at the result and the rows that point to it
            job = await repository.get(session, job_id, lock=True)
            if job is None:
                raise NotFound.of("job", path=["jobId"])
            chosen = _chosen(_result_of(job), files)
            if name is not None and len(chosen) > 1:
                raise InvalidInput("A name is for one file; leave it out.", code="NAME_OF_MANY", path=["name"])
            made = {row.s3_key: row for row in await datasets.made_of(session, [job.id])}
            missing = [item for item in chosen if item["key"] not in made]
            if missing:
                # no more bytes, but they may stay for longer than the result would have
                await admit_upload(session, workspace_id, self._settings, 0)
            for item in missing:
                made[item["key"]] = await self._add(session, job, item, user_id, name)
        for item in missing:
            await ring_inspection(self._queue, made[item["key"]].id)
        return [made[item["key"]] for item in chosen]

    async def _add(
        self, session: AsyncSession, job: Job, item: Mapping[str, Any], user_id: UUID, name: str | None
    ) -> Dataset:
        usual, file_name = _names(job, item)
        dataset = await datasets.add(
            session,
            Dataset(
                workspace_id=job.workspace_id,
                name=name or usual,
                file_name=file_name,
                s3_key=item["key"],
                size_bytes=item["sizeBytes"],
                etag=_etag(job, item),
                status="INSPECTING",
                format=item["format"],
                created_by=user_id,
                source_job_id=job.id,
                origin={
                    "jobId": str(job.id),
                    "jobName": job.name,
                    "file": item["name"],
                    "partition": item.get("partition") or [],
                },
            ),
        )
        await record(
            session,
            "dataset.fromJob",
            actor_id=user_id,
            workspace_id=job.workspace_id,
            object_type="Dataset",
            object_id=dataset.id,
            data={"name": dataset.name, "job": to_global("Job", job.id), "file": item["name"]},
        )
        return dataset


def _result_of(job: Job) -> Mapping[str, Any]:
    try:
        return require_result(job)
    except Conflict as error:
        raise Conflict(error.message, code=error.code, path=["jobId"]) from error


def _chosen(result: Mapping[str, Any], names: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """Return the files of these names, each once; all without names."""
    files = {item["name"]: item for item in result["files"]}
    wanted = list(files) if names is None else list(dict.fromkeys(names))
    for index, name in enumerate(wanted):
        if name not in files:
            raise InvalidInput(
                f"The result has no file named {name!r}.", code="FILE_UNKNOWN", path=["files", str(index)]
            )
    if not wanted:
        raise InvalidInput("Name at least one file, or leave the list out.", code="FILES_MISSING", path=["files"])
    if len(wanted) > FILES_MOST:
        raise Conflict(
            f"The result has {len(wanted):,} files; at most {FILES_MOST} become data sets at a time. Name them in "
            "`files`, or run the pipeline without partitionBy.",
            code="TOO_MANY_FILES",
            path=["files"],
        )
    empty = [name for name in wanted if not files[name]["sizeBytes"]]
    if empty:
        raise Conflict(
            f"The file {empty[0]!r} is empty: it has no rows and no header.", code="RESULT_EMPTY", path=["files"]
        )
    return [files[name] for name in wanted]


def _names(job: Job, item: Mapping[str, Any]) -> tuple[str, str]:
    """Return names of data set and file: as its download, the data set of a partition with the folder beside it."""
    files = (job.result or {})["files"]
    file_name = download_name(job.name, item["name"], files.index(item) + 1 if len(files) > 1 else None)
    folder = item["name"].rpartition("/")[0].replace("/", " ")
    return (f"{file_name} ({folder})" if folder else file_name), file_name


def _etag(job: Job, item: Mapping[str, Any]) -> str | None:
    """The storage's, as the receipt noted it."""
    outputs = (job.result or {}).get("receipt", {}).get("outputs") or ()
    return next((each.get("etag") for each in outputs if each.get("name") == item["name"]), None)
