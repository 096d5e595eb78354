"""What workers do with schedules: start what is due, exactly one job per tick.

Any number of workers may look at once: a tick is dealt with under the lock of the schedule's row, and moving on to the
next one is in the transaction that inserts the job. Its idempotency key names schedule and tick besides.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import DomainError, InvalidInput, NotFound, ServiceUnavailable, TopLevelError
from graph.jobs.orders import Order
from graph.jobs.service import JobService
from graph.models import Job, Schedule
from graph.pipelines.service import NamedDataset
from graph.schedules import repository, ticks

BATCH: Final = 100

log = structlog.get_logger(__name__)


class Ticker:
    """Starts the jobs of all workspaces' schedules."""

    def __init__(self, db: Database, jobs: JobService) -> None:
        self._db = db
        self._jobs = jobs

    async def run_due(self) -> list[UUID]:
        """Deal with every tick that is due; returns the jobs that were started."""
        async with self._db.system() as session:
            due = await repository.due(session, BATCH)
        started = []
        for schedule_id, workspace_id in due:
            try:
                job = await self._tick(schedule_id, workspace_id)
            except ServiceUnavailable:
                raise
            except Exception:  # one broken schedule must not hold up the others
                log.exception("schedule_broke", schedule_id=str(schedule_id))
                continue
            if job is not None:
                started.append(job.id)
        return started

    async def _tick(self, schedule_id: UUID, workspace_id: UUID) -> Job | None:
        async with self._db.tenant(workspace_id) as session:
            found = await repository.take(session, schedule_id)
            if found is None:
                return None
            schedule, now, busy = found
            job = await self._fire(session, schedule, now, busy=busy)
        if job is not None:
            log.info("schedule_started", schedule_id=str(schedule_id), job_id=str(job.id))
            await self._jobs.ring(job)
        return job

    async def _fire(self, session: AsyncSession, schedule: Schedule, now: datetime, *, busy: bool) -> Job | None:
        if schedule.next_run_at is None or (busy and schedule.overlap == "QUEUE"):
            return None  # it stays due until the job before has ended
        try:
            zone = ticks.check_zone(schedule.time_zone)
            tick = ticks.newest_due(schedule.cron, zone, schedule.next_run_at, now)
            coming = ticks.next_tick(schedule.cron, zone, now)
        except (InvalidInput, ZoneInfoNotFoundError):
            await _disable(session, schedule, "TIME_ZONE_UNKNOWN", f"No time zone {schedule.time_zone} here any more.")
            return None
        schedule.last_tick_at, schedule.next_run_at, schedule.last_error = tick, coming, None
        if busy:
            schedule.last_outcome = "SKIPPED"
            return None
        order = Order(
            inputs=[NamedDataset(item["name"], UUID(item["datasetId"])) for item in schedule.inputs],
            pipeline_id=schedule.pipeline_id,
            idempotency_key=f"schedule:{schedule.id}:{tick.isoformat()}",
            schedule_id=schedule.id,
        )
        try:
            job, created = await self._jobs.create(
                session, schedule.workspace_id, schedule.created_by, order, check=False
            )
        except TopLevelError:
            raise
        except DomainError as refusal:
            schedule.last_outcome, schedule.last_error = "REFUSED", _notice(refusal.code, refusal.message)
            if isinstance(refusal, NotFound):
                await _disable(session, schedule, *_gone(schedule, refusal))
            return None
        schedule.last_outcome = "STARTED"
        if coming is None:
            await _disable(session, schedule, "NO_MORE_RUNS", "The cron expression names no day of the next ten years.")
        return job if created else None


def _notice(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _gone(schedule: Schedule, refusal: NotFound) -> tuple[str, str]:
    """Return code and sentence for a pipeline or a data set that was deleted."""
    if refusal.path[:1] != ["inputs"]:
        return "PIPELINE_DELETED", "The pipeline was deleted. Delete this schedule, or make one for another pipeline."
    name = schedule.inputs[int(refusal.path[1])]["name"]
    return (
        "DATASET_DELETED",
        f"The data set of input `{name}` was deleted. Give the schedule another one and enable it.",
    )


async def _disable(session: AsyncSession, schedule: Schedule, code: str, message: str) -> None:
    schedule.enabled, schedule.next_run_at, schedule.disabled_reason = False, None, _notice(code, message)
    log.warning("schedule_disabled", schedule_id=str(schedule.id), code=code)
    await record(
        session,
        "schedule.disable",
        actor_id=None,
        workspace_id=schedule.workspace_id,
        object_type="Schedule",
        object_id=schedule.id,
        data=schedule.disabled_reason,
    )
