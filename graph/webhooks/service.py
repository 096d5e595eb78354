"""What people do with webhooks. The workers' side is `graph.webhooks.deliverer`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.ids import uuid7
from graph.core.pagination import Page
from graph.core.sealing import Sealer
from graph.core.settings import Network
from graph.models import Webhook, WebhookDelivery
from graph.models.webhooks import WEBHOOK_EVENTS
from graph.webhooks import repository, signing
from graph.webhooks.addresses import check_url

MAX_WEBHOOKS: Final = 20
# how long the old secret signs beside the new one
OVERLAP_HOURS: Final = 24
MAX_OVERLAP_HOURS: Final = 7 * 24


def check_events(events: Sequence[str]) -> list[str]:
    """Return the events, each once; `InvalidInput` when there is none."""
    chosen = [event for event in WEBHOOK_EVENTS if event in events]
    if not chosen:
        raise InvalidInput("events: name at least one event.", code="EVENTS_MISSING", path=["events"])
    return chosen


class WebhookService:
    """Webhooks of one workspace at a time."""

    def __init__(self, db: Database, sealer: Sealer, allowed: Sequence[Network]) -> None:
        self._db = db
        self._sealer = sealer
        self._allowed = allowed

    async def get(self, workspace_id: UUID, webhook_id: UUID) -> Webhook | None:
        """Return a webhook, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get(session, webhook_id)

    async def page(self, workspace_id: UUID, first: int, after: str | None) -> Page[Webhook]:
        """Return one page of webhooks, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page(session, first, after)

    async def delivery(self, workspace_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        """Return a delivery, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get_delivery(session, delivery_id)

    async def deliveries(
        self, workspace_id: UUID, webhook_id: UUID, first: int, after: str | None, statuses: Collection[str] | None
    ) -> Page[WebhookDelivery]:
        """Return one page of a webhook's deliveries, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.deliveries_page(session, webhook_id, first, after, statuses)

    async def create(self, workspace_id: UUID, user_id: UUID, url: str, events: Sequence[str]) -> tuple[Webhook, str]:
        """Store a webhook; returns it and the text of its secret, which is never shown again.

        Raises `InvalidInput` (URL_INVALID, URL_FORBIDDEN, EVENTS_MISSING) or `Conflict` (TOO_MANY_WEBHOOKS).
        """
        webhook_id, secret = uuid7(), signing.new_secret()
        webhook = Webhook(
            id=webhook_id,
            workspace_id=workspace_id,
            url=check_url(url, self._allowed),
            events=check_events(events),
            secret_sealed=self._sealer.seal(secret, signing.holder(webhook_id)),
            created_by=user_id,
        )
        async with self._db.tenant(workspace_id) as session:
            if await repository.count(session) >= MAX_WEBHOOKS:
                raise Conflict(
                    f"A workspace may have {MAX_WEBHOOKS} webhooks. Delete one first.", code="TOO_MANY_WEBHOOKS"
                )
            await repository.add(session, webhook)
            await _audit(session, "webhook.create", user_id, webhook)
        return webhook, signing.shown(secret)

    async def update(
        self,
        workspace_id: UUID,
        user_id: UUID,
        webhook_id: UUID,
        *,
        url: str | None,
        events: Sequence[str] | None,
        enabled: bool | None,
    ) -> Webhook:
        """Change a webhook; enabling it forgets that it failed, and sends what waits."""
        new_url = None if url is None else check_url(url, self._allowed)
        new_events = None if events is None else check_events(events)
        async with self._db.tenant(workspace_id) as session:
            webhook = await repository.get(session, webhook_id, lock=True)
            if webhook is None:
                raise NotFound.of("webhook")
            webhook.url = new_url or webhook.url
            webhook.events = new_events or webhook.events
            if enabled is not None:
                webhook.enabled, webhook.disabled_reason, webhook.failing_since = enabled, None, None
            await _audit(session, "webhook.update", user_id, webhook)
        return webhook

    async def rotate(
        self, workspace_id: UUID, user_id: UUID, webhook_id: UUID, overlap_hours: int
    ) -> tuple[Webhook, str]:
        """Give a webhook a new secret; returns it and the secret's text, which is never shown again.

        The one before signs too for `overlap_hours`, so that the receiver can change over; 0 ends it at once. Raises
        `NotFound`, or `InvalidInput` (OVERLAP_INVALID).
        """
        if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
            raise InvalidInput(
                f"overlapHours: between 0 and {MAX_OVERLAP_HOURS}.", code="OVERLAP_INVALID", path=["overlapHours"]
            )
        secret, holder = signing.new_secret(), signing.holder(webhook_id)
        async with self._db.tenant(workspace_id) as session:
            webhook = await repository.get(session, webhook_id, lock=True)
            if webhook is None:
                raise NotFound.of("webhook")
            before = webhook.secret_sealed
            if webhook.secret is not None:
                before = self._sealer.seal(webhook.secret, holder)
            until = await repository.now(session) + timedelta(hours=overlap_hours)
            webhook.secret, webhook.secret_sealed = None, self._sealer.seal(secret, holder)
            kept = overlap_hours > 0
            webhook.previous_secret_sealed = before if kept else None
            webhook.previous_secret_until = until if kept else None
            await _audit(session, "webhook.rotate", user_id, webhook)
        return webhook, signing.shown(secret)

    async def ping(self, workspace_id: UUID, user_id: UUID, webhook_id: UUID) -> WebhookDelivery:
        """Send a message that tells of nothing, once. Raises `NotFound`, or `Conflict` (WEBHOOK_DISABLED, …)."""
        async with self._db.tenant(workspace_id) as session:
            webhook = await repository.get(session, webhook_id, lock=True)
            if webhook is None:
                raise NotFound.of("webhook")
            if not webhook.enabled:
                raise Conflict("The webhook is disabled. Enable it first.", code="WEBHOOK_DISABLED", path=["id"])
            # nobody's server is flooded with pings
            if await repository.pinging(session, webhook_id):
                raise Conflict("A ping is being sent right now.", code="DELIVERY_UNDER_WAY", path=["id"])
            now = await repository.now(session)
            delivery = WebhookDelivery(
                workspace_id=workspace_id,
                webhook_id=webhook_id,
                event=signing.PING,
                snapshot={"webhookId": str(webhook_id), "at": now.isoformat()},
                next_attempt_at=now,
            )
            await repository.add_delivery(session, delivery)
            await _audit(session, "webhook.ping", user_id, webhook)
        return delivery

    async def delete(self, workspace_id: UUID, user_id: UUID, webhook_id: UUID) -> None:
        """Delete a webhook with its deliveries."""
        async with self._db.tenant(workspace_id) as session:
            webhook = await repository.get(session, webhook_id, lock=True)
            if webhook is None:
                raise NotFound.of("webhook")
            await _audit(session, "webhook.delete", user_id, webhook)
            await repository.remove(session, webhook)

    async def redeliver(self, workspace_id: UUID, user_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """Send a message again, now, with its old id and a full number of attempts.

        Raises `NotFound`, or `Conflict` (WEBHOOK_DISABLED, DELIVERY_UNDER_WAY).
        """
        async with self._db.tenant(workspace_id) as session:
            found = await repository.lock_delivery(session, delivery_id)
            if found is None:
                raise NotFound.of("delivery")
            delivery, now = found
            webhook = await repository.get(session, delivery.webhook_id)
            if webhook is None or not webhook.enabled:
                raise Conflict("The webhook is disabled. Enable it first.", code="WEBHOOK_DISABLED", path=["id"])
            if delivery.lease_until is not None and delivery.lease_until > now:
                raise Conflict("This message is being sent right now.", code="DELIVERY_UNDER_WAY", path=["id"])
            delivery.status, delivery.attempt, delivery.next_attempt_at = "PENDING", 0, now
            delivery.error, delivery.delivered_at = None, None
            await record(
                session,
                "webhook.redeliver",
                actor_id=user_id,
                workspace_id=workspace_id,
                object_type="WebhookDelivery",
                object_id=delivery.id,
            )
        return delivery


async def _audit(session: AsyncSession, action: str, user_id: UUID, webhook: Webhook) -> None:
    await record(
        session,
        action,
        actor_id=user_id,
        workspace_id=webhook.workspace_id,
        object_type="Webhook",
        object_id=webhook.id,
        # paths of such URLs are often secret
        data={"host": urlsplit(webhook.url).hostname, "events": webhook.events, "enabled": webhook.enabled},
    )
