"""pipelines: named pipelines; what they do stands in their immutable versions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import TenantRow


class Pipeline(TenantRow):
    """A pipeline; `latest_version` counts from 1."""

    __tablename__ = "pipelines"
    __table_args__ = (
        Index("ix_pipelines_workspace_id_id", "workspace_id", "id", postgresql_where=text("deleted_at IS NULL")),
    )

    name: Mapped[str]
    latest_version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    deleted_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
