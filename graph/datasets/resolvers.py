"""Root fields of data sets."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.errors import to_graphql
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.errors import DomainError, TopLevelError
from graph.core.ids import from_global, to_global, try_global
from graph.datasets.profile import profile
from graph.datasets.profile_types import DatasetProfile, ProfileDatasetInput, ProfileDatasetResult
from graph.datasets.types import Dataset, DeleteDatasetInput, DeleteDatasetResult, DeleteDatasetSuccess, dataset_service


async def load_dataset(info: Info, dataset_id: UUID) -> Dataset | None:
    """Return a data set of the active workspace, for `node`."""
    row = await dataset_service(info).get(info.context.workspace_id, dataset_id)
    return None if row is None else Dataset.of(row)


@strawberry.type
class DatasetsQuery:
    """Reading data sets."""

    @query(CanRead, description="A data set of the active workspace; null when there is none of this id.")
    async def dataset(self, info: Info, id: strawberry.ID) -> Dataset | None:
        """One data set."""
        dataset_id = try_global(id, "Dataset")
        return None if dataset_id is None else await load_dataset(info, dataset_id)

    @query(CanRead, description="The data sets of the active workspace, newest first.")
    async def datasets(self, info: Info, first: int, after: str | None = None) -> Connection[Dataset]:
        """One page."""
        page = await dataset_service(info).page(info.context.workspace_id, first, after)
        return to_connection(page, Dataset.of, after=after)

    @query(
        CanRead,
        description="What each column of a data set holds, counted over all its rows. Reads the whole file the first "
        "time: a big one may be refused (PROFILE_TIMEOUT).",
    )
    async def profile_dataset(self, info: Info, input: ProfileDatasetInput) -> ProfileDatasetResult:
        """Profile; refusals are answers here too, as they are about the file."""
        try:
            dataset_id = from_global(input.id, "Dataset")
            row = await dataset_service(info).get(info.context.workspace_id, dataset_id)
            report = await profile(row, info.context.storage)
        except TopLevelError:
            raise
        except DomainError as error:
            return to_graphql(error)  # type: ignore[return-value]  # a member of the union
        return DatasetProfile.of(report)


@strawberry.type
class DatasetsMutation:
    """Changing data sets."""

    @mutation(CanWrite, description="Delete a data set and its file; refused while a job reads it.")
    async def delete_dataset(self, info: Info, input: DeleteDatasetInput) -> DeleteDatasetResult:
        """Delete."""
        dataset_id = from_global(input.id, "Dataset")
        viewer = info.context.require_viewer()
        await dataset_service(info).delete(viewer.workspace_id, viewer.user_id, dataset_id)
        return DeleteDatasetSuccess(id=strawberry.ID(to_global("Dataset", dataset_id)))
