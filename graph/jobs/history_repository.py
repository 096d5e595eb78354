"""Statements that change a job and write its history (event, log lines, attempt) in one round trip.

Each is one PostgreSQL statement: the change as a CTE, and an INSERT for each part of the history that reads from it.
When the change touches no row (the job was taken, fenced off, known already), nothing is written at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Text,
    Uuid,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from graph.core.ids import uuid7
from graph.models import Job, JobAttempt, JobEvent, JobLog

LogLine = tuple[str, str, dict[str, Any] | None]
MESSAGE_MAX = 2000


def _json(value: dict[str, Any] | None) -> Any:
    return literal(value, JSONB(none_as_null=True))


def _id() -> Any:
    return literal(uuid7(), Uuid())


def event_of(job: CTE, kind: str, data: dict[str, Any] | None = None) -> CTE:
    """Record the change at the job's new sequence number."""
    row = select(
        _id(),
        job.c.workspace_id,
        job.c.id,
        job.c.sequence,
        literal(kind, Text()),
        job.c.status,
        job.c.attempt,
        _json(data),
    )
    columns = ["id", "workspace_id", "job_id", "sequence", "kind", "status", "attempt", "data"]
    return insert(JobEvent).from_select(columns, row).cte("event")


def logs_of(job: CTE, lines: Sequence[LogLine]) -> CTE:
    """Append lines; the change has raised the job's `log_sequence` by as many."""
    rows = [
        select(
            _id(),
            job.c.workspace_id,
            job.c.id,
            (job.c.log_sequence - (len(lines) - number)),
            job.c.attempt,
            literal(level, Text()),
            literal(message[:MESSAGE_MAX], Text()),
            _json(fields),
        )
        for number, (level, message, fields) in enumerate(lines, 1)
    ]
    columns = ["id", "workspace_id", "job_id", "sequence", "attempt", "level", "message", "fields"]
    return insert(JobLog).from_select(columns, union_all(*rows)).cte("logs")


def attempt_of(job: CTE) -> CTE:
    """Record the attempt that a claim began; its prefix is what `graph.jobs.leases.output_prefix` says."""
    text: ColumnElement[str] = literal_column("'w/'", Text())
    for part in (
        cast(job.c.workspace_id, Text()),
        literal_column("'/jobs/'", Text()),
        cast(job.c.id, Text()),
        literal_column("'/'", Text()),
        cast(job.c.attempt, Text()),
        literal_column("'-'", Text()),
        cast(job.c.lease_token, Text()),
        literal_column("'/'", Text()),
    ):
        text = text.concat(part)
    row = select(
        _id(),
        job.c.workspace_id,
        job.c.id,
        job.c.attempt,
        job.c.lease_token,
        job.c.worker_id,
        text,
        func.clock_timestamp(),
    )
    columns = ["id", "workspace_id", "job_id", "attempt", "lease_token", "worker_id", "output_prefix", "started_at"]
    return insert(JobAttempt).from_select(columns, row).cte("attempt")


def end_of_attempt(job: CTE, outcome: str) -> CTE:
    """Record how the newest attempt ended."""
    return (
        update(JobAttempt)
        .where(JobAttempt.job_id == job.c.id, JobAttempt.lease_token == job.c.lease_token)
        .values(outcome=outcome, finished_at=func.clock_timestamp())
        .cte("attempt")
    )


def with_history(job: CTE, *history: CTE) -> Select[Job]:
    """Return the statement: it does all of it and gives the job as changed."""
    return select(aliased(Job, job)).add_cte(*history)


def start_of_attempt(job: CTE) -> CTE:
    """Append the line that says which attempt of how many began."""
    row = select(
        _id(),
        job.c.workspace_id,
        job.c.id,
        job.c.log_sequence,
        job.c.attempt,
        literal_column("'INFO'", Text()),
        func.format(literal_column("'Attempt %s of %s started.'", Text()), job.c.attempt, job.c.max_attempts),
        func.jsonb_build_object(literal_column("'worker'", Text()), job.c.worker_id),
    )
    columns = ["id", "workspace_id", "job_id", "sequence", "attempt", "level", "message", "fields"]
    return insert(JobLog).from_select(columns, row).cte("logs")
