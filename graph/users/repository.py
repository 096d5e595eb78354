"""Queries of accounts. All run in `Database.system()`: accounts stand above workspaces."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import ApiToken, Identity, Membership, SecondFactor, Session, User, Workspace


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """Return the account of a normalised address."""
    return await session.scalar(select(User).where(User.email == email))


async def user_by_id(session: AsyncSession, user_id: UUID) -> User | None:
    """Return the account that may log in, None when it is disabled."""
    return await session.scalar(select(User).where(User.id == user_id, User.disabled_at.is_(None)))


async def names_of(session: AsyncSession, user_ids: list[UUID]) -> dict[UUID, User]:
    """Return accounts by id."""
    found = await session.scalars(select(User).where(User.id.in_(user_ids)))
    return {user.id: user for user in found}


async def personal_workspace(session: AsyncSession, user_id: UUID) -> Workspace:
    """Return the personal workspace; registration made it."""
    found = await session.scalars(select(Workspace).where(Workspace.owner_id == user_id, Workspace.personal))
    return found.one()


async def add_account(session: AsyncSession, user: User, workspace: Workspace) -> None:
    """Insert an account with its personal workspace; unique violations leave as `IntegrityError`."""
    session.add(user)
    await session.flush()
    session.add(workspace)
    await session.flush()
    session.add(Membership(workspace_id=workspace.id, user_id=user.id, role="OWNER"))
    await session.flush()


async def add(session: AsyncSession, row: Session | ApiToken) -> None:
    """Insert a session or an API token."""
    session.add(row)
    await session.flush()


async def locked_session(session: AsyncSession, session_id: UUID) -> Session | None:
    """Return a log-in and hold its row: two refreshes at once must not both rotate."""
    return await session.scalar(select(Session).where(Session.id == session_id).with_for_update())


async def revoke_session(session: AsyncSession, session_id: UUID, reason: str) -> bool:
    """End a log-in; False when it had ended already."""
    changed = await session.scalar(
        update(Session)
        .where(Session.id == session_id, Session.revoked_at.is_(None))
        .values(revoked_at=func.now(), revoked_reason=reason)
        .returning(Session.id)
    )
    return changed is not None


async def revoke_sessions_of(
    session: AsyncSession, user_id: UUID, reason: str, *, keep: UUID | None = None
) -> list[UUID]:
    """End all log-ins of a person but the one to `keep`; returns those that had not ended."""
    found = await session.scalars(
        update(Session)
        .where(
            Session.user_id == user_id,
            Session.revoked_at.is_(None),
            Session.expires_at > func.now(),
            Session.id.is_distinct_from(keep),
        )
        .values(revoked_at=func.now(), revoked_reason=reason)
        .returning(Session.id)
    )
    return list(found)


async def api_token_by_digest(session: AsyncSession, digest: bytes) -> tuple[ApiToken, str, str, bool] | None:
    """Return a valid API token with its workspace role, the platform role of its user, and if they are verified."""
    row = (
        await session.execute(
            select(ApiToken, Membership.role, User.role, User.email_verified_at.is_not(None))
            .join(User, User.id == ApiToken.user_id)
            .join(
                Membership,
                (Membership.user_id == ApiToken.user_id) & (Membership.workspace_id == ApiToken.workspace_id),
            )
            .where(
                ApiToken.token_digest == digest,
                ApiToken.revoked_at.is_(None),
                or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now()),
                User.disabled_at.is_(None),
            )
        )
    ).first()
    return None if row is None else (row[0], row[1], row[2], row[3])


async def is_verified(session: AsyncSession, user_id: UUID) -> bool:
    """Tell whether the address of an account is verified."""
    found = await session.scalar(select(User.email_verified_at).where(User.id == user_id))
    return found is not None


async def is_secured(session: AsyncSession, user_id: UUID, session_id: UUID | None) -> bool:
    """Tell whether an account has a second factor, or a session began at an OpenID provider.

    Without a session, for API tokens: whether the account signs in at a provider at all.
    """
    factor = select(SecondFactor.id).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    signed_on = (
        select(Session.id).where(Session.id == session_id, Session.issuer.is_not(None))
        if session_id is not None
        else select(Identity.id).where(Identity.user_id == user_id)
    )
    return bool(await session.scalar(select(or_(factor.exists(), signed_on.exists()))))


async def touch_api_token(session: AsyncSession, token_id: UUID) -> None:
    """Remember that a token was used."""
    await session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=func.now()))


async def api_tokens_of(session: AsyncSession, user_id: UUID) -> list[ApiToken]:
    """Return the tokens of a person that were not revoked, newest first."""
    found = await session.scalars(
        select(ApiToken)
        .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.id.desc())
        .limit(100)
    )
    return list(found)


async def revoke_api_token(session: AsyncSession, token_id: UUID, user_id: UUID) -> ApiToken | None:
    """Revoke a token of this person; None when there is none such."""
    return await session.scalar(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken)
    )


async def membership_role(session: AsyncSession, user_id: UUID, workspace_id: UUID) -> str | None:
    """Return a person's role in a workspace."""
    return await session.scalar(
        select(Membership.role).where(Membership.user_id == user_id, Membership.workspace_id == workspace_id)
    )


async def recently_revoked(session: AsyncSession, since: timedelta) -> set[UUID]:
    """Return ids of sessions and API tokens revoked in this span, and of users disabled."""
    start = func.now() - since
    ids: set[UUID] = set(await session.scalars(select(Session.id).where(Session.revoked_at > start)))
    ids |= set(await session.scalars(select(ApiToken.id).where(ApiToken.revoked_at > start)))
    ids |= set(await session.scalars(select(User.id).where(User.disabled_at.is_not(None))))
    return ids


async def purge_sessions(session: AsyncSession, before: datetime) -> None:
    """Delete sessions that ended before this time."""
    found = await session.scalars(select(Session).where(Session.expires_at < before))
    for row in found:
        await session.delete(row)
