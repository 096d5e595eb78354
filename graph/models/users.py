"""users: people who log in. Not a tenant table: only the system role sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Row, one_of

PLATFORM_ROLES: Final = ("USER", "ADMIN")


class User(Row):
    """A person. `email` is normalised (NFKC, lower case); `password_hash` is argon2id."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", PLATFORM_ROLES),)

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="USER", default="USER")
    disabled_at: Mapped[datetime | None]
    email_verified_at: Mapped[datetime | None]
