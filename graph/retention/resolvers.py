"""Root fields of retention."""

from __future__ import annotations

import strawberry

from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, IsAdministrator
from graph.context import Info
from graph.core.ids import from_global
from graph.retention.orphans import last_sweep
from graph.retention.policy import KINDS
from graph.retention.service import RetentionService
from graph.retention.types import (
    OrphanSweep,
    RetentionPolicy,
    SetRetentionPolicyInput,
    SetRetentionPolicyResult,
    SetRetentionPolicySuccess,
)


def retention_service(info: Info) -> RetentionService:
    """Return the service of this request."""
    context = info.context
    return RetentionService(context.db, context.storage, context.events, context.settings)


@strawberry.type
class RetentionQuery:
    """What is kept how long."""

    @query(CanRead, description="How long the active workspace keeps things.")
    async def retention_policy(self, info: Info) -> RetentionPolicy:
        """The settings, with what the workspace has of its own."""
        return RetentionPolicy.of(await retention_service(info).policy(info.context.workspace_id))

    @query(IsAdministrator, description="What the last search for orphaned objects found; administrators only.")
    async def orphan_sweep(self, info: Info) -> OrphanSweep | None:
        """Null before the first one has finished."""
        found = await last_sweep(info.context.db)
        return None if found is None else OrphanSweep.of(found)


@strawberry.type
class RetentionMutation:
    """Setting it."""

    @mutation(IsAdministrator, description="Set how long a workspace keeps things; administrators only.")
    async def set_retention_policy(self, info: Info, input: SetRetentionPolicyInput) -> SetRetentionPolicyResult:
        """Set it."""
        workspace = from_global(input.workspace_id, "Workspace", path=("workspaceId",))
        days = {kind: getattr(input, f"{kind}_days") for kind in KINDS}
        policy = await retention_service(info).set_policy(info.context.require_viewer().user_id, workspace, days)
        return SetRetentionPolicySuccess(policy=RetentionPolicy.of(policy))
