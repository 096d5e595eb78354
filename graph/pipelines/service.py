"""Pipelines and their immutable versions; validation and preview by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.pagination import Page
from graph.core.storage import Storage
from graph.datasets import repository as datasets
from graph.datasets.service import PREVIEW_ROWS
from graph.jobs.requests import engine_inputs, schemas_for_validation
from graph.models import Dataset, Pipeline, PipelineVersion
from graph.pipelines import repository
from graph.pipelines.preview import run_preview
from graph.pipelines.problems import SpecProblem, find_problems, require_valid

MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A data set under the name that a specification knows it by."""

    name: str
    dataset_id: UUID


def check_name(name: str) -> str:
    """Return the name of a pipeline without blanks around it; `InvalidInput` when it is none."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidInput(
            f"name: give the pipeline a name of 1 to {MAX_NAME} printable characters.",
            code="NAME_INVALID",
            path=["name"],
        )
    return name


class PipelineService:
    """Pipelines of one workspace at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self, workspace_id: UUID, user_id: UUID, *, name: str, spec: dict[str, Any]
    ) -> tuple[Pipeline, PipelineVersion]:
        """Store a pipeline and its version 1; raises `InvalidInput` or `InvalidPipeline`."""
        name = check_name(name)
        await require_valid(spec)
        async with self._db.tenant(workspace_id) as session:
            pipeline, version = await repository.add(session, workspace_id, user_id, name, spec)
            await _audit(session, "pipeline.create", user_id, pipeline)
        return pipeline, version

    async def update(
        self, workspace_id: UUID, user_id: UUID, pipeline_id: UUID, *, spec: dict[str, Any] | None, name: str | None
    ) -> tuple[Pipeline, PipelineVersion]:
        """Add a version with this specification, and rename when a name is given; the old versions stay."""
        new_name = None if name is None else check_name(name)
        if spec is not None:
            await require_valid(spec)
        async with self._db.tenant(workspace_id) as session:
            pipeline = await repository.get(session, pipeline_id, lock=True)
            if pipeline is None:
                raise NotFound.of("pipeline")
            if new_name is not None:
                pipeline.name = new_name
            version = await repository.version(session, pipeline.id, pipeline.latest_version)
            if version is None:
                raise NotFound.of("pipeline")
            # saving what is there already makes no version: a repeated request changes nothing
            if spec is not None and spec != version.spec:
                version = PipelineVersion(
                    workspace_id=workspace_id,
                    pipeline_id=pipeline.id,
                    version=pipeline.latest_version + 1,
                    spec=spec,
                    created_by=user_id,
                )
                await repository.add_version(session, version)
                pipeline.latest_version = version.version
            await _audit(session, "pipeline.update", user_id, pipeline)
        return pipeline, version

    async def delete(self, workspace_id: UUID, user_id: UUID, pipeline_id: UUID) -> UUID:
        """Delete a pipeline; jobs that ran it keep their version."""
        async with self._db.tenant(workspace_id) as session:
            pipeline = await repository.get(session, pipeline_id, lock=True)
            if pipeline is None:
                raise NotFound.of("pipeline")
            pipeline.deleted_at = datetime.now(UTC)
            await _audit(session, "pipeline.delete", user_id, pipeline)
        return pipeline_id

    async def get(self, workspace_id: UUID, pipeline_id: UUID) -> tuple[Pipeline, PipelineVersion] | None:
        """Return a pipeline and its latest version, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get_with_latest(session, pipeline_id)

    async def page(self, workspace_id: UUID, first: int, after: str | None) -> Page[tuple[Pipeline, PipelineVersion]]:
        """Return one page of the pipelines with their latest versions, newest pipeline first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page_with_latest(session, first, after)

    async def version_by_id(self, workspace_id: UUID, version_id: UUID) -> PipelineVersion | None:
        """Return a version by its id, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.version_by_id(session, version_id)

    async def version_page(
        self, workspace_id: UUID, pipeline_id: UUID, first: int, after: str | None
    ) -> Page[PipelineVersion]:
        """Return one page of a pipeline's versions, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.version_page(session, pipeline_id, first, after)

    async def version(self, workspace_id: UUID, pipeline_id: UUID, number: int) -> PipelineVersion | None:
        """Return one version by its number."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.version(session, pipeline_id, number)

    async def inputs(self, workspace_id: UUID, named: Sequence[NamedDataset]) -> dict[str, Dataset]:
        """Return inspected data sets by their names in a specification; refuses what a job would refuse."""
        names = [item.name for item in named]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise InvalidInput(
                    f"Two inputs are named {name!r}.", code="INPUT_NAME_REPEATED", path=["inputs", index, "name"]
                )
        async with self._db.tenant(workspace_id) as session:
            found = await datasets.get_many(session, {item.dataset_id for item in named})
        out = {}
        for index, item in enumerate(named):
            dataset = found.get(item.dataset_id)
            if dataset is None:
                raise NotFound.of("data set", path=["inputs", index, "datasetId"])
            require_ready(dataset, path=["inputs", index, "datasetId"])
            out[item.name] = dataset
        return out

    async def validate(
        self, workspace_id: UUID, spec: dict[str, Any], named: Sequence[NamedDataset]
    ) -> list[SpecProblem]:
        """Return everything wrong with a specification; with data sets given, for their columns and types."""
        if not named:
            return await find_problems(spec)
        inputs = await self.inputs(workspace_id, named)
        return await find_problems(spec, schemas_for_validation(spec, inputs))

    async def preview(
        self, workspace_id: UUID, storage: Storage, spec: dict[str, Any], named: Sequence[NamedDataset], *, rows: int
    ) -> dict[str, Any]:
        """Return the engine's preview report of at most `rows` rows (1 to 100)."""
        if not 1 <= rows <= PREVIEW_ROWS:
            raise InvalidInput(
                f"`rows` must be 1 to {PREVIEW_ROWS}, not {rows}.", code="ROWS_OUT_OF_RANGE", path=["rows"]
            )
        inputs = await self.inputs(workspace_id, named)
        await require_valid(spec, schemas_for_validation(spec, inputs))
        chosen = [{"name": name, "datasetId": str(dataset.id)} for name, dataset in inputs.items()]
        by_id = {dataset.id: dataset for dataset in inputs.values()}
        request = {
            "spec": spec,
            "inputs": engine_inputs(spec, chosen, by_id, storage),
            "storage": storage.engine_storage(),
        }
        return await run_preview(request, rows)


async def _audit(session: AsyncSession, action: str, user_id: UUID, pipeline: Pipeline) -> None:
    await record(
        session,
        action,
        actor_id=user_id,
        workspace_id=pipeline.workspace_id,
        object_type="Pipeline",
        object_id=pipeline.id,
        data={"name": pipeline.name, "version": pipeline.latest_version},
    )


def require_ready(dataset: Dataset, *, path: Sequence[str | int]) -> None:
    """Raise `Conflict` (DATASET_NOT_READY) unless inspection has succeeded."""
    if dataset.status == "READY":
        return
    if dataset.status == "FAILED":
        reason = str((dataset.error or {}).get("message", "it cannot be read"))
        text = f"The data set {dataset.name!r} cannot be used: {reason}"
    else:
        text = f"The data set {dataset.name!r} is still being inspected. Try again in a moment."
    raise Conflict(text, code="DATASET_NOT_READY", path=path)
