"""identities: who an account is at an OpenID provider. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class Identity(Row):
    """A subject of an issuer, which signs in to the account; `email` is what the issuer said at the last time."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    used_at: Mapped[datetime | None]
