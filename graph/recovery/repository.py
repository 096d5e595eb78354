"""Queries on single-use tokens of accounts; in `Database.system()`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import AccountToken, User

NOW: ColumnElement[datetime] = func.clock_timestamp()
PRUNE_BATCH: Final = 10_000


async def in_(session: AsyncSession, span: timedelta) -> datetime:
    """Return PostgreSQL's time after this span."""
    return (await session.execute(select(NOW + span))).scalar_one()


async def add(session: AsyncSession, token: AccountToken) -> None:
    """Insert a token."""
    session.add(token)
    await session.flush()


async def holder(session: AsyncSession, purpose: str, digest: bytes) -> User | None:
    """Return whose token this is, if it may be used: by its address of now, and not disabled."""
    return await session.scalar(
        select(User)
        .join(AccountToken, AccountToken.user_id == User.id)
        .where(
            AccountToken.token_digest == digest,
            AccountToken.purpose == purpose,
            AccountToken.used_at.is_(None),
            AccountToken.expires_at > NOW,
            AccountToken.email == User.email,
            User.disabled_at.is_(None),
        )
    )


async def use(session: AsyncSession, purpose: str, digest: bytes) -> bool:
    """Use a token up; False when somebody else was faster, or its time is over."""
    used = await session.scalar(
        update(AccountToken)
        .where(
            AccountToken.token_digest == digest,
            AccountToken.purpose == purpose,
            AccountToken.used_at.is_(None),
            AccountToken.expires_at > NOW,
        )
        .values(used_at=NOW)
        .returning(AccountToken.id)
    )
    return used is not None


async def void(session: AsyncSession, user_id: UUID, purposes: Collection[str]) -> None:
    """Make all tokens of a person for these purposes void."""
    await session.execute(
        update(AccountToken)
        .where(AccountToken.user_id == user_id, AccountToken.purpose.in_(purposes), AccountToken.used_at.is_(None))
        .values(used_at=NOW)
    )


async def locked_user(session: AsyncSession, user_id: UUID) -> User:
    """Return an account and hold its row."""
    return (await session.scalars(select(User).where(User.id == user_id).with_for_update())).one()


async def now(session: AsyncSession) -> datetime:
    """Return PostgreSQL's time."""
    return (await session.execute(select(NOW))).scalar_one()


async def prune(session: AsyncSession) -> int:
    """Delete tokens whose time is over; returns how many."""
    old = select(AccountToken.id).where(AccountToken.expires_at < NOW).limit(PRUNE_BATCH)
    gone = await session.execute(delete(AccountToken).where(AccountToken.id.in_(old)).returning(AccountToken.id))
    return len(gone.all())
