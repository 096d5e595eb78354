"""Workspaces: making them and sharing them with others."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput
from graph.core.ids import uuid7
from graph.core.viewer import Viewer
from graph.models import Membership, User, Workspace
from graph.users import repository as users
from graph.users.names import clean_name, normalise_email
from graph.workspaces import repository

MEMBERS_MOST: Final = 1000


async def create_workspace(db: Database, viewer: Viewer, name: str) -> Workspace:
    """Make a shared workspace owned by the caller."""
    workspace = Workspace(id=uuid7(), name=clean_name(name), owner_id=viewer.user_id)
    async with db.system() as session:
        await repository.add(session, workspace, viewer.user_id)
        await record(session, "workspace.create", actor_id=viewer.user_id, workspace_id=workspace.id)
    return workspace


async def set_member(db: Database, viewer: Viewer, email: str, role: str | None) -> tuple[Workspace, str]:
    """Give somebody with an account a role in the caller's active workspace, or take it (None).

    The owner who made the workspace keeps it; personal workspaces are not shared.
    """
    email = normalise_email(email)
    async with db.system() as session:
        found = await repository.workspace_of(session, viewer.user_id, viewer.workspace_id)
        user = await users.user_by_email(session, email)
        if found is None or found[0].personal:
            raise Conflict(
                "A personal workspace cannot be shared. Make a workspace and send its id as X-Workspace.",
                code="WORKSPACE_PERSONAL",
            )
        if user is None:
            raise InvalidInput("Nobody has an account with this e-mail address.", code="USER_UNKNOWN", path=["email"])
        if user.id == found[0].owner_id:
            raise Conflict("The maker of a workspace stays its owner.", code="OWNER_FIXED", path=["email"])
        if role is None:
            await repository.remove_member(session, viewer.workspace_id, user.id)
        else:
            await repository.set_member(session, viewer.workspace_id, user.id, role)
        await record(
            session,
            "workspace.member",
            actor_id=viewer.user_id,
            workspace_id=viewer.workspace_id,
            object_type="User",
            object_id=user.id,
            data={"role": role},
        )
    return found


async def workspaces_of(db: Database, user_id: UUID) -> list[tuple[Workspace, str]]:
    """Return the workspaces of a person with their roles."""
    async with db.system() as session:
        return await repository.workspaces_of(session, user_id)


async def workspace_of(db: Database, user_id: UUID, workspace_id: UUID) -> tuple[Workspace, str] | None:
    """Return a workspace that the person is a member of."""
    async with db.system() as session:
        return await repository.workspace_of(session, user_id, workspace_id)


async def members_of(db: Database, workspace_id: UUID) -> list[tuple[User, Membership]]:
    """Return the members of a workspace (the first thousand); whether the caller may see them is asked before."""
    async with db.system() as session:
        return await repository.members_of(session, workspace_id, MEMBERS_MOST)
