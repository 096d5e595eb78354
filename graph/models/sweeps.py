"""sweeps: how far long sweeps over storage are, and what the last one found. Only the system role sees it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from graph.models.base import Json, Row


class Sweep(Row):
    """One kind of sweep; `cursor` is the last key looked at.

    `found` is what was counted so far, `last` what the sweep before found; `finished_at` is None while it goes on.
    """

    __tablename__ = "sweeps"

    kind: Mapped[str] = mapped_column(unique=True)
    cursor: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    found: Mapped[Json]
    last: Mapped[Json | None]
