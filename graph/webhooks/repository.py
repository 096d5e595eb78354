"""Queries on webhooks and their deliveries. The caller's transaction decides which workspaces they see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from graph.core.pagination import Page, make_page, page_query
from graph.models import Webhook, WebhookDelivery
from graph.webhooks.signing import PING

NOW: ColumnElement[datetime] = func.clock_timestamp()
PRUNE_BATCH: Final = 10_000


async def add(session: AsyncSession, webhook: Webhook) -> None:
    """Insert a webhook; its `created_at` is known afterwards."""
    session.add(webhook)
    await session.flush()


async def remove(session: AsyncSession, webhook: Webhook) -> None:
    """Delete a webhook with its deliveries."""
    await session.delete(webhook)
    await session.flush()


async def count(session: AsyncSession) -> int:
    """Return how many webhooks the workspace has."""
    return (await session.execute(select(func.count()).select_from(Webhook))).scalar_one()


async def get(session: AsyncSession, webhook_id: UUID, *, lock: bool = False) -> Webhook | None:
    """Return a webhook; with `lock` no other transaction changes it until this one ends."""
    query = select(Webhook).where(Webhook.id == webhook_id)
    if lock:
        # jobs may end meanwhile: the trigger's rows only need the key to stay
        query = query.with_for_update(key_share=True)
    return (await session.scalars(query)).one_or_none()


async def page(session: AsyncSession, first: int, after: str | None) -> Page[Webhook]:
    """Return one page of the webhooks, newest first."""
    rows = (await session.scalars(page_query(select(Webhook), Webhook.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


async def get_delivery(session: AsyncSession, delivery_id: UUID) -> WebhookDelivery | None:
    """Return a delivery."""
    return await session.get(WebhookDelivery, delivery_id)


async def deliveries_page(
    session: AsyncSession, webhook_id: UUID, first: int, after: str | None, statuses: Collection[str] | None
) -> Page[WebhookDelivery]:
    """Return one page of a webhook's deliveries, newest first; with `statuses` those in one of them."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if statuses:
        query = query.where(WebhookDelivery.status.in_(statuses))
    rows = (await session.scalars(page_query(query, WebhookDelivery.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


async def now(session: AsyncSession) -> datetime:
    """Return PostgreSQL's time."""
    return (await session.execute(select(NOW))).scalar_one()


async def add_delivery(session: AsyncSession, delivery: WebhookDelivery) -> None:
    """Insert a delivery; its `created_at` is known afterwards."""
    session.add(delivery)
    await session.flush()


async def pinging(session: AsyncSession, webhook_id: UUID) -> bool:
    """Tell whether a ping of a webhook waits or is under way."""
    found = exists().where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.event == PING, WebhookDelivery.status == "PENDING"
    )
    return (await session.execute(select(found))).scalar_one()


async def lock_delivery(session: AsyncSession, delivery_id: UUID) -> tuple[WebhookDelivery, datetime] | None:
    """Return a delivery, locked, and PostgreSQL's time."""
    query = select(WebhookDelivery, NOW).where(WebhookDelivery.id == delivery_id).with_for_update()
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker may attempt under `token`; `at` is PostgreSQL's time."""

    id: UUID
    workspace_id: UUID
    webhook_id: UUID
    event: str
    snapshot: dict[str, Any]
    token: int
    url: str
    secret: bytes | None
    secret_sealed: bytes | None
    previous_secret_sealed: bytes | None
    previous_secret_until: datetime | None
    at: datetime


async def claim(session: AsyncSession, lease: timedelta) -> Claimed | None:
    """Begin the next attempt of the delivery that has been due longest.

    A webhook to which a message is under way waits, so that a slow receiver takes one of the slots, not all.
    """
    other = aliased(WebhookDelivery)
    under_way = select(other.id).where(other.webhook_id == WebhookDelivery.webhook_id, other.lease_until > NOW)
    due = (
        select(WebhookDelivery.id)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(
            WebhookDelivery.status == "PENDING",
            WebhookDelivery.next_attempt_at <= NOW,
            Webhook.enabled,
            ~under_way.exists(),
        )
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(1)
        .with_for_update(of=WebhookDelivery, skip_locked=True)
    )
    statement = (
        update(WebhookDelivery)
        .where(WebhookDelivery.id == due.scalar_subquery(), Webhook.id == WebhookDelivery.webhook_id)
        .values(
            attempt=WebhookDelivery.attempt + 1,
            lease_token=WebhookDelivery.lease_token + 1,
            lease_until=NOW + lease,
            next_attempt_at=NOW + lease,
            last_attempt_at=NOW,
        )
        .returning(
            WebhookDelivery.id,
            WebhookDelivery.workspace_id,
            WebhookDelivery.webhook_id,
            WebhookDelivery.event,
            WebhookDelivery.snapshot,
            WebhookDelivery.lease_token,
            Webhook.url,
            Webhook.secret,
            Webhook.secret_sealed,
            Webhook.previous_secret_sealed,
            Webhook.previous_secret_until,
            NOW,
        )
        .execution_options(synchronize_session=False)
    )
    row = (await session.execute(statement)).one_or_none()
    values: tuple[Any, ...] = () if row is None else tuple(row)
    return Claimed(*values) if values else None


async def to_seal(session: AsyncSession, prefix: bytes, after: UUID, most: int) -> list[Webhook]:
    """Return webhooks behind `after`, locked, with a secret that is open, of another key than `prefix`, or over."""
    begin = literal(len(prefix))
    query = (
        select(Webhook)
        .where(
            Webhook.id > after,
            or_(
                Webhook.secret.is_not(None),
                func.substr(Webhook.secret_sealed, 1, begin) != prefix,
                func.substr(Webhook.previous_secret_sealed, 1, begin) != prefix,
                Webhook.previous_secret_until <= NOW,
            ),
        )
        .order_by(Webhook.id)
        .limit(most)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return list(await session.scalars(query))


async def prune(session: AsyncSession, age: timedelta) -> int:
    """Delete deliveries that were made so long ago, whatever became of them; returns how many."""
    old = select(WebhookDelivery.id).where(WebhookDelivery.created_at < NOW - age).limit(PRUNE_BATCH)
    gone = await session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)).returning(WebhookDelivery.id)
    )
    return len(gone.all())
