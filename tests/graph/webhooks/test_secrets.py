"""Secrets of webhooks: sealed in the database, replaced with an overlap, sealed anew under a new key; and pings."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from graph.core.ids import from_global
from graph.core.sealing import Sealer, generate_encryption_key
from graph.models import AuditLog, Membership, Webhook
from graph.webhooks.deliverer import Deliverer
from tests.graph.client import User
from tests.graph.webhooks.asking import (
    DELIVERY,
    FIELDS,
    REDELIVER,
    UPDATE,
    deliverer,
    deliveries,
    look,
    make_webhook,
    set_delivery,
    set_webhook,
)
from tests.graph.webhooks.receiver import Receiver
from tests.graph.webhooks.test_deliverer import deliver, documented_verify, end_a_job, make_due

PING = f"""mutation ($input: PingWebhookInput!) {{ pingWebhook(input: $input) {{ __typename
  ... on PingWebhookSuccess {{ delivery {{ {DELIVERY} }} }} ... on Error {{ code message path }} }} }}"""
ROTATE = f"""mutation ($input: RotateWebhookSecretInput!) {{ rotateWebhookSecret(input: $input) {{ __typename
  ... on RotateWebhookSecretSuccess {{ secret webhook {{ {FIELDS} previousSecretUntil }} }}
  ... on Error {{ code message path }} }} }}"""


def raw(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


async def row_of(user: User, webhook: dict[str, Any]) -> Webhook:
    async with user.services.db.tenant(user.workspace_id) as session:
        return (await session.scalars(select(Webhook).where(Webhook.id == from_global(webhook["id"], "Webhook")))).one()


def with_keys(user: User, current: str, previous: str = "") -> Deliverer:
    """What a worker with these keys runs."""
    values = {"encryption_key": current, "previous_encryption_keys": previous}
    settings = user.services.settings.model_validate(values)
    return Deliverer(user.services.db, Sealer.from_settings(settings), user.services.settings.webhook_networks)


def key_of(user: User) -> str:
    key = user.services.settings.encryption_key
    assert key is not None
    return key.get_secret_value()


async def test_no_secret_stands_in_the_database(user: User) -> None:
    webhook, secret = await make_webhook(user, "https://example.org")
    await user.ask(ROTATE, input={"id": webhook["id"]})
    async with user.services.db.tenant(user.workspace_id) as session:
        found = str((await session.execute(text("SELECT to_jsonb(w) FROM webhooks w"))).scalars().all())
    assert raw(secret).hex() not in found
    assert secret not in found
    row = await row_of(user, webhook)
    assert row.secret is None
    assert row.previous_secret_sealed is not None
    assert user.services.sealer.open(row.previous_secret_sealed, f"webhook:{row.id}") == raw(secret)


async def test_both_secrets_sign_while_one_replaces_the_other(user: User, receiver: Receiver) -> None:
    webhook, old = await make_webhook(user, receiver.url)
    answer = await user.ask(ROTATE, input={"id": webhook["id"]})
    new = answer["secret"]
    assert len({old, new}) == 2
    until = datetime.fromisoformat(answer["webhook"]["previousSecretUntil"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24, minutes=5)
    await end_a_job(user)
    await deliver(user)
    (request,) = receiver.requests
    verify = documented_verify()
    assert verify(old, request.headers, request.body)
    assert verify(new, request.headers, request.body)
    first = {**request.headers, "webhook-signature": request.headers["webhook-signature"].split()[0]}
    assert verify(new, first, request.body), "the newest stands first"
    await set_webhook(user, webhook, previous_secret_until=datetime.now(UTC) - timedelta(minutes=1))
    await user.ask(REDELIVER, input={"id": (await deliveries(user, webhook))[0]["id"]})
    await deliver(user)
    last = receiver.requests[-1]
    assert verify(new, last.headers, last.body)
    assert not verify(old, last.headers, last.body)


async def test_a_secret_that_leaked_ends_at_once(user: User, receiver: Receiver) -> None:
    webhook, old = await make_webhook(user, receiver.url)
    answer = await user.ask(ROTATE, input={"id": webhook["id"], "overlapHours": 0})
    assert answer["webhook"]["previousSecretUntil"] is None
    await user.ask(PING, input={"id": webhook["id"]})
    await deliver(user)
    (request,) = receiver.requests
    assert documented_verify()(answer["secret"], request.headers, request.body)
    assert not documented_verify()(old, request.headers, request.body)
    for hours in (-1, 169):
        refused = await user.ask(ROTATE, input={"id": webhook["id"], "overlapHours": hours})
        assert (refused["code"], refused["path"]) == ("OVERLAP_INVALID", ["overlapHours"])
    async with user.services.db.tenant(user.workspace_id) as session:
        actions = list(await session.scalars(select(AuditLog.action).order_by(AuditLog.id)))
    assert actions[-3:] == ["webhook.create", "webhook.rotate", "webhook.ping"]


async def test_secrets_of_before_sign_until_they_are_sealed(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    await set_webhook(user, webhook, secret=raw(secret), secret_sealed=None)
    await end_a_job(user)
    await deliver(user)
    worker = deliverer(user)
    assert await worker.seal() >= 1
    assert await worker.seal() == 0
    row = await row_of(user, webhook)
    assert (row.secret, row.secret_sealed is None) == (None, False)
    await user.ask(REDELIVER, input={"id": (await deliveries(user, webhook))[0]["id"]})
    await deliver(user)
    assert len(receiver.requests) == 2
    assert all(documented_verify()(secret, each.headers, each.body) for each in receiver.requests)
    # one of before that is replaced before any worker came by
    await set_webhook(user, webhook, secret=raw(secret), secret_sealed=None)
    await user.ask(ROTATE, input={"id": webhook["id"]})
    row = await row_of(user, webhook)
    assert row.secret is None
    assert row.previous_secret_sealed is not None
    assert user.services.sealer.open(row.previous_secret_sealed, f"webhook:{row.id}") == raw(secret)


async def test_the_key_changes_over(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    await user.ask(ROTATE, input={"id": webhook["id"]})
    (over, _) = await make_webhook(user, receiver.url)
    await user.ask(ROTATE, input={"id": over["id"]})
    await set_webhook(user, over, previous_secret_until=datetime.now(UTC) - timedelta(minutes=1))
    new, old = generate_encryption_key(), key_of(user)
    worker = with_keys(user, new, old)
    assert await worker.seal() >= 2
    row = await row_of(user, webhook)
    box = Sealer.from_settings(user.services.settings.model_validate({"encryption_key": new}))
    assert row.secret_sealed is not None
    assert row.previous_secret_sealed is not None
    assert box.open(row.previous_secret_sealed, f"webhook:{row.id}") == raw(secret)
    assert (await row_of(user, over)).previous_secret_sealed is None
    # and back, so that whoever shares this database can still read
    assert await with_keys(user, old, new).seal() >= 2
    row = await row_of(user, webhook)
    assert row.secret_sealed is not None
    assert row.secret_sealed.startswith(user.services.sealer.prefix)


async def test_a_lost_key_is_told_and_loses_no_message(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    await end_a_job(user)
    stranger = with_keys(user, generate_encryption_key())
    assert await stranger.seal() == 0
    await stranger.deliver_due()
    await stranger.close()
    (delivery,) = await deliveries(user, webhook)
    assert (delivery["status"], delivery["error"]) == ("PENDING", "The service could not read the webhook's secret.")
    assert receiver.requests == []
    await make_due(user, delivery)
    await deliver(user)
    (request,) = receiver.requests
    assert documented_verify()(secret, request.headers, request.body)


async def test_a_ping_is_one_message_that_tells_of_nothing(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url, events=["JOB_FAILED"])
    pinged = (await user.ask(PING, input={"id": webhook["id"]}))["delivery"]
    assert (pinged["status"], pinged["event"], pinged["maxAttempts"], pinged["jobId"]) == (
        *("PENDING", "WEBHOOK_PING", 1),
        None,
    )
    assert (await user.ask(PING, input={"id": webhook["id"]}))["code"] == "DELIVERY_UNDER_WAY"
    await deliver(user)
    (request,) = receiver.requests
    assert request.message == pinged["payload"]
    assert (request.message["type"], request.message["data"]) == ("webhook.ping", {"webhookId": webhook["id"]})
    assert documented_verify()(secret, request.headers, request.body)
    assert (await deliveries(user, webhook))[0]["status"] == "DELIVERED"


async def test_a_ping_that_fails_says_so_and_counts_for_nothing(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    receiver.status = 410
    await user.ask(PING, input={"id": webhook["id"]})
    await deliver(user)
    found = await look(user, webhook)
    (delivery,) = found["deliveries"]["nodes"]
    assert (delivery["status"], delivery["responseStatus"], delivery["attempt"]) == ("FAILED", 410, 1)
    assert (found["enabled"], found["failingSince"], found["disabledReason"]) == (True, None, None)
    await set_delivery(user, delivery, next_attempt_at=datetime.now(UTC) - timedelta(hours=1))
    await deliver(user)
    assert len(receiver.requests) == 1
    assert (await user.ask(PING, input={"id": webhook["id"]}))["__typename"] == "PingWebhookSuccess"
    await user.ask(UPDATE, input={"id": webhook["id"], "enabled": False})
    assert (await user.ask(PING, input={"id": webhook["id"]}))["code"] == "WEBHOOK_DISABLED"


async def test_a_ping_is_no_event_to_choose(user: User) -> None:
    webhook, _ = await make_webhook(user, "https://example.org")
    refused = await user.ask(UPDATE, input={"id": webhook["id"], "events": ["WEBHOOK_PING"]})
    assert refused["code"] == "EVENTS_MISSING"


@pytest.mark.parametrize("document", [PING, ROTATE])
async def test_strangers_and_viewers_do_neither(user: User, stranger: User, document: str) -> None:
    webhook, _ = await make_webhook(user, "https://example.org")
    before = (await row_of(user, webhook)).secret_sealed
    assert (await stranger.ask(document, input={"id": webhook["id"]}))["code"] == "NOT_FOUND"
    async with user.services.db.system() as session:
        session.add(Membership(workspace_id=user.workspace_id, user_id=stranger.id, role="VIEWER"))
    from graph.core.ids import to_global

    stranger.http.headers["X-Workspace"] = to_global("Workspace", user.workspace_id)
    assert (await stranger.ask(document, input={"id": webhook["id"]}))["code"] == "FORBIDDEN"
    assert (await row_of(user, webhook)).secret_sealed == before
