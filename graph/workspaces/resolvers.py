"""Root fields of workspaces."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.fields import mutation
from graph.api.permissions import CanOwn, IsAdministrator, IsPerson
from graph.context import Info
from graph.core.ids import from_global, to_global
from graph.workspaces import limits, service
from graph.workspaces.types import (
    CreateWorkspaceInput,
    CreateWorkspaceResult,
    CreateWorkspaceSuccess,
    SetWorkspaceLimitsInput,
    SetWorkspaceLimitsResult,
    SetWorkspaceLimitsSuccess,
    SetWorkspaceMemberInput,
    SetWorkspaceMemberResult,
    SetWorkspaceMemberSuccess,
    Workspace,
    WorkspaceLimits,
    WorkspaceUsage,
)


async def load_workspace(info: Info, workspace_id: UUID) -> Workspace | None:
    """Return a workspace of the caller, for `node`."""
    context = info.context
    found = await service.workspace_of(context.db, context.require_viewer().user_id, workspace_id)
    return None if found is None else Workspace.of(*found)


@strawberry.type
class WorkspacesMutation:
    """Making and sharing workspaces."""

    @mutation(IsPerson, description="Make a workspace to share with others.")
    async def create_workspace(self, info: Info, input: CreateWorkspaceInput) -> CreateWorkspaceResult:
        """Make it."""
        row = await service.create_workspace(info.context.db, info.context.require_viewer(), input.name)
        return CreateWorkspaceSuccess(workspace=Workspace.of(row, "OWNER"))

    @mutation(CanOwn, description="Give somebody a role in the active workspace, or remove them.")
    async def set_workspace_member(self, info: Info, input: SetWorkspaceMemberInput) -> SetWorkspaceMemberResult:
        """Set it."""
        role = input.role.value if input.role else None
        found = await service.set_member(info.context.db, info.context.require_viewer(), input.email, role)
        info.context.services.authenticator.forget_roles()
        return SetWorkspaceMemberSuccess(workspace=Workspace.of(*found))

    @mutation(IsAdministrator, description="Set what a workspace may run, queue and store; administrators only.")
    async def set_workspace_limits(self, info: Info, input: SetWorkspaceLimitsInput) -> SetWorkspaceLimitsResult:
        """Set them."""
        context = info.context
        workspace_id = from_global(input.workspace_id, "Workspace", path=("workspaceId",))
        row = await limits.set_limits(context.db, context.require_viewer(), workspace_id, input.changes())
        return SetWorkspaceLimitsSuccess(
            workspace_id=strawberry.ID(to_global("Workspace", row.id)),
            name=row.name,
            limits=WorkspaceLimits.of(row, context.settings),
            usage=await WorkspaceUsage.read(info, row.id),
        )
