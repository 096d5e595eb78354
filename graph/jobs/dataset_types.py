"""GraphQL types of data sets made of results."""

from __future__ import annotations

from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.context import Info
from graph.datasets.types import Dataset
from graph.jobs.result_datasets import ResultDatasets
from graph.workspaces.types import QuotaExceeded


@strawberry.input
class CreateDatasetsFromJobInput:
    """Which files of which job's result."""

    job_id: strawberry.ID
    name: str | None = strawberry.field(
        default=None, description="Name of the data set, for one file; left out: as its download is named."
    )
    files: list[str] | None = strawberry.field(
        default=None,
        description="Names of files as the result lists them; left out: all, each a data set (100 at most).",
    )


@strawberry.type
class CreateDatasetsFromJobSuccess:
    """The data sets, in the order of the files; inspection follows."""

    datasets: list[Dataset]


CreateDatasetsFromJobResult = Annotated[
    CreateDatasetsFromJobSuccess | QuotaExceeded | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CreateDatasetsFromJobResult"),
]


def result_datasets(info: Info) -> ResultDatasets:
    """Return the service of this request."""
    context = info.context
    return ResultDatasets(context.db, context.queue, context.settings)
