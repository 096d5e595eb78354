"""workspaces: tenants. Each user has a personal one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class Workspace(Row):
    """A tenant; its own id is the workspace that row-level security compares. A limit of None is the settings'."""

    __tablename__ = "workspaces"
    __table_args__ = (
        Index("uq_workspaces_personal", "owner_id", unique=True, postgresql_where=text("personal")),
        CheckConstraint(
            "max_running_jobs >= 0 AND max_unfinished_jobs >= 0 AND max_storage_bytes >= 0 "
            "AND max_priority BETWEEN -10 AND 10",
            name="limits",
        ),
    )

    name: Mapped[str]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    personal: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    max_running_jobs: Mapped[int | None]
    max_unfinished_jobs: Mapped[int | None]
    max_priority: Mapped[int | None]
    max_storage_bytes: Mapped[int | None] = mapped_column(BigInteger)
