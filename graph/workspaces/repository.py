"""Queries of workspaces; in `Database.system()`, since a person's workspaces are many tenants."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import Membership, User, Workspace


async def workspaces_of(session: AsyncSession, user_id: UUID) -> list[tuple[Workspace, str]]:
    """Return the workspaces of a person with their role, the personal one first."""
    rows = await session.execute(
        select(Workspace, Membership.role)
        .join(Membership, Membership.workspace_id == Workspace.id)
        .where(Membership.user_id == user_id)
        .order_by(Workspace.personal.desc(), Workspace.id)
        .limit(100)
    )
    return [(row[0], row[1]) for row in rows]


async def workspace_of(session: AsyncSession, user_id: UUID, workspace_id: UUID) -> tuple[Workspace, str] | None:
    """Return a workspace and the person's role in it; None when they are no member."""
    row = (
        await session.execute(
            select(Workspace, Membership.role)
            .join(Membership, Membership.workspace_id == Workspace.id)
            .where(Membership.user_id == user_id, Workspace.id == workspace_id)
        )
    ).first()
    return None if row is None else (row[0], row[1])


async def add(session: AsyncSession, workspace: Workspace, owner_id: UUID) -> None:
    """Insert a workspace and its owner."""
    session.add(workspace)
    await session.flush()
    session.add(Membership(workspace_id=workspace.id, user_id=owner_id, role="OWNER"))
    await session.flush()


async def members_of(session: AsyncSession, workspace_id: UUID, most: int) -> list[tuple[User, Membership]]:
    """Return the members of a workspace with their accounts, those who came first first."""
    rows = await session.execute(
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workspace_id)
        .order_by(Membership.created_at, User.id)
        .limit(most)
    )
    return [(row[0], row[1]) for row in rows]


async def set_member(session: AsyncSession, workspace_id: UUID, user_id: UUID, role: str) -> None:
    """Add a member or change their role."""
    row = await session.scalar(
        select(Membership).where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)
    )
    if row is None:
        session.add(Membership(workspace_id=workspace_id, user_id=user_id, role=role))
    else:
        row.role = role
    await session.flush()


async def remove_member(session: AsyncSession, workspace_id: UUID, user_id: UUID) -> None:
    """Remove a member; nothing happens when they are none."""
    row = await session.scalar(
        select(Membership).where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)
    )
    if row is not None:
        await session.delete(row)
        await session.flush()
