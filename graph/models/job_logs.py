"""job_logs: lines for the person who ran the job, numbered per job, capped by the writer."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, TenantRow, one_of

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class JobLog(TenantRow):
    """One line."""

    __tablename__ = "job_logs"
    __table_args__ = (one_of("level", LOG_LEVELS), UniqueConstraint("job_id", "sequence"))

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int]
    level: Mapped[str] = mapped_column(default="INFO", server_default="INFO")
    message: Mapped[str]
    fields: Mapped[Json | None]
