"""Documents and helpers of the tests of webhooks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from graph.core.ids import from_global
from graph.models import Webhook, WebhookDelivery
from graph.webhooks.deliverer import Deliverer
from tests.graph.client import User

FIELDS = """id url events enabled disabledReason { code message } failingSince"""
DELIVERY = """id messageId event status attempt maxAttempts lastAttemptAt nextAttemptAt responseStatus responseMs error
  deliveredAt jobId payload"""
CREATE = f"""mutation ($input: CreateWebhookInput!) {{ createWebhook(input: $input) {{ __typename
  ... on CreateWebhookSuccess {{ secret webhook {{ {FIELDS} }} }} ... on Error {{ code message path }} }} }}"""
UPDATE = f"""mutation ($input: UpdateWebhookInput!) {{ updateWebhook(input: $input) {{ __typename
  ... on UpdateWebhookSuccess {{ webhook {{ {FIELDS} }} }} ... on Error {{ code message path }} }} }}"""
DELETE = """mutation ($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { __typename
  ... on DeleteWebhookSuccess { id } ... on Error { code message path } } }"""
REDELIVER = f"""mutation ($input: RedeliverWebhookInput!) {{ redeliverWebhook(input: $input) {{ __typename
  ... on RedeliverWebhookSuccess {{ delivery {{ {DELIVERY} }} }} ... on Error {{ code message path }} }} }}"""
WEBHOOK = f"""query ($id: ID!, $status: [WebhookDeliveryStatus!]) {{ webhook(id: $id) {{ {FIELDS}
  deliveries(first: 100, status: $status) {{ nodes {{ {DELIVERY} }} }} }} }}"""
WEBHOOKS = """query ($first: Int!, $after: String) { webhooks(first: $first, after: $after) {
  nodes { id } pageInfo { hasNextPage endCursor } } }"""


async def make_webhook(user: User, url: str, **changes: Any) -> tuple[dict[str, Any], str]:
    """Create a webhook; returns it and its secret."""
    answer = await user.ask(CREATE, input={"url": url, **changes})
    assert answer["__typename"] == "CreateWebhookSuccess", answer
    return answer["webhook"], answer["secret"]


async def look(user: User, webhook: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await user.ask(WEBHOOK, id=webhook["id"])
    return found


async def deliveries(user: User, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await look(user, webhook))["deliveries"]["nodes"]
    return nodes


async def set_delivery(user: User, delivery: dict[str, Any], **values: Any) -> None:
    """Write into a delivery's row."""
    key = from_global(delivery["id"], "WebhookDelivery")
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(update(WebhookDelivery).where(WebhookDelivery.id == key).values(**values))


async def set_webhook(user: User, webhook: dict[str, Any], **values: Any) -> None:
    """Write into a webhook's row."""
    key = from_global(webhook["id"], "Webhook")
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(update(Webhook).where(Webhook.id == key).values(**values))


def deliverer(user: User) -> Deliverer:
    """What a worker runs, without the worker."""
    return Deliverer(user.services.db, user.services.sealer, user.services.settings.webhook_networks)
