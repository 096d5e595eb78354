"""What all tables share: names of constraints, UUIDv7 keys, time of creation, the workspace column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, MetaData, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from graph.core.ids import uuid7

Json = dict[str, Any]
JsonList = list[dict[str, Any]]

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  # read by SQLAlchemy as a plain class attribute
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        Json: JSONB(none_as_null=True),
        JsonList: JSONB(none_as_null=True),
    }


class Row(Base):
    """A table with a UUIDv7 key (sorted by time) and a time of creation."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-10)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=-8)


class TenantRow(Row):
    """A row that belongs to a workspace; the migration gives the table row-level security with FORCE."""

    __abstract__ = True

    workspace_id: Mapped[UUID] = mapped_column(
        ForeignKey("workspaces.id", ondelete="CASCADE"), index=True, sort_order=-9
    )


def one_of(column: str, values: Sequence[str]) -> CheckConstraint:
    """CHECK that a text column holds one of these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
