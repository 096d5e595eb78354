"""workspaces: tenants. Each user has a personal one."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class Workspace(Row):
    """A tenant; its own id is the workspace that row-level security compares."""

    __tablename__ = "workspaces"
    __table_args__ = (Index("uq_workspaces_personal", "owner_id", unique=True, postgresql_where=text("personal")),)

    name: Mapped[str]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    personal: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
