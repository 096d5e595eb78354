"""The claim: which waiting job a worker gets, in one conditional statement.

Order, first to last: the highest priority; the workspace that runs the fewest jobs; of those the one that was served
longest ago (with one slot all of them run none); the oldest job. Within its workspace a job comes by priority and age,
and age is since it was submitted (ids are in the order of time): a job whose worker died keeps its place, and does not
go behind all that was queued meanwhile. A workspace at its limit of running jobs, and a job that needs more memory than
the worker has, are passed over.

Cost: some probes of `ix_jobs_waiting` per workspace that has jobs waiting, whatever the number of those jobs; only
those that wait out a pause before their next attempt are stepped over.

The limit is strict: a claim takes one of the workspace's numbered slots below the limit, and a unique index over the
slots of RUNNING jobs lets one of two claims at once win. The other one gets an `IntegrityError` and is tried again on a
fresh snapshot. A slot is free as soon as its job is RUNNING no more: nothing is counted up or down, so nothing drifts.

Nor do two claims win one job: a row that was changed between reading and locking shows it by its `sequence`, and is
ruled out. (That one condition instead of all of them once more: on it no outdated statistics can lead the planner away
from the primary key, which made a claim take 110 ms instead of 6.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Integer,
    Interval,
    Select,
    Text,
    TextClause,
    Uuid,
    bindparam,
    func,
    literal_column,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from graph.jobs import history_repository as history
from graph.models import Job

# A job that waits for memory longer than this is not overtaken any more by smaller ones behind it.
OVERTAKEN_SECONDS: Final = 30
# How many jobs at the head of the queues are looked at; as many claims at once find each a job of its own.
HEADS: Final = 32
# The same in all, where many workspaces queue: of each two are looked at. The planner must know that they are few.
LOOKED: Final = 64

# workspaces with waiting jobs, by one index probe each
_QUEUED: Final = """
RECURSIVE queued(workspace_id) AS (
    (SELECT workspace_id FROM jobs WHERE status = 'PENDING' ORDER BY workspace_id LIMIT 1)
    UNION ALL
    SELECT (SELECT later.workspace_id FROM jobs later
            WHERE later.status = 'PENDING' AND later.workspace_id > queued.workspace_id
            ORDER BY later.workspace_id LIMIT 1)
    FROM queued WHERE queued.workspace_id IS NOT NULL
)"""
_NAMED: Final = "queued(workspace_id) AS (SELECT workspace_id FROM jobs WHERE id = :wanted)"

_CHOOSE: Final = """
WITH {queued},
eligible AS (
    SELECT * FROM (
        SELECT workspaces.id AS workspace_id,
               COALESCE(workspaces.max_running_jobs, CAST(:most AS integer)) AS most,
               (SELECT count(*) FROM jobs running
                WHERE running.workspace_id = workspaces.id AND running.status = 'RUNNING') AS running,
               (SELECT max(served.started_at) FROM job_attempts served
                WHERE served.workspace_id = workspaces.id) AS served_at
        FROM queued JOIN workspaces ON workspaces.id = queued.workspace_id
    ) AS counted
    WHERE running < most
),
heads AS (
    SELECT head.*, eligible.most, row_number() OVER (
        ORDER BY head.priority DESC, eligible.running, eligible.served_at NULLS FIRST, head.id
    ) AS place
    FROM eligible CROSS JOIN LATERAL (
        SELECT waiting.id, waiting.workspace_id, waiting.priority, waiting.next_attempt_at, waiting.sequence,
               COALESCE(waiting.memory_limit_bytes, CAST(:memory AS bigint)) AS memory
        FROM jobs waiting
        WHERE waiting.workspace_id = eligible.workspace_id AND waiting.status = 'PENDING' AND {free} {only}
          AND COALESCE(waiting.memory_limit_bytes, CAST(:memory AS bigint)) <= CAST(:memory_total AS bigint)
        ORDER BY waiting.priority DESC, waiting.id
        LIMIT (SELECT greatest(2, {heads} / greatest(count(*), 1)) FROM eligible)
    ) AS head
    ORDER BY head.priority DESC, eligible.running, eligible.served_at NULLS FIRST, head.id
    LIMIT {looked}
)
SELECT waiting.id, waiting.workspace_id, heads.most
FROM heads JOIN jobs waiting ON waiting.id = heads.id AND waiting.sequence = heads.sequence
WHERE heads.memory <= CAST(:memory_free AS bigint)
  AND heads.place < COALESCE((
    SELECT min(large.place) FROM heads large WHERE large.memory > CAST(:memory_free AS bigint)
      AND large.next_attempt_at < statement_timestamp() - interval '{overtaken} seconds'
  ), heads.place + 1)
ORDER BY heads.place
LIMIT 1
FOR UPDATE OF waiting SKIP LOCKED"""

_FREE: Final = (
    "waiting.next_attempt_at <= statement_timestamp() AND waiting.attempt < waiting.max_attempts "
    "AND waiting.deleted_at IS NULL"
)
# any free one: of claims at once, few meet at the same slot
_SLOT: Final = """(
    SELECT slot FROM generate_series(0, chosen.most - 1) AS slot
    WHERE NOT EXISTS (
        SELECT FROM jobs running WHERE running.workspace_id = chosen.workspace_id AND running.status = 'RUNNING'
          AND running.workspace_slot = slot
    )
    ORDER BY random() LIMIT 1
)"""


# of the transaction of a claim alone
_BY_INDEX: Final = text("SELECT set_config('enable_sort', 'off', true), set_config('random_page_cost', '1.1', true)")


def _choose(*, named: bool) -> TextClause:
    queued, only = (_NAMED, "AND waiting.id = :wanted") if named else (_QUEUED, "")
    statement = _CHOOSE.format(
        queued=queued, only=only, free=_FREE, heads=HEADS, looked=LOOKED, overtaken=OVERTAKEN_SECONDS
    )
    return text(statement)


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker has to give, in bytes: memory in all, memory free now, and what a job gets that asks for none."""

    total: int
    free: int
    default: int


async def claim(
    session: AsyncSession, job_id: UUID | None, worker_id: str, lease: timedelta, room: Room, most_running: int
) -> Job | None:
    """Begin the next attempt of this job, or of the job whose turn it is; None when there is none to claim.

    `most_running` is the limit of a workspace without one of its own. Raises `IntegrityError` when another claim took
    the same slot of the workspace: try again in a new transaction.
    """
    values: dict[str, object] = {
        "most": most_running,
        "memory": room.default,
        "memory_free": room.free,
        "memory_total": room.total,
        "worker": worker_id,
        "lease": lease,
        **history.event_values({"worker": worker_id}),
        **history.attempt_values(),
    }
    if job_id is not None:
        values["wanted"] = job_id
    # The planner does not know how few rows come through: without statistics, or with those of a queue that was short
    # when the statement was prepared, it takes a smaller index and sorts, and reads the whole table to join it with the
    # heads. With 10,000 jobs waiting that was 2 of a claim's 6 ms, and grew with the table. What it reads is in memory.
    await session.execute(_BY_INDEX)
    return (await session.scalars(_claim(named=job_id is not None), values)).one_or_none()


@cache
def _claim(*, named: bool) -> Select[Job]:
    """Build the statement, once."""
    types: dict[str, TypeEngine[Any]] = {name: BigInteger() for name in ("memory", "memory_free", "memory_total")}
    types |= {"most": Integer()} | ({"wanted": Uuid()} if named else {})
    statement = _choose(named=named).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items()))
    chosen = statement.columns(id=Uuid(), workspace_id=Uuid(), most=Integer()).cte("chosen")
    now = func.clock_timestamp()
    job = (
        update(Job)
        .where(Job.id == chosen.c.id)
        .values(
            status="RUNNING",
            attempt=Job.attempt + 1,
            lease_token=Job.lease_token + 1,
            lease_until=now + bindparam("lease", type_=Interval()),
            worker_id=bindparam("worker", type_=Text()),
            workspace_slot=literal_column(_SLOT, Integer()),
            started_at=func.coalesce(Job.started_at, now),
            progress=None,
            sequence=Job.sequence + 1,
            log_sequence=Job.log_sequence + 1,
        )
        .returning(Job)
        .cte("job")
    )
    return history.with_history(
        job, history.attempt_of(job), history.event_of(job, "claimed"), history.start_of_attempt(job)
    )
