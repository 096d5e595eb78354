"""Orphans: objects and multipart uploads of ours that no live row points to.

A sweep walks through all keys under `w/` in order, a page at a time, and remembers how far it is: it may be cut
anywhere and goes on. It removes an object only when three things hold: its key has a shape that we write, it is older
than a safe age (no writer is between object and row any more), and no row points to it. What is unknown is counted and
left alone; what another part of the purge clears by its row (failed attempts, deleted jobs and data sets), too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from graph.core.db import Database
from graph.core.settings import Settings
from graph.core.storage import ObjectInfo, Storage
from graph.core.telemetry import ORPHAN_BYTES, ORPHANS
from graph.models import Sweep
from graph.retention import orphan_repository as repository
from graph.retention.orphan_repository import Facts, Place

ROOT: Final = "w/"
# pages of a thousand objects in one round of the purge
PAGES: Final = 20
EXAMPLES_MOST: Final = 10
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEY: Final = re.compile(
    rf"w/(?P<workspace>{_ID})/"
    rf"(?:uploads/(?P<upload>{_ID})/source"
    rf"|datasets/(?P<dataset>{_ID})/source"
    rf"|jobs/(?P<job>{_ID})/(?:[0-9]+-(?P<token>[0-9]+)/.+|(?P<log>log-[0-9]+\.ndjson\.gz)))",
    re.DOTALL,
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Findings:
    """What a sweep has found; sizes in bytes, `examples` are keys of removed objects."""

    objects: int = 0
    bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0
    multiparts: int = 0
    unknown: int = 0
    examples: list[str] = field(default_factory=list)


def place_of(key: str) -> Place | None:
    """Read a key that we may have written; None for any other."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    parts = match.groupdict()
    return Place(
        workspace_id=UUID(parts["workspace"]),
        upload_id=UUID(parts["upload"]) if parts["upload"] else None,
        job_id=UUID(parts["job"]) if parts["job"] else None,
        lease_token=int(parts["token"]) if parts["token"] else None,
        dataset_id=UUID(parts["dataset"]) if parts["dataset"] else None,
    )


def is_live(key: str, place: Place, facts: Facts) -> bool:
    """Tell whether a row points to this object, or another part of the purge will clear it by its row."""
    if key in facts.dataset_keys:
        return True
    if place.upload_id is not None:
        return place.upload_id in facts.open_uploads
    if place.dataset_id is not None:
        return False  # its row would have named the key
    if place.job_id is None:
        return True
    job = facts.jobs.get(place.job_id)
    if job is None or job.workspace_id != place.workspace_id:
        return place.job_id in facts.source_jobs
    if job.deleted or place.job_id in facts.source_jobs:
        return True
    if place.lease_token is None:
        return key == job.log_key
    attempt = facts.attempts.get((place.job_id, place.lease_token))
    if attempt is None or attempt.cleaned:
        return False
    return not (attempt.outcome == "SUCCEEDED" and key == job.expired_rejects_key)


class OrphanSweeper:
    """Finds and removes orphans."""

    def __init__(self, db: Database, storage: Storage, settings: Settings) -> None:
        self._db = db
        self._storage = storage
        self._every = timedelta(hours=settings.orphan_sweep_hours)
        self._age = timedelta(hours=settings.orphan_age_hours)

    async def step(self, *, pages: int = PAGES) -> Findings | None:
        """Go on with the sweep, or begin one when it is due; returns its findings when this step finished it."""
        if not self._every:
            return None
        async with self._db.system() as session:
            sweep = await repository.begin(session, "orphans", asdict(Findings()), self._every)
        if sweep is None:
            return None
        return await self.run(sweep, ROOT, pages)

    async def run(self, sweep: Sweep, prefix: str, pages: int) -> Findings | None:
        """Look at so many pages of the keys under a prefix; returns the findings when there are no more."""
        found, cursor = Findings(**sweep.found), sweep.cursor
        before = datetime.now(UTC) - self._age
        for _ in range(pages):
            objects, more = await self._storage.list_page(prefix, cursor)
            await self._look(objects, before, found)
            cursor = objects[-1].key if objects else cursor
            if not more:
                await self._abort_multiparts(prefix, before, found)
            async with self._db.system() as session:
                await repository.save(session, sweep.id, cursor, asdict(found), finished=not more)
            if not more:
                log.info(
                    "orphans_swept", **{name: value for name, value in asdict(found).items() if name != "examples"}
                )
                return found
        return None

    async def _orphans(self, keys: Sequence[str], found: Findings | None = None) -> set[str]:
        """Return those of the keys that no row points to."""
        places: dict[str, Place] = {}
        for key in keys:
            place = place_of(key)
            if place is not None:
                places[key] = place
            elif found is not None:
                found.unknown += 1
        if not places:
            return set()
        async with self._db.system() as session:
            facts = await repository.facts(session, places)
        return {key for key, place in places.items() if not is_live(key, place, facts)}

    async def _look(self, objects: Sequence[ObjectInfo], before: datetime, found: Findings) -> None:
        found.objects += len(objects)
        found.bytes += sum(item.size_bytes for item in objects)
        old = {item.key: item.size_bytes for item in objects if item.modified_at < before}
        orphans = await self._orphans(list(old), found)
        await self._storage.delete_keys(sorted(orphans))
        size = sum(old[key] for key in orphans)
        found.removed += len(orphans)
        found.removed_bytes += size
        found.examples = [*found.examples, *sorted(orphans)][:EXAMPLES_MOST]
        ORPHANS.labels("object").inc(len(orphans))
        ORPHAN_BYTES.inc(size)

    async def _abort_multiparts(self, prefix: str, before: datetime, found: Findings) -> None:
        """Abort those of results whose attempt is over, and of tables that came by Flight but never became a data set.

        Those of uploads have a sweep of their own.
        """
        begun = [
            item
            for item in await self._storage.list_multiparts(prefix)
            if item.started_at < before and ("/jobs/" in item.key or "/datasets/" in item.key)
        ]
        orphans = await self._orphans([item.key for item in begun])
        for item in begun:
            if item.key in orphans:
                await self._storage.abort_multipart(item.key, item.upload_id)
                found.multiparts += 1
                ORPHANS.labels("multipart").inc()


async def last_sweep(db: Database) -> dict[str, Any] | None:
    """Return the last finished sweep: startedAt, finishedAt, and the findings; None when there was none."""
    async with db.system() as session:
        sweep = await repository.get(session, "orphans")
    if sweep is None:
        return None
    if sweep.finished_at is not None:
        return {"startedAt": sweep.started_at, "finishedAt": sweep.finished_at, **sweep.found}
    if sweep.last is None:
        return None
    times = {name: datetime.fromisoformat(sweep.last[name]) for name in ("startedAt", "finishedAt")}
    return {**sweep.last, **times}
