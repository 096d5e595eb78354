"""What workers do with the outbox: send what is due, note the answer, try again later, give up at last.

At least once: a worker that dies between the receiver's answer and the note of it leaves a message that another sends
again, with the same `webhook-id`. No transaction is open while a request is under way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.outbox import Pump
from graph.core.sealing import CannotOpen, Sealer
from graph.core.settings import Network
from graph.core.telemetry import WEBHOOKS
from graph.models import Webhook, WebhookDelivery
from graph.webhooks import repository, signing, state
from graph.webhooks.repository import Claimed
from graph.webhooks.sender import Answer, Sender

AT_ONCE: Final = 8
# longer than a request may take, so that no two workers send one message at once
LEASE: Final = timedelta(seconds=60)
SEAL_BATCH: Final = 100
KEEP: Final = timedelta(days=30)

log = structlog.get_logger(__name__)


class Deliverer:
    """Sends the messages of all workspaces, a bounded number at once."""

    def __init__(self, db: Database, sealer: Sealer, allowed: Sequence[Network]) -> None:
        self._db = db
        self._sealer = sealer
        self._sender = Sender(allowed, most=AT_ONCE)
        self._pump = Pump("webhook", AT_ONCE, self._claim, self._deliver)

    async def fill(self) -> None:
        """Begin what is due as long as there is room; returns before the answers have come."""
        await self._pump.fill()

    async def deliver_due(self) -> None:
        """Begin what is due and wait until nothing is under way."""
        await self._pump.drain()

    async def _claim(self) -> Claimed | None:
        async with self._db.system() as session:
            return await repository.claim(session, LEASE)

    async def _deliver(self, work: Claimed) -> None:
        body = signing.body(work.event, work.snapshot)
        try:
            keys = self._secrets(work)
        except CannotOpen as error:
            # nothing of the receiver's: an operator gives the key back, and a later attempt succeeds
            log.error("webhook_secret_closed", webhook_id=str(work.webhook_id), error=str(error))
            answer = Answer(None, 0, "The service could not read the webhook's secret.")
        else:
            headers = signing.headers(keys, signing.message_id(work.id), int(work.at.timestamp()), body)
            answer = await self._sender.post(work.url, headers, body)
        WEBHOOKS.labels("delivered" if answer.succeeded else "failed").inc()
        async with self._db.tenant(work.workspace_id) as session:
            # in the order of a deletion, which goes from the webhook to its deliveries
            webhook = await repository.get(session, work.webhook_id, lock=True)
            found = await repository.lock_delivery(session, work.id)
            if webhook is None or found is None or found[0].lease_token != work.token:
                return
            delivery, now = found
            if _note(webhook, delivery, answer, now):
                await _audit_disabled(session, webhook)

    def _secrets(self, work: Claimed) -> list[bytes]:
        """Return the secrets that sign, the newest first; `CannotOpen`."""
        holder = signing.holder(work.webhook_id)
        found = [] if work.secret is None else [work.secret]
        found += [] if work.secret_sealed is None else [self._sealer.open(work.secret_sealed, holder)]
        if work.previous_secret_sealed and work.previous_secret_until and work.previous_secret_until > work.at:
            found.append(self._sealer.open(work.previous_secret_sealed, holder))
        return found

    async def seal(self) -> int:
        """Seal what is open, or sealed with an older key, with the key of now, and forget secrets that are over.

        Returns how many webhooks it changed. What no key opens stays as it is.
        """
        done, after = 0, UUID(int=0)
        while True:
            async with self._db.system() as session:
                rows = await repository.to_seal(session, self._sealer.prefix, after, SEAL_BATCH)
                now = await repository.now(session)
                done += sum([self._seal(row, now) for row in rows])
            if len(rows) < SEAL_BATCH:
                break
            after = rows[-1].id
        if done:
            log.info("webhook_secrets_sealed", webhooks=done)
        return done

    def _seal(self, webhook: Webhook, now: datetime) -> bool:
        holder, prefix = signing.holder(webhook.id), self._sealer.prefix
        if webhook.previous_secret_until is not None and webhook.previous_secret_until <= now:
            webhook.previous_secret_sealed = webhook.previous_secret_until = None
        try:
            if (opened := webhook.secret) is not None:
                webhook.secret, webhook.secret_sealed = None, self._sealer.seal(opened, holder)
            for name in ("secret_sealed", "previous_secret_sealed"):
                sealed: bytes | None = getattr(webhook, name)
                if sealed is not None and not sealed.startswith(prefix):
                    setattr(webhook, name, self._sealer.seal(self._sealer.open(sealed, holder), holder))
        except CannotOpen as error:
            log.error("webhook_secret_closed", webhook_id=str(webhook.id), error=str(error))
            return False
        return True

    async def prune(self) -> None:
        """Forget deliveries of long ago."""
        async with self._db.system() as session:
            gone = await repository.prune(session, KEEP)
        if gone:
            log.info("webhook_deliveries_pruned", deliveries=gone)

    async def close(self) -> None:
        """Give requests that are under way a moment; what is cut off is sent again by another worker."""
        await self._pump.close()
        await self._sender.close()


def _note(webhook: Webhook, delivery: WebhookDelivery, answer: Answer, now: datetime) -> bool:
    """Write down what came of an attempt, and what follows from it; tells whether the webhook is disabled now."""
    delivery.lease_until = None
    delivery.response_status, delivery.response_ms, delivery.error = answer.status, answer.milliseconds, answer.error
    if answer.succeeded:
        delivery.status, delivery.delivered_at = "DELIVERED", now
        webhook.failing_since = None
        return False
    if delivery.event == signing.PING:
        # somebody tries the receiver out: that says nothing about its messages
        delivery.status = "FAILED"
        return False
    webhook.failing_since = webhook.failing_since or now
    wait = state.backoff(delivery.attempt, random.random())  # noqa: S311  # spreads requests, hides nothing
    if wait is None or answer.status == state.GONE:
        delivery.status = "FAILED"
    else:
        delivery.next_attempt_at = now + wait
    reason = state.reason_to_disable(answer.status, answer.error, webhook.failing_since, now)
    if reason is None or not webhook.enabled:
        return False
    webhook.enabled, webhook.disabled_reason = False, reason
    log.warning("webhook_disabled", webhook_id=str(webhook.id), code=reason["code"])
    return True


async def _audit_disabled(session: AsyncSession, webhook: Webhook) -> None:
    await record(
        session,
        "webhook.disable",
        actor_id=None,
        workspace_id=webhook.workspace_id,
        object_type="Webhook",
        object_id=webhook.id,
        data=webhook.disabled_reason,
    )
