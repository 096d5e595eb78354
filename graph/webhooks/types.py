"""GraphQL types of webhooks."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from graph.api.connection import Connection, to_connection
from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.fields import field
from graph.api.node import Node
from graph.api.notice import Notice
from graph.context import Info
from graph.core.ids import to_global
from graph.models import Webhook as WebhookRow
from graph.models import WebhookDelivery as WebhookDeliveryRow
from graph.webhooks import signing
from graph.webhooks.service import OVERLAP_HOURS, WebhookService
from graph.webhooks.state import MAX_ATTEMPTS, PING_ATTEMPTS


@strawberry.enum(
    description="What a webhook tells of: a job that has ended so. A job run again ends again. "
    "WEBHOOK_PING is a message of pingWebhook, and no event to choose."
)
class WebhookEvent(Enum):
    """Events, by the type in the message."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    WEBHOOK_PING = "webhook.ping"


@strawberry.enum(
    description="Where a message stands. PENDING: it waits for an attempt, the first or the next. FAILED: the last "
    "attempt failed too, or the receiver wants no more."
)
class WebhookDeliveryStatus(Enum):
    """Status of a delivery."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@strawberry.type(description="One message to one receiver. Kept for 30 days.")
class WebhookDelivery(Node):
    """A delivery."""

    row: strawberry.Private[WebhookDeliveryRow]
    message_id: str = strawberry.field(description="The header `webhook-id`, the same at each attempt.")
    event: WebhookEvent
    status: WebhookDeliveryStatus
    attempt: int = strawberry.field(description="Attempts begun so far; redelivering begins to count anew.")
    max_attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None = strawberry.field(description="Null once DELIVERED or FAILED.")
    response_status: int | None = strawberry.field(description="HTTP status of the newest answer; null without one.")
    response_ms: int | None = strawberry.field(description="Milliseconds that the newest attempt took.")
    error: str | None = strawberry.field(description="Why the newest attempt failed.")
    delivered_at: datetime | None
    job_id: strawberry.ID | None = strawberry.field(description="Null once the job is gone.")

    @classmethod
    def of(cls, row: WebhookDeliveryRow) -> WebhookDelivery:
        """Make it of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("WebhookDelivery", row.id)),
            message_id=signing.message_id(row.id),
            event=WebhookEvent(row.event),
            status=WebhookDeliveryStatus(row.status),
            attempt=row.attempt,
            max_attempts=PING_ATTEMPTS if row.event == signing.PING else MAX_ATTEMPTS,
            created_at=row.created_at,
            last_attempt_at=row.last_attempt_at,
            next_attempt_at=row.next_attempt_at if row.status == "PENDING" else None,
            response_status=row.response_status,
            response_ms=row.response_ms,
            error=row.error,
            delivered_at=row.delivered_at,
            job_id=None if row.job_id is None else strawberry.ID(to_global("Job", row.job_id)),
        )

    @field(description="The message's body.")
    def payload(self) -> JSON:
        """What is sent."""
        return JSON(signing.payload(self.row.event, self.row.snapshot))


@strawberry.type(description="A receiver that is told when jobs end.")
class Webhook(Node):
    """A webhook."""

    row: strawberry.Private[WebhookRow]
    url: str
    events: list[WebhookEvent]
    enabled: bool = strawberry.field(description="While it is not, no messages are made and those that wait stay.")
    disabled_reason: Notice | None = strawberry.field(
        description="Why the service disabled it: FAILING (three days), GONE (answered 410); null when a person did."
    )
    failing_since: datetime | None = strawberry.field(description="The first failure after the last success.")
    created_at: datetime
    previous_secret_until: datetime | None = strawberry.field(
        description="Until then the secret before the present one signs too; null when there is none."
    )

    @classmethod
    def of(cls, row: WebhookRow) -> Webhook:
        """Make it of a row; the secret stays inside."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("Webhook", row.id)),
            url=row.url,
            events=[WebhookEvent(event) for event in row.events],
            enabled=row.enabled,
            disabled_reason=Notice.of(row.disabled_reason),
            failing_since=row.failing_since,
            created_at=row.created_at,
            previous_secret_until=row.previous_secret_until,
        )

    @field(description="Its messages, newest first; with `status` (one or several) those that stand so.")
    async def deliveries(
        self, info: Info, first: int = 20, after: str | None = None, status: list[WebhookDeliveryStatus] | None = None
    ) -> Connection[WebhookDelivery]:
        """One page of the deliveries."""
        statuses = [item.value for item in status] if status else None
        page = await webhook_service(info).deliveries(info.context.workspace_id, self.row.id, first, after, statuses)
        return to_connection(page, WebhookDelivery.of, after=after)


@strawberry.input
class CreateWebhookInput:
    """Whom to tell, and of what."""

    url: str = strawberry.field(description="http or https, at a public address.")
    events: list[WebhookEvent] | None = strawberry.field(default=None, description="Left out: all.")


@strawberry.input
class UpdateWebhookInput:
    """What to change; what is left out stays."""

    id: strawberry.ID
    url: str | None = None
    events: list[WebhookEvent] | None = None
    enabled: bool | None = None


@strawberry.input
class DeleteWebhookInput:
    """Which webhook to delete, with its deliveries."""

    id: strawberry.ID


@strawberry.input
class RedeliverWebhookInput:
    """Which delivery to send again."""

    id: strawberry.ID = strawberry.field(description="Of the delivery.")


@strawberry.input
class PingWebhookInput:
    """Which webhook to send a test message to."""

    id: strawberry.ID


@strawberry.input
class RotateWebhookSecretInput:
    """Which webhook gets a new secret."""

    id: strawberry.ID
    overlap_hours: int = strawberry.field(
        default=OVERLAP_HOURS,
        description="The old secret signs too for so long (at most 168 hours); with 0 it ends at once.",
    )


@strawberry.type
class CreateWebhookSuccess:
    """The webhook is stored."""

    webhook: Webhook
    secret: str = strawberry.field(description="For verifying signatures (whsec_…); shown this once.")


@strawberry.type
class UpdateWebhookSuccess:
    """The webhook as it is now."""

    webhook: Webhook


@strawberry.type
class DeleteWebhookSuccess:
    """The webhook is gone."""

    id: strawberry.ID


@strawberry.type
class RedeliverWebhookSuccess:
    """The message will be sent within seconds, with its old id."""

    delivery: WebhookDelivery


@strawberry.type
class PingWebhookSuccess:
    """The message will be sent within seconds, and once."""

    delivery: WebhookDelivery


@strawberry.type
class RotateWebhookSecretSuccess:
    """The new secret signs from now on."""

    webhook: Webhook
    secret: str = strawberry.field(description="For verifying signatures (whsec_…); shown this once.")


CreateWebhookResult = Annotated[
    CreateWebhookSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("CreateWebhookResult"),
]
UpdateWebhookResult = Annotated[
    UpdateWebhookSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("UpdateWebhookResult"),
]
DeleteWebhookResult = Annotated[
    DeleteWebhookSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("DeleteWebhookResult"),
]
RedeliverWebhookResult = Annotated[
    RedeliverWebhookSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("RedeliverWebhookResult"),
]
PingWebhookResult = Annotated[
    PingWebhookSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("PingWebhookResult"),
]
RotateWebhookSecretResult = Annotated[
    RotateWebhookSecretSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("RotateWebhookSecretResult"),
]


def webhook_service(info: Info) -> WebhookService:
    """Return the service of this request."""
    return WebhookService(info.context.db, info.context.services.sealer, info.context.settings.webhook_networks)
