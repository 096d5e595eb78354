"""uploads: multipart uploads from browser or command line straight to storage."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import TenantRow, one_of

UPLOAD_STATUSES: Final = ("ACTIVE", "COMPLETED", "ABORTED", "EXPIRED")


class Upload(TenantRow):
    """One upload; sizes in bytes. `dataset_id` is set at completion."""

    __tablename__ = "uploads"
    __table_args__ = (
        one_of("status", UPLOAD_STATUSES),
        CheckConstraint("size_bytes >= 0 AND part_size_bytes > 0", name="sizes"),
        CheckConstraint("part_count BETWEEN 1 AND 10000", name="part_count"),
        Index("ix_uploads_expires_at", "expires_at", postgresql_where=text("status = 'ACTIVE'")),
    )

    file_name: Mapped[str]
    content_type: Mapped[str | None]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    part_size_bytes: Mapped[int] = mapped_column(BigInteger)
    part_count: Mapped[int]
    s3_key: Mapped[str]
    s3_upload_id: Mapped[str]
    status: Mapped[str] = mapped_column(default="ACTIVE", server_default="ACTIVE")
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    dataset_id: Mapped[UUID | None] = mapped_column(ForeignKey("datasets.id", ondelete="SET NULL"))
