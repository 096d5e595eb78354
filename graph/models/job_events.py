"""job_events: the history of a job, one row per change, numbered per job."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, TenantRow


class JobEvent(TenantRow):
    """One change (`kind`: created, claimed, published, failed, …) at `sequence` of the job."""

    __tablename__ = "job_events"
    __table_args__ = (UniqueConstraint("job_id", "sequence"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    status: Mapped[str]
    attempt: Mapped[int]
    data: Mapped[Json | None]
