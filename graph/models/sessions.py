"""sessions: log-ins, each a family of refresh tokens. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class Session(Row):
    """One log-in. Only the newest refresh token is valid; any older one that comes back revokes the family.

    A refresh token names its session, so every used one is recognised; `token_digest` is the SHA-256 of the valid one.
    A session by single sign-on names its `issuer`, and ends at `ends_at` whatever its use. Every
    one ends SESSION_MAX_DAYS after `created_at`.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_digest: Mapped[bytes]
    rotated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]
    user_agent: Mapped[str | None]
    address: Mapped[str | None]
    issuer: Mapped[str | None]
    ends_at: Mapped[datetime | None]
