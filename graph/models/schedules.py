"""schedules: pipelines that run by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, JsonList, TenantRow, one_of

OVERLAPS: Final = ("SKIP", "QUEUE")
OUTCOMES: Final = ("STARTED", "SKIPPED", "REFUSED")


class Schedule(TenantRow):
    """One schedule.

    `next_run_at` is the tick that is due next, None while disabled. `last_tick_at` is the newest tick that was dealt
    with, `last_outcome` what came of it; `last_error` and `disabled_reason` are {code, message}.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        one_of("overlap", OVERLAPS),
        one_of("last_outcome", OUTCOMES),
        Index("ix_schedules_workspace_id_id", "workspace_id", "id"),
        Index("ix_schedules_due", "next_run_at", postgresql_where=text("enabled")),
    )

    pipeline_id: Mapped[UUID] = mapped_column(ForeignKey("pipelines.id", ondelete="CASCADE"))
    cron: Mapped[str]
    time_zone: Mapped[str]
    inputs: Mapped[JsonList]
    overlap: Mapped[str] = mapped_column(default="SKIP", server_default="SKIP")
    enabled: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    disabled_reason: Mapped[Json | None]
    next_run_at: Mapped[datetime | None]
    last_tick_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None]
    last_error: Mapped[Json | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
