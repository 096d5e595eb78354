"""recovery_codes: what stands in for a code of the app, each once. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class RecoveryCode(Row):
    """A code; only its SHA-256 is stored (it has 125 random bits, so no slow hash is needed)."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    code_digest: Mapped[bytes]
    used_at: Mapped[datetime | None]
