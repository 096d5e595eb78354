"""second_factors: whose log-in needs a code too. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row


class SecondFactor(Row):
    """The secret of an authenticator app, sealed (`graph.core.sealing`, holder `second-factor:{user}`).

    It counts once it is confirmed by a code. No code of `last_step` or a step before is taken (again).
    """

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    secret_sealed: Mapped[bytes]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
