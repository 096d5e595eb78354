"""Statements that change a job and write its history (event, log lines, attempt) in one round trip.

Each is one PostgreSQL statement: the change as a CTE, and an INSERT for each part of the history that reads from it.
When the change touches no row (the job was taken, fenced off, known already), nothing is written at all.

Building such a statement takes longer than PostgreSQL takes to run it, so each is built once: what differs from call to
call are parameters, new ids among them (`…_values`). No parameter has the name of a column: SQLAlchemy would set that
column too, in each of the statements.
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
    bindparam,
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


def _id(name: str) -> Any:
    return bindparam(name, type_=Uuid())


def _json(name: str) -> Any:
    return bindparam(name, type_=JSONB(none_as_null=True))


def event_of(job: CTE, kind: str) -> CTE:
    """Record the change at the job's new sequence number, `event_values`."""
    row = select(
        _id("event_id"),
        job.c.workspace_id,
        job.c.id,
        job.c.sequence,
        literal(kind, Text()),
        job.c.status,
        job.c.attempt,
        _json("event_data"),
    )
    columns = ["id", "workspace_id", "job_id", "sequence", "kind", "status", "attempt", "data"]
    return insert(JobEvent).from_select(columns, row).cte("event")


def event_values(data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the parameters of `event_of`; `data` goes with the event."""
    return {"event_id": uuid7(), "event_data": data}


def logs_of(job: CTE, count: int) -> CTE:
    """Append so many lines, `log_values`; the change has raised the job's `log_sequence` by as many."""
    rows = [
        select(
            _id(f"line_{number}"),
            job.c.workspace_id,
            job.c.id,
            (job.c.log_sequence - (count - number)),
            job.c.attempt,
            bindparam(f"level_{number}", type_=Text()),
            bindparam(f"message_{number}", type_=Text()),
            _json(f"fields_{number}"),
        )
        for number in range(1, count + 1)
    ]
    columns = ["id", "workspace_id", "job_id", "sequence", "attempt", "level", "message", "fields"]
    return insert(JobLog).from_select(columns, union_all(*rows)).cte("logs")


def log_values(lines: Sequence[LogLine]) -> dict[str, Any]:
    """Return the parameters of `logs_of`."""
    values: dict[str, Any] = {}
    for number, (level, message, fields) in enumerate(lines, 1):
        values[f"line_{number}"] = uuid7()
        values[f"level_{number}"] = level
        values[f"message_{number}"] = message[:MESSAGE_MAX]
        values[f"fields_{number}"] = fields
    return values


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
        _id("attempt_id"),
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
        _id("start_id"),
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


def attempt_values() -> dict[str, Any]:
    """Return the parameters of `attempt_of` and `start_of_attempt`."""
    return {"attempt_id": uuid7(), "start_id": uuid7()}
