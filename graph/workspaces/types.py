"""GraphQL types of workspaces."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated
from uuid import UUID

import strawberry

from graph.api.errors import ConflictError, ErrorInterface, ForbiddenError, InvalidInputError, NotFoundError, answer_as
from graph.api.fields import field
from graph.api.node import Node
from graph.api.scalars import Int64
from graph.context import Info
from graph.core.ids import to_global
from graph.core.settings import Settings
from graph.models import Membership, User
from graph.models import Workspace as WorkspaceRow
from graph.workspaces.limits import FIELDS, limits_of, usage_of
from graph.workspaces.limits import QuotaExceeded as QuotaRefusal
from graph.workspaces.service import members_of


@strawberry.enum(description="What a limit is about.")
class QuotaResource(Enum):
    """Resources with a quota."""

    UNFINISHED_JOBS = "UNFINISHED_JOBS"
    STORAGE_BYTES = "STORAGE_BYTES"


@strawberry.enum(description="What a member may do: VIEWER reads, EDITOR writes, OWNER shares.")
class WorkspaceRole(Enum):
    """Roles in a workspace."""

    OWNER = "OWNER"
    EDITOR = "EDITOR"
    VIEWER = "VIEWER"


@strawberry.type(description="What a workspace may do: its own limits, or the service's defaults.")
class WorkspaceLimits:
    """Limits."""

    max_running_jobs: int = strawberry.field(description="Jobs that run at once; more of them wait.")
    max_unfinished_jobs: int = strawberry.field(description="Jobs that wait or run; runJob refuses more.")
    max_storage_bytes: Int64 = strawberry.field(description="Data sets, results and uploads in progress.")
    max_priority: int = strawberry.field(description="Highest priority that runJob accepts.")

    @classmethod
    def of(cls, row: WorkspaceRow, settings: Settings) -> WorkspaceLimits:
        """Return the limits that hold for a row."""
        found = limits_of(row, settings)
        return cls(
            max_running_jobs=found.max_running_jobs,
            max_unfinished_jobs=found.max_unfinished_jobs,
            max_storage_bytes=Int64(found.max_storage_bytes),
            max_priority=found.max_priority,
        )


@strawberry.type(description="What a workspace does now.")
class WorkspaceUsage:
    """Usage."""

    running_jobs: int
    unfinished_jobs: int = strawberry.field(description="Jobs that wait or run.")
    storage_bytes: Int64 = strawberry.field(description="Data sets, results and uploads in progress.")

    @classmethod
    async def read(cls, info: Info, workspace_id: UUID) -> WorkspaceUsage:
        """Count it."""
        used = await usage_of(info.context.db, workspace_id)
        return cls(
            running_jobs=used.running_jobs,
            unfinished_jobs=used.unfinished_jobs,
            storage_bytes=Int64(used.storage_bytes),
        )


@strawberry.type(description="The workspace would pass a limit: nothing was done.")
class QuotaExceeded(ErrorInterface):
    """`QUOTA_EXCEEDED`; limit, used and requested are jobs or bytes."""

    resource: QuotaResource
    limit: Int64
    used: Int64
    requested: Int64


def _quota_exceeded(error: QuotaRefusal) -> QuotaExceeded:
    return QuotaExceeded(
        code=error.code,
        message=error.message,
        path=error.path,
        resource=QuotaResource(error.resource),
        limit=Int64(error.limit),
        used=Int64(error.used),
        requested=Int64(error.requested),
    )


answer_as(QuotaRefusal, _quota_exceeded)


@strawberry.type(description="Somebody who works in a workspace, as the other members see them.")
class WorkspaceMember:
    """A membership."""

    user_id: strawberry.ID
    name: str
    email: str
    role: WorkspaceRole
    owner: bool = strawberry.field(description="Whether they made the workspace: they stay its owner.")
    since: datetime

    @classmethod
    def of(cls, user: User, membership: Membership, owner_id: UUID) -> WorkspaceMember:
        """Make it of the rows."""
        return cls(
            user_id=strawberry.ID(to_global("User", user.id)),
            name=user.name,
            email=user.email,
            role=WorkspaceRole(membership.role),
            owner=user.id == owner_id,
            since=membership.created_at,
        )


@strawberry.type(description="A tenant: uploads, data sets, pipelines and jobs belong to one.")
class Workspace(Node):
    """A workspace as its member sees it."""

    row: strawberry.Private[WorkspaceRow]
    name: str
    personal: bool
    role: WorkspaceRole = strawberry.field(description="The caller's role.")
    created_at: datetime

    @classmethod
    def of(cls, row: WorkspaceRow, role: str) -> Workspace:
        """Return the type of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Workspace", row.id)),
            name=row.name,
            personal=row.personal,
            role=WorkspaceRole(role),
            created_at=row.created_at,
        )

    @field(description="What it may do.")
    def limits(self, info: Info) -> WorkspaceLimits:
        """Its own limits, or the settings'."""
        return WorkspaceLimits.of(self.row, info.context.settings)

    @field(description="What it does now.")
    async def usage(self, info: Info) -> WorkspaceUsage:
        """Counted when asked."""
        return await WorkspaceUsage.read(info, self.row.id)

    @field(description="Who works in it, those who came first first; the first thousand.")
    async def members(self, info: Info) -> list[WorkspaceMember]:
        """A workspace is only ever shown to its members, who may know one another."""
        rows = await members_of(info.context.db, self.row.id)
        return [WorkspaceMember.of(*row, self.row.owner_id) for row in rows]


@strawberry.input(description="A new workspace, owned by the caller.")
class CreateWorkspaceInput:
    """Input of createWorkspace."""

    name: str


@strawberry.input(description="A member of the active workspace; without a role they are removed.")
class SetWorkspaceMemberInput:
    """Input of setWorkspaceMember."""

    email: str
    role: WorkspaceRole | None = None


@strawberry.input(description="Limits of a workspace; null sets the service's default, what is left out stays.")
class SetWorkspaceLimitsInput:
    """Input of setWorkspaceLimits."""

    workspace_id: strawberry.ID
    max_running_jobs: int | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 10,000; 0 holds all its jobs back."
    )
    max_unfinished_jobs: int | None = strawberry.field(default=strawberry.UNSET, description="0 to 10,000,000.")
    max_storage_bytes: Int64 | None = strawberry.field(default=strawberry.UNSET, description="0 to 2^60.")
    max_priority: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="-10 to 10; above 0 the workspace may let jobs go before the normal ones of all others.",
    )

    def changes(self) -> dict[str, int | None]:
        """Return what is set, by column."""
        given = {column: getattr(self, column) for _, column, _, _ in FIELDS}
        return {column: value for column, value in given.items() if value is not strawberry.UNSET}


@strawberry.type
class SetWorkspaceLimitsSuccess:
    """The limits hold from now on; jobs that run are not stopped."""

    workspace_id: strawberry.ID
    name: str
    limits: WorkspaceLimits
    usage: WorkspaceUsage


@strawberry.type
class CreateWorkspaceSuccess:
    """The workspace was made."""

    workspace: Workspace


@strawberry.type
class SetWorkspaceMemberSuccess:
    """The member's role was set."""

    workspace: Workspace


CreateWorkspaceResult = Annotated[
    CreateWorkspaceSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CreateWorkspaceResult"),
]
SetWorkspaceMemberResult = Annotated[
    SetWorkspaceMemberSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SetWorkspaceMemberResult"),
]
SetWorkspaceLimitsResult = Annotated[
    SetWorkspaceLimitsSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SetWorkspaceLimitsResult"),
]
