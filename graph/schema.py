"""The GraphQL schema: composed of what each feature brings.

Convention: a feature's `resolvers.py` defines plain mixin classes decorated with `@strawberry.type`, named after the
feature: `UsersQuery`, `UsersMutation`, `JobsSubscription`, and so on. Each root field is made with
`graph.api.fields.query/mutation/subscription(Permission)`, so that it names its permission:

    @strawberry.type
    class PipelinesMutation:
        @mutation(CanWrite)
        async def create_pipeline(self, info: Info, input: CreatePipelineInput) -> CreatePipelineResult: ...

`CreatePipelineResult = Annotated[CreatePipelineSuccess | InvalidInputError | NotFoundError | ConflictError |
ForbiddenError, strawberry.union("CreatePipelineResult")]`; raise `graph.core.errors.DomainError`s, the field turns them
into the union's members. Add the mixin to the bases below, and the loader of a node type to `NODES`.

Architecture invariant: no resolver but `node` is defined here, and no resolver builds a query: that is the
repositories' work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext

from graph.admin.resolvers import AdminMutation, AdminQuery, AdminSubscription
from graph.api.extension import Operations, Runner
from graph.api.fields import query
from graph.api.node import Node
from graph.api.permissions import CanRead
from graph.api.scalars import SCALARS
from graph.api.sharing import SharingExecutor
from graph.context import Info
from graph.core.ids import split_global
from graph.datasets.resolvers import DatasetsMutation, DatasetsQuery, load_dataset
from graph.jobs.resolvers import JobsMutation, JobsQuery, load_job
from graph.pipelines.resolvers import PipelinesMutation, PipelinesQuery, load_pipeline, load_pipeline_version
from graph.recovery.resolvers import RecoveryMutation
from graph.retention.resolvers import RetentionMutation, RetentionQuery
from graph.schedules.resolvers import SchedulesMutation, SchedulesQuery, load_schedule
from graph.second_factor.resolvers import SecondFactorMutation, SecondFactorQuery
from graph.subscriptions.resolvers import JobsSubscription
from graph.uploads.resolvers import UploadsMutation, UploadsQuery, load_upload
from graph.users.oidc_resolvers import OidcMutation, OidcQuery
from graph.users.profile_resolvers import ProfileMutation
from graph.users.resolvers import UsersMutation, UsersQuery, load_api_token, load_user
from graph.webhooks.resolvers import WebhooksMutation, WebhooksQuery, load_webhook, load_webhook_delivery
from graph.workspaces.resolvers import WorkspacesMutation, load_workspace

# type name in the global id → loader that returns None for what the caller may not see
NODES: Final[dict[str, Callable[[Info, UUID], Awaitable[Any]]]] = {
    "User": load_user,
    "ApiToken": load_api_token,
    "Workspace": load_workspace,
    "Upload": load_upload,
    "Dataset": load_dataset,
    "Pipeline": load_pipeline,
    "PipelineVersion": load_pipeline_version,
    "Job": load_job,
    "Schedule": load_schedule,
    "Webhook": load_webhook,
    "WebhookDelivery": load_webhook_delivery,
}


@strawberry.type
class Query(
    UsersQuery,
    OidcQuery,
    SecondFactorQuery,
    UploadsQuery,
    DatasetsQuery,
    PipelinesQuery,
    JobsQuery,
    SchedulesQuery,
    WebhooksQuery,
    AdminQuery,
    RetentionQuery,
):
    """What can be asked."""

    @query(CanRead, description="Anything by its global id; null when it is not there or not visible.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        """Find the loader of the type that the id names."""
        parts = split_global(id)
        loader = NODES.get(parts[0]) if parts else None
        if parts is None or loader is None:
            return None
        found: Node | None = await loader(info, parts[1])
        return found


@strawberry.type
class Mutation(
    UsersMutation,
    ProfileMutation,
    OidcMutation,
    RecoveryMutation,
    SecondFactorMutation,
    WorkspacesMutation,
    UploadsMutation,
    DatasetsMutation,
    PipelinesMutation,
    JobsMutation,
    SchedulesMutation,
    WebhooksMutation,
    AdminMutation,
    RetentionMutation,
):
    """What can be changed."""


@strawberry.type
class Subscription(JobsSubscription, AdminSubscription):
    """What can be watched."""


class Schema(strawberry.Schema):
    """Strawberry's schema without its own error log: `Operations` logs bugs once, and expected refusals not at all."""

    def create_extensions_runner(
        self, execution_context: ExecutionContext, extensions: list[SchemaExtension]
    ) -> SchemaExtensionsRunner:
        """See `Runner`."""
        return Runner(execution_context, extensions)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """See the class."""


class Names(NameConverter):
    """camelCase names, made once each: inputs are converted by name in every request."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, str] = {}

    def apply_naming_config(self, name: str) -> str:
        """Return the GraphQL name; only names in the source come here, so the memory is bounded."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = super().apply_naming_config(name)
        return made


def create_schema(*, introspection: bool) -> Schema:
    """Return the schema; introspection and field suggestions are for development."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[lambda: Operations(introspection=introspection)],
        execution_context_class=SharingExecutor,
        config=StrawberryConfig(
            name_converter=Names(), scalar_map=SCALARS, disable_field_suggestions=not introspection
        ),
    )
