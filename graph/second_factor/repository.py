"""Queries on second factors and recovery codes; in `Database.system()`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from graph.models import RecoveryCode, SecondFactor


async def of(session: AsyncSession, user_id: UUID, *, lock: bool = False) -> SecondFactor | None:
    """Return a person's second factor, confirmed or not."""
    query = select(SecondFactor).where(SecondFactor.user_id == user_id)
    return await session.scalar(query.with_for_update() if lock else query)


async def is_on(session: AsyncSession, user_id: UUID) -> bool:
    """Tell whether a person's log-in needs a code."""
    found = select(SecondFactor.id).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    return await session.scalar(found) is not None


async def with_second_factor(session: AsyncSession, user_ids: Collection[UUID]) -> set[UUID]:
    """Return whose log-in needs a code, of these."""
    query = select(SecondFactor.user_id).where(
        SecondFactor.user_id.in_(user_ids), SecondFactor.confirmed_at.is_not(None)
    )
    return set(await session.scalars(query))


async def add(session: AsyncSession, row: SecondFactor) -> None:
    """Insert a second factor."""
    session.add(row)
    await session.flush()


async def remove(session: AsyncSession, user_id: UUID) -> bool:
    """Delete a person's second factor and recovery codes; False when there was none that counted."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    gone = await session.execute(
        delete(SecondFactor).where(SecondFactor.user_id == user_id).returning(SecondFactor.confirmed_at)
    )
    return any(each is not None for each in gone.scalars())


async def use_step(session: AsyncSession, user_id: UUID, step: int) -> bool:
    """Take the code of a step; False when it, or a later one, was taken before."""
    used = await session.scalar(
        update(SecondFactor)
        .where(SecondFactor.user_id == user_id, or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step))
        .values(last_step=step)
        .returning(SecondFactor.id)
    )
    return used is not None


async def use_recovery_code(session: AsyncSession, user_id: UUID, digest: bytes) -> bool:
    """Take a recovery code; False when it is none, or was used."""
    used = await session.scalar(
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_digest == digest, RecoveryCode.used_at.is_(None))
        .values(used_at=func.clock_timestamp())
        .returning(RecoveryCode.id)
    )
    return used is not None


async def replace_recovery_codes(session: AsyncSession, user_id: UUID, digests: Sequence[bytes]) -> None:
    """Make these the recovery codes of a person, and no others."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.add_all([RecoveryCode(user_id=user_id, code_digest=digest) for digest in digests])
    await session.flush()


async def recovery_codes_left(session: AsyncSession, user_id: UUID) -> int:
    """Count the recovery codes that were not used."""
    unused = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return (await session.execute(unused)).scalar_one()


async def to_seal(session: AsyncSession, prefix: bytes, most: int, after: UUID) -> list[SecondFactor]:
    """Return second factors behind `after`, locked, whose secret another key than that of `prefix` has sealed."""
    query = (
        select(SecondFactor)
        .where(SecondFactor.id > after, func.substr(SecondFactor.secret_sealed, 1, len(prefix)) != prefix)
        .order_by(SecondFactor.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(await session.scalars(query))
