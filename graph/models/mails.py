"""mails: the outbox of mails to people. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row, one_of

MAIL_STATUSES: Final = ("PENDING", "SENT", "DROPPED", "FAILED")


class Mail(Row):
    """What is to be said to whom. The text is made when it is sent, and so is a link's token, which is never stored.

    `user_id` is None where nobody has looked yet whether the address has an account. DROPPED: there is no reason to
    send it (any more). `lease_until` is set while a worker sends.
    """

    __tablename__ = "mails"
    __table_args__ = (
        one_of("status", MAIL_STATUSES),
        Index("ix_mails_due", "next_attempt_at", postgresql_where=text("status = 'PENDING'")),
        # who asks twice at once is sent one
        Index("uq_mails_waiting", "kind", "recipient", unique=True, postgresql_where=text("status = 'PENDING'")),
    )

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    recipient: Mapped[str]
    status: Mapped[str] = mapped_column(default="PENDING", server_default="PENDING")
    attempt: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
