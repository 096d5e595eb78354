"""audit_log: who did what; rows are only ever added."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, Row


class AuditLog(Row):
    """One action. `workspace_id` is None for what belongs to no workspace (a failed log-in); only the system sees it.

    No foreign keys to users: the trail outlives the account.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_workspace_id_id", "workspace_id", "id"),
        Index("ix_audit_log_actor_id_id", "actor_id", "id"),
    )

    workspace_id: Mapped[UUID | None] = mapped_column(ForeignKey("workspaces.id", ondelete="SET NULL"))
    actor_id: Mapped[UUID | None]
    action: Mapped[str]
    object_type: Mapped[str | None]
    object_id: Mapped[UUID | None]
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    data: Mapped[Json | None]
