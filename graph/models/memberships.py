"""memberships: who may do what in which workspace."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import TenantRow, one_of

WORKSPACE_ROLES: Final = ("OWNER", "EDITOR", "VIEWER")


class Membership(TenantRow):
    """One user's role in one workspace."""

    __tablename__ = "memberships"
    __table_args__ = (one_of("role", WORKSPACE_ROLES), UniqueConstraint("workspace_id", "user_id"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
