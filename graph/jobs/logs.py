"""A job's log, wherever its lines are: in rows while the job is young, later in one object (NDJSON, gzip).

The lines of an ended job leave the rows an hour after its end. When it runs again its new lines are rows, and at its
next end a new object is made of all lines: an object never changes, so it may be remembered.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from graph.core.db import Database
from graph.core.pagination import Page, check_first, decode_int_cursor, make_page
from graph.core.storage import Storage
from graph.jobs import log_repository as repository
from graph.jobs.leases import job_prefix
from graph.models import Job, JobLog

ROWS_FOR: Final = timedelta(hours=1)
BATCH: Final = 100
AT_ONCE: Final = 8
_REMEMBERED: Final = 8
_TRIES: Final = 3
# a log has about a thousand lines at most, and clients read it page by page
_cache: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

log = structlog.get_logger(__name__)


def log_key(job: Job) -> str:
    """Key of the object that holds the lines up to the job's last one."""
    return f"{job_prefix(job.workspace_id, job.id)}log-{job.log_sequence}.ndjson.gz"


def to_line(row: JobLog) -> dict[str, Any]:
    """Return a line as it is kept."""
    return {
        "sequence": row.sequence,
        "at": row.created_at,
        "attempt": row.attempt,
        "level": row.level,
        "message": row.message,
        "fields": row.fields,
    }


def _to_row(line: dict[str, Any]) -> JobLog:
    return JobLog(
        sequence=line["sequence"],
        created_at=datetime.fromisoformat(line["at"]),
        attempt=line["attempt"],
        level=line["level"],
        message=line["message"],
        fields=line["fields"],
    )


async def _read_object(storage: Storage, key: str) -> list[dict[str, Any]] | None:
    """Return the lines of an object, None when it is gone."""
    known = _cache.get(key)
    if known is not None:
        _cache.move_to_end(key)
        return known
    packed = await storage.get(key)
    if packed is None:
        return None
    lines = [orjson.loads(line) for line in gzip.decompress(packed).splitlines()]
    _cache[key] = lines
    if len(_cache) > _REMEMBERED:
        _cache.popitem(last=False)
    return lines


async def lines_after(
    db: Database, storage: Storage, workspace_id: UUID, job_id: UUID, sequence: int, limit: int
) -> list[JobLog]:
    """Return up to `limit` lines behind a sequence number, oldest first."""
    for _ in range(_TRIES):
        # rows first: lines that leave them meanwhile were read already, those that left before are in the object
        async with db.tenant(workspace_id) as session:
            rows = list(await repository.rows_after(session, job_id, sequence, limit))
            last, key = await repository.kept(session, job_id)
        if last <= sequence or key is None:
            return [row for row in rows if row.sequence > last] if key is None else rows
        lines = await _read_object(storage, key)
        if lines is not None:
            old = [_to_row(line) for line in lines if line["sequence"] > sequence][:limit]
            return [*old, *(row for row in rows if row.sequence > last)][:limit]
        # replaced by a newer one, or expired, between the two looks
    log.warning("kept_log_missing", job_id=str(job_id))
    return []


async def page(
    db: Database, storage: Storage, workspace_id: UUID, job_id: UUID, first: int, after: str | None
) -> Page[JobLog]:
    """Return one page of a log, oldest line first."""
    check_first(first)
    start = 0 if after is None else decode_int_cursor(after)
    lines = await lines_after(db, storage, workspace_id, job_id, start, first + 1)
    return make_page(lines, first, lambda row: row.sequence)


class LogKeeper:
    """Moves the logs of ended jobs from rows into objects; for the elected purger."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    async def keep(self, age: timedelta = ROWS_FOR) -> int:
        """Do one batch; returns how many logs were kept. A cut in between leaves the rows, or an orphaned object."""
        async with self._db.system() as session:
            jobs = await repository.to_keep(session, age, BATCH)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(job: Job) -> bool:
            async with turns:
                return await self._keep(job)

        return sum(await asyncio.gather(*(one(job) for job in jobs)))

    async def _keep(self, job: Job) -> bool:
        old: list[dict[str, Any]] = []
        if job.log_key is not None:
            found = await _read_object(self._storage, job.log_key)
            old = found or []
        async with self._db.system() as session:
            rows = await repository.rows_after(session, job.id, job.log_archived, None)
        key = log_key(job)
        await self._storage.put(key, _pack(old, rows))
        async with self._db.system() as session:
            done = await repository.set_kept(session, job, key)
        if done and job.log_key not in {None, key}:
            await self._storage.delete_keys([str(job.log_key)])
        return done


def _pack(old: Sequence[dict[str, Any]], rows: Sequence[JobLog]) -> bytes:
    lines = [orjson.dumps(line) for line in (*old, *(to_line(row) for row in rows))]
    return gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)
