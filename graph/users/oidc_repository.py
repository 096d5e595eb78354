"""Queries of identities at a provider. All run in `Database.system()`: accounts stand above workspaces."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import Identity, Session, User


async def locked_identity(session: AsyncSession, issuer: str, subject: str) -> tuple[Identity, User] | None:
    """Return a subject and its account, and hold the subject's row."""
    row = (
        await session.execute(
            select(Identity, User)
            .join(User, User.id == Identity.user_id)
            .where(Identity.issuer == issuer, Identity.subject == subject)
            .with_for_update(of=Identity)
        )
    ).first()
    return None if row is None else (row[0], row[1])


async def identities_of(session: AsyncSession, user_id: UUID) -> list[Identity]:
    """Return what an account is linked with, oldest first."""
    found = await session.scalars(select(Identity).where(Identity.user_id == user_id).order_by(Identity.id))
    return list(found)


async def identity_of(session: AsyncSession, identity_id: UUID, user_id: UUID) -> Identity | None:
    """Return one of an account's, and hold its row."""
    return await session.scalar(
        select(Identity).where(Identity.id == identity_id, Identity.user_id == user_id).with_for_update()
    )


async def add_identity(session: AsyncSession, row: Identity) -> None:
    """Insert one; a subject that is linked already leaves as `IntegrityError`."""
    session.add(row)
    await session.flush()


async def remove_identity(session: AsyncSession, row: Identity) -> list[UUID]:
    """Delete one, and end the account's sessions that began at its issuer; returns those."""
    await session.delete(row)
    ended = await session.scalars(
        update(Session)
        .where(Session.user_id == row.user_id, Session.issuer == row.issuer, Session.revoked_at.is_(None))
        .values(revoked_at=func.now(), revoked_reason="sign-in removed")
        .returning(Session.id)
    )
    return list(ended)


async def is_open(session: AsyncSession, session_id: UUID) -> bool:
    """Tell whether a log-in has not ended."""
    found = await session.scalar(
        select(Session.id).where(
            Session.id == session_id, Session.revoked_at.is_(None), Session.expires_at > func.now()
        )
    )
    return found is not None
