"""GraphQL types of workspaces."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.node import Node
from graph.core.ids import to_global
from graph.models import Workspace as WorkspaceRow


@strawberry.enum(description="What a member may do: VIEWER reads, EDITOR writes, OWNER shares.")
class WorkspaceRole(Enum):
    """Roles in a workspace."""

    OWNER = "OWNER"
    EDITOR = "EDITOR"
    VIEWER = "VIEWER"


@strawberry.type(description="A tenant: uploads, data sets, pipelines and jobs belong to one.")
class Workspace(Node):
    """A workspace as its member sees it."""

    name: str
    personal: bool
    role: WorkspaceRole = strawberry.field(description="The caller's role.")
    created_at: datetime

    @classmethod
    def of(cls, row: WorkspaceRow, role: str) -> Workspace:
        """Return the type of a row."""
        return cls(
            id=strawberry.ID(to_global("Workspace", row.id)),
            name=row.name,
            personal=row.personal,
            role=WorkspaceRole(role),
            created_at=row.created_at,
        )


@strawberry.input(description="A new workspace, owned by the caller.")
class CreateWorkspaceInput:
    """Input of createWorkspace."""

    name: str


@strawberry.input(description="A member of the active workspace; without a role they are removed.")
class SetWorkspaceMemberInput:
    """Input of setWorkspaceMember."""

    email: str
    role: WorkspaceRole | None = None


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
