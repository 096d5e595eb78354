"""webhook_deliveries: the outbox of the webhooks; a trigger on jobs writes it when a job ends."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, TenantRow, one_of

DELIVERY_STATUSES: Final = ("PENDING", "DELIVERED", "FAILED")


class WebhookDelivery(TenantRow):
    """One message to one receiver.

    `snapshot` is the job as it ended, of which the body is made: the same at each attempt. `lease_until` is set while
    a worker sends; a worker that dies leaves a message that is due again at `next_attempt_at`.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("status", DELIVERY_STATUSES),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        Index("ix_webhook_deliveries_job_id", "job_id"),
        Index("ix_webhook_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'PENDING'")),
        Index("ix_webhook_deliveries_sent", "webhook_id", postgresql_where=text("lease_until IS NOT NULL")),
    )

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    event: Mapped[str]
    snapshot: Mapped[Json]
    status: Mapped[str] = mapped_column(default="PENDING", server_default="PENDING")
    attempt: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    last_attempt_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    response_ms: Mapped[int | None]
    error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
