"""Limits of a workspace: what it may run, queue and store, and what it does.

The service's settings give the defaults, an administrator overrides them for a workspace. The limit of running jobs
makes jobs wait (`graph/jobs/claim_repository.py`); the others refuse what would pass them, in the transaction that
would.

What a workspace uses is counted at most every two seconds as long as it is far from its limits: sums over all that it
stores, for each of hundreds of jobs ordered at once, would hold everybody up. See `_FAR_JOBS` for what that allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.remember import Remembered
from graph.core.settings import Settings
from graph.core.viewer import Viewer
from graph.models import Workspace
from graph.workspaces import limits_repository as repository
from graph.workspaces.limits_repository import Usage

PRIORITY_LEAST: Final = -10
PRIORITY_MOST: Final = 10
# More orders than all connections of the API may have in hand at one time, so that none passes the limit unseen.
NEAR_JOBS: Final = 200
# What was counted is believed for so long, by one process.
_COUNTED_SECONDS: Final = 2.0
# Far from the limit: more orders than all processes take within that time, so that none passes the limit by it.
_FAR_JOBS: Final = 2000
# Far from full. The size of a result is known when it is there, so jobs under way always could pass this limit; those
# ordered within the two seconds in which the last tenth is filled may too.
_FAR_STORAGE: Final = 0.9
# input field, column, least and greatest value
FIELDS: Final = (
    ("maxRunningJobs", "max_running_jobs", 0, 10_000),
    ("maxUnfinishedJobs", "max_unfinished_jobs", 0, 10_000_000),
    ("maxStorageBytes", "max_storage_bytes", 0, 2**60),
    ("maxPriority", "max_priority", PRIORITY_LEAST, PRIORITY_MOST),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a workspace may do; sizes in bytes."""

    max_running_jobs: int
    max_unfinished_jobs: int
    max_storage_bytes: int
    max_priority: int


@dataclass(slots=True)
class _Counted:
    """What was counted a moment ago, and what this process has admitted since."""

    limits: Limits
    used: Usage
    ordered: int = 1

    @property
    def far(self) -> bool:
        """Whether one more job is admitted without counting again."""
        unfinished = self.used.unfinished_jobs + self.ordered
        return (
            unfinished + _FAR_JOBS <= self.limits.max_unfinished_jobs
            and self.used.storage_bytes < _FAR_STORAGE * self.limits.max_storage_bytes
        )


_counted: Final[Remembered[UUID, _Counted]] = Remembered(_COUNTED_SECONDS)


class QuotaExceeded(Conflict):
    """The workspace would pass a limit; the figures are jobs or bytes."""

    code = "QUOTA_EXCEEDED"

    def __init__(self, message: str, *, resource: str, limit: int, used: int, requested: int) -> None:
        super().__init__(message)
        self.resource, self.limit, self.used, self.requested = resource, limit, used, requested


def limits_of(workspace: Workspace, settings: Settings) -> Limits:
    """Return what holds for a workspace: its own limits, the settings' where it has none."""

    def either(own: int | None, default: int) -> int:
        return default if own is None else own

    return Limits(
        max_running_jobs=either(workspace.max_running_jobs, settings.workspace_max_running_jobs),
        max_unfinished_jobs=either(workspace.max_unfinished_jobs, settings.workspace_max_unfinished_jobs),
        max_storage_bytes=either(workspace.max_storage_bytes, settings.workspace_max_storage_bytes),
        max_priority=either(workspace.max_priority, settings.workspace_max_priority),
    )


async def usage_of(db: Database, workspace_id: UUID) -> Usage:
    """Count what a workspace runs, queues and stores."""
    async with db.tenant(workspace_id) as session:
        return (await repository.usage(session, workspace_id))[1]


async def admit_job(session: AsyncSession, workspace_id: UUID, settings: Settings) -> Limits:
    """Let one more job into the workspace or raise `QuotaExceeded`.

    Near the limit the workspace's orders wait for each other's commit. Far from it they do not: two hundred at once
    would hold all connections, and everybody else up; nor is anything counted for most of them.
    """
    known = _counted.get(workspace_id)
    if known is not None and known.far:
        known.ordered += 1
        return known.limits
    workspace, used = await repository.usage(session, workspace_id)
    limits = limits_of(workspace, settings)
    _counted.put(workspace_id, _Counted(limits, used))
    if used.unfinished_jobs + NEAR_JOBS > limits.max_unfinished_jobs:
        await repository.lock(session, workspace_id)
        workspace, used = await repository.usage(session, workspace_id)
        limits = limits_of(workspace, settings)
    if used.unfinished_jobs >= limits.max_unfinished_jobs:
        raise QuotaExceeded(
            f"The workspace has {used.unfinished_jobs:,} jobs that wait or run, and may have "
            f"{limits.max_unfinished_jobs:,}. Wait until some have ended, cancel some, or ask an administrator to "
            "raise maxUnfinishedJobs.",
            resource="UNFINISHED_JOBS",
            limit=limits.max_unfinished_jobs,
            used=used.unfinished_jobs,
            requested=1,
        )
    if used.storage_bytes >= limits.max_storage_bytes:
        raise _storage_full(limits, used, 0, "no result has room")
    return limits


async def admit_upload(session: AsyncSession, workspace_id: UUID, settings: Settings, size_bytes: int) -> None:
    """Let an upload of this size into the workspace or raise `QuotaExceeded`; others wait until the commit."""
    await repository.lock(session, workspace_id)
    workspace, used = await repository.usage(session, workspace_id)
    limits = limits_of(workspace, settings)
    if used.storage_bytes + size_bytes > limits.max_storage_bytes:
        raise _storage_full(limits, used, size_bytes, f"this file of {size_bytes:,} bytes has no room")


async def room_left(session: AsyncSession, workspace_id: UUID, settings: Settings) -> int:
    """Return how many bytes the workspace may still store; `QuotaExceeded` when there is no room at all."""
    workspace, used = await repository.usage(session, workspace_id)
    limits = limits_of(workspace, settings)
    if used.storage_bytes >= limits.max_storage_bytes:
        raise _storage_full(limits, used, 0, "nothing more has room")
    return limits.max_storage_bytes - used.storage_bytes


def _storage_full(limits: Limits, used: Usage, requested: int, what: str) -> QuotaExceeded:
    return QuotaExceeded(
        f"The workspace stores {used.storage_bytes:,} of {limits.max_storage_bytes:,} bytes (data sets, results and "
        f"uploads in progress), so {what}. Delete data sets or jobs, abort uploads, or ask an administrator to raise "
        "maxStorageBytes.",
        resource="STORAGE_BYTES",
        limit=limits.max_storage_bytes,
        used=used.storage_bytes,
        requested=requested,
    )


async def set_limits(db: Database, viewer: Viewer, workspace_id: UUID, changes: Mapping[str, int | None]) -> Workspace:
    """Set limits of a workspace by column, None for the settings'; limits left out stay. For administrators.

    Raises `NotFound`, or `InvalidInput` (LIMIT_OUT_OF_RANGE).
    """
    for field, column, least, greatest in FIELDS:
        value = changes.get(column)
        if value is not None and not least <= value <= greatest:
            raise InvalidInput(
                f"{field} must be from {least:,} to {greatest:,}, or null for the service's default.",
                code="LIMIT_OUT_OF_RANGE",
                path=[field],
            )
    async with db.system() as session:
        workspace = await repository.get(session, workspace_id, lock=True)
        if workspace is None:
            raise NotFound("There is no such workspace.", path=["workspaceId"])
        before: dict[str, Any] = {column: getattr(workspace, column) for column in changes}
        for column, value in changes.items():
            setattr(workspace, column, value)
        await record(
            session,
            "workspace.limits",
            actor_id=viewer.user_id,
            workspace_id=workspace_id,
            object_type="Workspace",
            object_id=workspace_id,
            data={"before": before, "after": dict(changes)},
        )
    _counted.forget(workspace_id)
    return workspace
