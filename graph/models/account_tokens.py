"""account_tokens: what stands behind links in mails and half-done log-ins. Only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row, one_of

TOKEN_PURPOSES: Final = ("VERIFY_EMAIL", "RESET_PASSWORD", "LOG_IN")


class AccountToken(Row):
    """A token that is good once; only its SHA-256 is stored. `email` is the address of the account when it was made."""

    __tablename__ = "account_tokens"
    __table_args__ = (one_of("purpose", TOKEN_PURPOSES),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    email: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
