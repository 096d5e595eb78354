"""Streams of changes, free of GraphQL.

Each subscribes first, then reads the snapshot, then drops what is older than what it has sent: so no change is missed
and none comes twice, and the last state always comes. A notice on Redis only says "look again"; when Redis is away the
streams look by themselves. No database session is held while waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
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
    """Wait for notices; returns all that have come, an empty list when it is time to look without one."""
    try:
        first = await asyncio.wait_for(messages.get(), LOOK_SECONDS)
    except TimeoutError:
        return []
    return [first, *messages.pending()]


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


def _is_news(notices: list[dict[str, Any]], seen: int) -> bool:
    """Tell whether a notice speaks of something newer than `seen`; a resync or silence may."""
    return not notices or any(int(notice.get("sequence", seen + 1)) > seen for notice in notices)


async def job_updates(jobs: JobService, events: Events, workspace_id: UUID, job_id: UUID) -> AsyncIterator[Job]:
    """Yield the job now and after each change; ends when it has ended or is deleted. `NotFound` when there is none."""
    async with events.subscribe(job_channel(job_id)) as messages:
        job = await jobs.get(workspace_id, job_id)
        if job is None:
            raise NotFound.of("job")
        yield job
        while job.status not in TERMINAL:
            if not _is_news(await _next(messages), job.sequence):
                continue
            newer = await _patiently(lambda: jobs.get(workspace_id, job_id))
            if newer is None:
                return
            if newer.sequence > job.sequence:
                job = newer
                yield job


async def workspace_changes(jobs: JobService, events: Events, workspace_id: UUID) -> AsyncIterator[Job]:
    """Yield the jobs that have not ended, then every job of the workspace when it changes; never ends."""
    async with events.subscribe(workspace_channel(workspace_id)) as messages:
        seen: dict[UUID, int] = {}
        for job in await jobs.unfinished(workspace_id):
            seen[job.id] = job.sequence
            yield job
        while True:
            notices = await _next(messages)
            if notices and all("job" in notice for notice in notices):
                wanted = {
                    job_id
                    for job_id, sequence in ((UUID(notice["job"]), int(notice["sequence"])) for notice in notices)
                    if sequence > seen.get(job_id, -1)
                }
            else:
                # notices were lost: whatever has started meanwhile, and whatever was under way, ended or not
                wanted = set(seen) | {job.id for job in await _patiently(lambda: jobs.unfinished(workspace_id))}
            if not wanted:
                continue
            found = await _patiently(partial(jobs.get_many, workspace_id, wanted))
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
    async with events.subscribe(job_channel(job_id)) as messages:
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
