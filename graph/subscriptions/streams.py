"""Streams of changes, free of GraphQL.

Each subscribes first, then reads the snapshot, then drops what is older than what it has sent: so no change is missed
and none comes twice, and the last state always comes. A notice on Redis only says "look again"; when Redis is away the
streams look by themselves. No database session is held while waiting.

However many follow the same thing, one read per process answers them all (`Events.looks`). Its key says of which
sequence number the notice spoke, so it began after that was committed. A look without a notice may be shared with one
that is a second old: the next one comes all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, Final, TypeVar
from uuid import UUID

from graph.core.errors import NotFound, ServiceUnavailable
from graph.core.events import Events, Subscription, job_channel, workspace_channel
from graph.jobs.service import JobService
from graph.jobs.state import TERMINAL
from graph.models import Job, JobLog

# A stream looks by itself when nothing has come for so long: Redis may have lost a notice, or be away.
LOOK_SECONDS: Final = 5.0
LOG_BATCH: Final = 100
# A stream outlives an outage of PostgreSQL of this length; then it ends with the error, and clients begin anew.
PATIENCE_SECONDS: Final = 30.0

T = TypeVar("T")


async def _next(messages: Subscription) -> list[dict[str, Any]]:
    """Wait for notices; returns all that have come. One that speaks of nothing says that it is time to look."""
    return [await messages.get(), *messages.pending()]


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Read again while PostgreSQL does not answer, for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await read()
        except ServiceUnavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


@lru_cache(1024)
def _job_id(text: str) -> UUID:
    """Parse the job of a notice; each of its followers asks."""
    return UUID(text)


def _newest(notices: list[dict[str, Any]], seen: int) -> int | None:
    """Return the newest sequence number that notices speak of, None when one says just to look; at least `seen`."""
    if any("sequence" not in notice for notice in notices):
        return None
    return max(seen, *(int(notice["sequence"]) for notice in notices))


async def job_updates(jobs: JobService, events: Events, workspace_id: UUID, job_id: UUID) -> AsyncIterator[Job]:
    """Yield the job now and after each change; ends when it has ended or is deleted. `NotFound` when there is none."""
    async with events.subscribe(job_channel(job_id), LOOK_SECONDS) as messages:
        job = await jobs.get(workspace_id, job_id)
        if job is None:
            raise NotFound.of("job")
        yield job
        while job.status not in TERMINAL:
            newest = _newest(await _next(messages), job.sequence)
            if newest == job.sequence:
                continue
            question = (workspace_id, job_id, newest)
            newer = await _patiently(partial(events.looks.get, question, partial(jobs.get, workspace_id, job_id)))
            if newer is None:
                return
            if newer.sequence > job.sequence:
                job = newer
                yield job


async def workspace_changes(jobs: JobService, events: Events, workspace_id: UUID) -> AsyncIterator[Job]:
    """Yield the jobs that have not ended, then every job of the workspace when it changes; never ends."""
    async with events.subscribe(workspace_channel(workspace_id), LOOK_SECONDS) as messages:
        seen: dict[UUID, int] = {}
        for job in await jobs.unfinished(workspace_id):
            seen[job.id] = job.sequence
            yield job
        while True:
            notices = await _next(messages)
            if all("job" in notice for notice in notices):
                told = sorted((_job_id(notice["job"]), int(notice["sequence"])) for notice in notices)
                news = {job_id: sequence for job_id, sequence in told if sequence > seen.get(job_id, -1)}
                wanted, question = set(news), frozenset(news.items())
            else:
                # notices were lost: whatever has started meanwhile, and whatever was under way, ended or not
                look = partial(events.looks.get, (workspace_id, "unfinished"), partial(jobs.unfinished, workspace_id))
                wanted = set(seen) | {job.id for job in await _patiently(look)}
                question = frozenset((job_id, -1) for job_id in wanted)
            if not wanted:
                continue
            read = partial(jobs.get_many, workspace_id, wanted)
            found = await _patiently(partial(events.looks.get, (workspace_id, question), read))
            for job in sorted(found.values(), key=lambda row: row.id):
                if job.sequence <= seen.get(job.id, -1):
                    continue
                if job.status in TERMINAL:
                    seen.pop(job.id, None)
                else:
                    seen[job.id] = job.sequence
                yield job
            for job_id in wanted - set(found):
                seen.pop(job_id, None)  # deleted


async def job_log(
    jobs: JobService, events: Events, workspace_id: UUID, job_id: UUID, after: int
) -> AsyncIterator[JobLog]:
    """Yield the lines behind sequence number `after`, old and new; ends with the last line of an ended job."""
    async with events.subscribe(job_channel(job_id), LOOK_SECONDS) as messages:
        while True:
            # the state before the lines: of a job that had ended by then, the lines are complete
            job = await _patiently(lambda: jobs.get(workspace_id, job_id))
            if job is None:
                raise NotFound.of("job")
            while lines := await _patiently(partial(jobs.logs_after, workspace_id, job_id, after, LOG_BATCH)):
                for line in lines:
                    yield line
                after = lines[-1].sequence
            if job.status in TERMINAL:
                return
            await _next(messages)
