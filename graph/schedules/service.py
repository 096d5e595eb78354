"""What people do with schedules. The workers' side is `graph.schedules.ticker`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, NotFound
from graph.core.pagination import Page, check_first
from graph.jobs.orders import Order, check_order
from graph.jobs.requests import schemas_for_validation
from graph.models import Job, Schedule
from graph.pipelines.problems import require_valid
from graph.pipelines.service import NamedDataset, PipelineService
from graph.schedules import repository, ticks

MAX_SCHEDULES: Final = 200


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change of a schedule; None leaves a part as it is."""

    cron: str | None = None
    time_zone: str | None = None
    inputs: Sequence[NamedDataset] | None = None
    overlap: str | None = None
    enabled: bool | None = None


class ScheduleService:
    """Schedules of one workspace at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._pipelines = PipelineService(db)

    async def get(self, workspace_id: UUID, schedule_id: UUID) -> Schedule | None:
        """Return a schedule, None when the workspace has none of this id."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.get(session, schedule_id)

    async def page(self, workspace_id: UUID, first: int, after: str | None) -> Page[Schedule]:
        """Return one page of schedules, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.page(session, first, after)

    async def jobs_page(self, workspace_id: UUID, schedule_id: UUID, first: int, after: str | None) -> Page[Job]:
        """Return one page of the jobs that a schedule started, newest first."""
        async with self._db.tenant(workspace_id) as session:
            return await repository.jobs_page(session, schedule_id, first, after)

    async def coming(self, workspace_id: UUID, schedule: Schedule, first: int) -> list[datetime]:
        """Return the next times of a schedule on its zone's clock; none while it is disabled."""
        check_first(first)
        if not schedule.enabled:
            return []
        async with self._db.tenant(workspace_id) as session:
            now = await repository.now(session)
        return ticks.coming(schedule.cron, ticks.check_zone(schedule.time_zone), now, first)

    async def create(
        self,
        workspace_id: UUID,
        user_id: UUID,
        *,
        pipeline_id: UUID,
        cron: str,
        time_zone: str,
        inputs: Sequence[NamedDataset],
        overlap: str,
        enabled: bool,
    ) -> Schedule:
        """Store a schedule that could run now; raises as `JobService.run`, and `InvalidInput` for cron and zone."""
        cron, zone = ticks.check_cron(cron), ticks.check_zone(time_zone)
        await self._check(workspace_id, pipeline_id, inputs)
        schedule = Schedule(
            workspace_id=workspace_id,
            pipeline_id=pipeline_id,
            cron=cron,
            time_zone=time_zone,
            inputs=_stored(inputs),
            overlap=overlap,
            enabled=enabled,
            created_by=user_id,
        )
        async with self._db.tenant(workspace_id) as session:
            if await repository.count(session) >= MAX_SCHEDULES:
                raise Conflict(
                    f"A workspace may have {MAX_SCHEDULES} schedules. Delete one first.", code="TOO_MANY_SCHEDULES"
                )
            if enabled:
                schedule.next_run_at = ticks.next_tick(cron, zone, await repository.now(session))
            await repository.add(session, schedule)
            await _audit(session, "schedule.create", user_id, schedule)
        return schedule

    async def update(self, workspace_id: UUID, user_id: UUID, schedule_id: UUID, changes: Changes) -> Schedule:
        """Change a schedule; enabling it, or new inputs, are checked as when it was made.

        New times count from now on; what was due before them does not run any more.
        """
        cron = None if changes.cron is None else ticks.check_cron(changes.cron)
        if changes.time_zone is not None:
            ticks.check_zone(changes.time_zone)
        if changes.inputs is not None or changes.enabled:
            known = await self.get(workspace_id, schedule_id)
            if known is None:
                raise NotFound.of("schedule")
            await self._check(
                workspace_id, known.pipeline_id, _named(known.inputs) if changes.inputs is None else changes.inputs
            )
        async with self._db.tenant(workspace_id) as session:
            schedule = await repository.get(session, schedule_id, lock=True)
            if schedule is None:
                raise NotFound.of("schedule")
            before = (schedule.cron, schedule.time_zone, schedule.enabled)
            schedule.cron = cron or schedule.cron
            schedule.time_zone = changes.time_zone or schedule.time_zone
            schedule.overlap = changes.overlap or schedule.overlap
            if changes.inputs is not None:
                schedule.inputs = _stored(changes.inputs)
            if changes.enabled is not None:
                schedule.enabled, schedule.disabled_reason = changes.enabled, None
            if not schedule.enabled:
                schedule.next_run_at = None
            elif before != (schedule.cron, schedule.time_zone, True):
                zone = ticks.check_zone(schedule.time_zone)
                schedule.next_run_at = ticks.next_tick(schedule.cron, zone, await repository.now(session))
            await _audit(session, "schedule.update", user_id, schedule)
        return schedule

    async def delete(self, workspace_id: UUID, user_id: UUID, schedule_id: UUID) -> None:
        """Delete a schedule; the jobs that it started stay, and run on."""
        async with self._db.tenant(workspace_id) as session:
            schedule = await repository.get(session, schedule_id, lock=True)
            if schedule is None:
                raise NotFound.of("schedule")
            await repository.remove(session, schedule)
            await _audit(session, "schedule.delete", user_id, schedule)

    async def _check(self, workspace_id: UUID, pipeline_id: UUID, inputs: Sequence[NamedDataset]) -> None:
        """Refuse what `JobService.run` would refuse now."""
        check_order(Order(inputs=inputs, pipeline_id=pipeline_id))
        found = await self._pipelines.get(workspace_id, pipeline_id)
        if found is None:
            raise NotFound.of("pipeline", path=["pipelineId"])
        spec = found[1].spec
        datasets = await self._pipelines.inputs(workspace_id, inputs)
        await require_valid(spec, schemas_for_validation(spec, datasets), path=["pipelineId"])


def _stored(inputs: Sequence[NamedDataset]) -> list[dict[str, Any]]:
    return [{"name": item.name, "datasetId": str(item.dataset_id)} for item in inputs]


def _named(inputs: Sequence[dict[str, Any]]) -> list[NamedDataset]:
    return [NamedDataset(item["name"], UUID(item["datasetId"])) for item in inputs]


async def _audit(session: AsyncSession, action: str, user_id: UUID, schedule: Schedule) -> None:
    await record(
        session,
        action,
        actor_id=user_id,
        workspace_id=schedule.workspace_id,
        object_type="Schedule",
        object_id=schedule.id,
        data={"cron": schedule.cron, "timeZone": schedule.time_zone, "enabled": schedule.enabled},
    )
