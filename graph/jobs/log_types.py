"""GraphQL types of a job's log."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from graph.api.scalars import Int64
from graph.core.pagination import encode_cursor
from graph.models import JobLog as JobLogRow


@strawberry.enum(description="Weight of a log line.")
class LogLevel(Enum):
    """Level of a line."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@strawberry.type(description="One line of a job's log.")
class JobLogEntry:
    """A line; `cursor` is for `after`, of `logs` and of the subscription `jobLog`."""

    cursor: str
    sequence: Int64
    at: datetime
    attempt: int
    level: LogLevel
    message: str
    fields: JSON | None

    @classmethod
    def of(cls, row: JobLogRow) -> JobLogEntry:
        """Make it of a row."""
        return cls(
            cursor=encode_cursor(row.sequence),
            sequence=Int64(row.sequence),
            at=row.created_at,
            attempt=row.attempt,
            level=LogLevel(row.level),
            message=row.message,
            fields=None if row.fields is None else JSON(row.fields),
        )
