"""Retention, for the elected purger: each call is a batch in one transaction, so a round that is cut loses nothing.

Rows say that something has expired before its objects go: nobody is sent to an object that is gone. Objects that a
crash leaves in between are found again, a result's by its attempt, rejected rows by the sweep for orphans.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import InvalidInput, NotFound
from graph.core.events import Events
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.datasets import repository as datasets
from graph.jobs import lease_repository as leases
from graph.models import Job
from graph.retention import repository
from graph.retention.policy import DAYS_MAX, KINDS, Kind, Policy, default_days, effective

BATCH: Final = 100
ROWS: Final = 5_000
# batches of one kind in one round: a backlog does not keep the other kinds waiting
BATCHES: Final = 20

Step = Callable[[], Awaitable[int]]


class RetentionService:
    """Expiry of all kinds, and the policies of workspaces."""

    def __init__(self, db: Database, storage: Storage, events: Events, settings: Settings) -> None:
        self._db = db
        self._storage = storage
        self._events = events
        self._settings = settings

    async def policy(self, workspace_id: UUID) -> Policy:
        """Return what holds for a workspace."""
        async with self._db.tenant(workspace_id) as session:
            return effective(self._settings, await repository.policy_of(session, workspace_id))

    async def set_policy(self, user_id: UUID, workspace_id: UUID, days: dict[Kind, int | None]) -> Policy:
        """Set what a workspace has of its own; None leaves a kind to the settings. For administrators."""
        for kind, number in days.items():
            if number is not None and not 0 <= number <= DAYS_MAX:
                raise InvalidInput(
                    f"Days must be 0 (keep for ever) to {DAYS_MAX:,}.", code="DAYS_OUT_OF_RANGE", path=[f"{kind}Days"]
                )
        columns = {f"{kind}_days": days.get(kind) for kind in KINDS}
        async with self._db.system() as session:
            if not await repository.workspace_exists(session, workspace_id):
                raise NotFound("There is no such workspace.", path=["workspaceId"])
            row = await repository.set_policy(session, workspace_id, columns)
            await record(
                session,
                "retention.set",
                actor_id=user_id,
                workspace_id=workspace_id,
                object_type="Workspace",
                object_id=workspace_id,
                data=dict(columns),
            )
        return effective(self._settings, row)

    async def purge(self) -> dict[str, int]:
        """Do one round; returns how many of each kind went."""
        steps: dict[str, Step] = {
            "results": self.expire_results,
            "rejects": self.expire_rejects,
            "resultObjects": self.clear_expired,
            "logs": self.expire_logs,
            "datasets": self.expire_datasets,
            "events": self._rows("events"),
            "sessions": self._aged(repository.delete_sessions, self._settings.retention_sessions_days),
            "tokens": self._aged(repository.delete_tokens, self._settings.retention_sessions_days),
            "audit": self._aged(repository.delete_audit, self._settings.retention_audit_days),
        }
        counts = {}
        for name, step in steps.items():
            most = ROWS if name in {"events", "sessions", "tokens", "audit"} else BATCH
            counts[name] = 0
            for _ in range(BATCHES):
                gone = await step()
                counts[name] += gone
                if gone < most:
                    break
        return counts

    async def _shortest(self, session: AsyncSession, kind: Kind) -> tuple[int, int]:
        """Return the installation's days, and the fewest of any workspace (0: nothing of this kind ever expires)."""
        default = default_days(self._settings, kind)
        return default, await repository.shortest(session, kind, default)

    async def expire_results(self) -> int:
        """Mark results past their time as expired: they are offered no more, the job stays."""
        async with self._db.system() as session:
            default, least = await self._shortest(session, "results")
            jobs = await repository.old_results(session, default, least, BATCH) if least else []
            for job in jobs:
                job.result_expired_at = datetime.now(UTC)
                job.sequence += 1
                leases.add_event(session, job, "resultExpired")
        await self._announce(jobs)
        return len(jobs)

    async def clear_expired(self) -> int:
        """Remove the objects of expired results, but for those that data sets need."""
        async with self._db.system() as session:
            attempts = await repository.expired_attempts(session, BATCH)
        for attempt in attempts:
            async with self._db.system() as session:
                kept = await datasets.keys_made_of(session, attempt.job_id)
            await self._storage.delete_prefix(attempt.output_prefix, kept)
        if attempts:
            async with self._db.system() as session:
                await repository.mark_cleaned(session, [attempt.id for attempt in attempts])
        return len(attempts)

    async def expire_rejects(self) -> int:
        """Mark rejected rows past their time as expired, and remove them."""
        async with self._db.system() as session:
            default, least = await self._shortest(session, "rejects")
            jobs = await repository.old_rejects(session, default, least, BATCH) if least else []
            for job in jobs:
                job.rejects_expired_at = datetime.now(UTC)
                job.sequence += 1
                leases.add_event(session, job, "rejectsExpired")
        await self._storage.delete_keys([(job.result or {})["rejects"]["key"] for job in jobs])
        await self._announce(jobs)
        return len(jobs)

    async def expire_logs(self) -> int:
        """Forget the kept logs of jobs that ended long ago; lines leave the rows within hours of a job's end."""
        async with self._db.system() as session:
            default, least = await self._shortest(session, "logs")
            jobs = await repository.old_logs(session, default, least, BATCH) if least else []
            keys = [str(job.log_key) for job in jobs]
            for job in jobs:
                job.log_key = None
        await self._storage.delete_keys(keys)
        return len(jobs)

    async def expire_datasets(self) -> int:
        """Delete data sets past their time; the purge of deleted ones removes their objects."""
        async with self._db.system() as session:
            default, least = await self._shortest(session, "datasets")
            rows = await repository.old_datasets(session, default, least, BATCH) if least else []
            for row in rows:
                row.deleted_at = datetime.now(UTC)
                await record(
                    session,
                    "dataset.expire",
                    actor_id=None,
                    workspace_id=row.workspace_id,
                    object_type="Dataset",
                    object_id=row.id,
                    data={"name": row.name},
                )
        return len(rows)

    def _rows(self, kind: Kind) -> Step:
        async def step() -> int:
            async with self._db.system() as session:
                default, least = await self._shortest(session, kind)
                return await repository.delete_events(session, default, least, ROWS) if least else 0

        return step

    def _aged(self, remove: Callable[[AsyncSession, int, int], Awaitable[int]], days: int) -> Step:
        async def step() -> int:
            if not days:
                return 0
            async with self._db.system() as session:
                return await remove(session, days, ROWS)

        return step

    async def _announce(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            await self._events.publish_job(job.id, job.workspace_id, job.sequence)
