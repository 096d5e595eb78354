"""job_attempts: what became of each claim of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, TenantRow, one_of

OUTCOMES: Final = ("SUCCEEDED", "FAILED", "RETRY", "CRASHED", "LOST", "CANCELLED", "DRAINED")


class JobAttempt(TenantRow):
    """One attempt; `output_prefix` is where in storage it wrote, so that the sweeper can clear what lost."""

    __tablename__ = "job_attempts"
    __table_args__ = (
        one_of("outcome", OUTCOMES),
        UniqueConstraint("job_id", "lease_token"),
        # when a workspace was served last
        Index("ix_job_attempts_workspace_id_started_at", "workspace_id", "started_at"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    lease_token: Mapped[int] = mapped_column(BigInteger)
    worker_id: Mapped[str]
    output_prefix: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error: Mapped[Json | None]
    cleaned_at: Mapped[datetime | None]
