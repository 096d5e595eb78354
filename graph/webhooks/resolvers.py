"""Root fields of webhooks."""

from __future__ import annotations

from uuid import UUID

import strawberry

from graph.api.connection import Connection, to_connection
from graph.api.fields import mutation, query
from graph.api.permissions import CanRead, CanWrite
from graph.context import Info
from graph.core.ids import from_global, to_global, try_global
from graph.models.webhooks import WEBHOOK_EVENTS
from graph.webhooks.types import (
    CreateWebhookInput,
    CreateWebhookResult,
    CreateWebhookSuccess,
    DeleteWebhookInput,
    DeleteWebhookResult,
    DeleteWebhookSuccess,
    PingWebhookInput,
    PingWebhookResult,
    PingWebhookSuccess,
    RedeliverWebhookInput,
    RedeliverWebhookResult,
    RedeliverWebhookSuccess,
    RotateWebhookSecretInput,
    RotateWebhookSecretResult,
    RotateWebhookSecretSuccess,
    UpdateWebhookInput,
    UpdateWebhookResult,
    UpdateWebhookSuccess,
    Webhook,
    WebhookDelivery,
    webhook_service,
)


async def load_webhook(info: Info, webhook_id: UUID) -> Webhook | None:
    """Return a webhook of the active workspace, for `node`."""
    row = await webhook_service(info).get(info.context.workspace_id, webhook_id)
    return None if row is None else Webhook.of(row)


async def load_webhook_delivery(info: Info, delivery_id: UUID) -> WebhookDelivery | None:
    """Return a delivery of the active workspace, for `node`."""
    row = await webhook_service(info).delivery(info.context.workspace_id, delivery_id)
    return None if row is None else WebhookDelivery.of(row)


@strawberry.type
class WebhooksQuery:
    """Reading webhooks."""

    @query(CanRead, description="A webhook of the active workspace; null when there is none of this id.")
    async def webhook(self, info: Info, id: strawberry.ID) -> Webhook | None:
        """One webhook."""
        webhook_id = try_global(id, "Webhook")
        return None if webhook_id is None else await load_webhook(info, webhook_id)

    @query(CanRead, description="The webhooks of the active workspace, newest first.")
    async def webhooks(self, info: Info, first: int, after: str | None = None) -> Connection[Webhook]:
        """One page."""
        page = await webhook_service(info).page(info.context.workspace_id, first, after)
        return to_connection(page, Webhook.of, after=after)


@strawberry.type
class WebhooksMutation:
    """Making and changing webhooks."""

    @mutation(CanWrite, description="Tell a receiver when jobs end; its secret is in the answer, this once.")
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> CreateWebhookResult:
        """Create."""
        viewer = info.context.require_viewer()
        events = WEBHOOK_EVENTS if input.events is None else [event.value for event in input.events]
        row, secret = await webhook_service(info).create(viewer.workspace_id, viewer.user_id, input.url, events)
        return CreateWebhookSuccess(webhook=Webhook.of(row), secret=secret)

    @mutation(CanWrite, description="Change, enable or disable a webhook.")
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> UpdateWebhookResult:
        """Update."""
        viewer = info.context.require_viewer()
        row = await webhook_service(info).update(
            viewer.workspace_id,
            viewer.user_id,
            from_global(input.id, "Webhook"),
            url=input.url,
            events=None if input.events is None else [event.value for event in input.events],
            enabled=input.enabled,
        )
        return UpdateWebhookSuccess(webhook=Webhook.of(row))

    @mutation(CanWrite, description="Delete a webhook with its deliveries.")
    async def delete_webhook(self, info: Info, input: DeleteWebhookInput) -> DeleteWebhookResult:
        """Delete."""
        viewer = info.context.require_viewer()
        webhook_id = from_global(input.id, "Webhook")
        await webhook_service(info).delete(viewer.workspace_id, viewer.user_id, webhook_id)
        return DeleteWebhookSuccess(id=strawberry.ID(to_global("Webhook", webhook_id)))

    @mutation(CanWrite, description="Send a message again, delivered or not.")
    async def redeliver_webhook(self, info: Info, input: RedeliverWebhookInput) -> RedeliverWebhookResult:
        """Redeliver."""
        viewer = info.context.require_viewer()
        delivery_id = from_global(input.id, "WebhookDelivery")
        row = await webhook_service(info).redeliver(viewer.workspace_id, viewer.user_id, delivery_id)
        return RedeliverWebhookSuccess(delivery=WebhookDelivery.of(row))

    @mutation(CanWrite, description="Send a message that tells of nothing, once, to try a receiver out.")
    async def ping_webhook(self, info: Info, input: PingWebhookInput) -> PingWebhookResult:
        """Ping."""
        viewer = info.context.require_viewer()
        webhook_id = from_global(input.id, "Webhook")
        row = await webhook_service(info).ping(viewer.workspace_id, viewer.user_id, webhook_id)
        return PingWebhookSuccess(delivery=WebhookDelivery.of(row))

    @mutation(CanWrite, description="Give a webhook a new secret; for a while the old one signs too.")
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> RotateWebhookSecretResult:
        """Rotate."""
        viewer = info.context.require_viewer()
        webhook_id = from_global(input.id, "Webhook")
        service = webhook_service(info)
        row, secret = await service.rotate(viewer.workspace_id, viewer.user_id, webhook_id, input.overlap_hours)
        return RotateWebhookSecretSuccess(webhook=Webhook.of(row), secret=secret)
