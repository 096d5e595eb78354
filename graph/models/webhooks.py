"""webhooks: where to tell of jobs that have ended."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import TEXT, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, TenantRow

WEBHOOK_EVENTS: Final = ("job.succeeded", "job.failed", "job.cancelled")


class Webhook(TenantRow):
    """One receiver.

    `secret_sealed` signs (`graph.core.sealing`, held by `webhook:{id}`); `previous_secret_sealed` signs too until
    `previous_secret_until`. `secret` is one of before migration 0005, until a worker has sealed it. `failing_since` is
    the first failure after the last success;
    `disabled_reason` is {code, message}.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_workspace_id_id", "workspace_id", "id"),)

    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    secret: Mapped[bytes | None]
    secret_sealed: Mapped[bytes | None]
    previous_secret_sealed: Mapped[bytes | None]
    previous_secret_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    disabled_reason: Mapped[Json | None]
    failing_since: Mapped[datetime | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
