"""Queries on the outbox of mails; in `Database.system()`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.ids import uuid7
from graph.models import Mail

NOW: ColumnElement[datetime] = func.clock_timestamp()
PRUNE_BATCH: Final = 10_000


async def put(session: AsyncSession, kind: str, recipient: str, user_id: UUID | None) -> None:
    """Have a mail sent once this transaction is committed; one that says the same and still waits is enough."""
    row = insert(Mail).values(id=uuid7(), kind=kind, recipient=recipient, user_id=user_id)
    await session.execute(
        row.on_conflict_do_nothing(index_elements=["kind", "recipient"], index_where=text("status = 'PENDING'"))
    )


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that this worker may attempt under `token`."""

    id: UUID
    user_id: UUID | None
    kind: str
    recipient: str
    token: int


async def claim(session: AsyncSession, lease: timedelta, kinds: Collection[str]) -> Claimed | None:
    """Begin the next attempt of the mail of these kinds that has been due longest; others are a newer version's."""
    due = (
        select(Mail.id)
        .where(Mail.status == "PENDING", Mail.next_attempt_at <= NOW, Mail.kind.in_(tuple(kinds)))
        .order_by(Mail.next_attempt_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(Mail)
        .where(Mail.id == due.scalar_subquery())
        .values(
            attempt=Mail.attempt + 1,
            lease_token=Mail.lease_token + 1,
            lease_until=NOW + lease,
            next_attempt_at=NOW + lease,
        )
        .returning(Mail.id, Mail.user_id, Mail.kind, Mail.recipient, Mail.lease_token)
        .execution_options(synchronize_session=False)
    )
    row = (await session.execute(statement)).one_or_none()
    values: tuple[Any, ...] = () if row is None else tuple(row)
    return Claimed(*values) if values else None


async def locked(session: AsyncSession, mail_id: UUID) -> tuple[Mail, datetime] | None:
    """Return a mail, locked, and PostgreSQL's time."""
    row = (await session.execute(select(Mail, NOW).where(Mail.id == mail_id).with_for_update())).one_or_none()
    return None if row is None else (row[0], row[1])


async def prune(session: AsyncSession, age: timedelta) -> int:
    """Delete mails that were asked for so long ago, whatever became of them; returns how many."""
    old = select(Mail.id).where(Mail.created_at < NOW - age).limit(PRUNE_BATCH)
    gone = await session.execute(delete(Mail).where(Mail.id.in_(old)).returning(Mail.id))
    return len(gone.all())
