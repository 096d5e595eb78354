"""retention_policies: how long a workspace keeps what, where it differs from the installation's settings."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from graph.models.base import TenantRow


class RetentionPolicy(TenantRow):
    """Days to keep each kind of thing; 0 keeps it for ever, None leaves it to the settings."""

    __tablename__ = "retention_policies"
    __table_args__ = (
        UniqueConstraint("workspace_id"),
        CheckConstraint(
            "LEAST(results_days, rejects_days, datasets_days, logs_days, events_days) >= 0",
            name="days",
        ),
    )

    results_days: Mapped[int | None]
    rejects_days: Mapped[int | None]
    datasets_days: Mapped[int | None]
    logs_days: Mapped[int | None]
    events_days: Mapped[int | None]
