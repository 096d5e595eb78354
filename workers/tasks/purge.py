"""The purge: objects that no published row points to, uploads that nobody finished, lost rings, what expired."""

from __future__ import annotations

import structlog

from graph.core.telemetry import EXPIRED
from graph.datasets.service import DatasetService
from graph.jobs.leases import Leases
from graph.jobs.logs import BATCH, LogKeeper
from graph.retention.orphans import OrphanSweeper
from graph.retention.service import RetentionService
from graph.uploads.service import UploadService

LOG_BATCHES = 10
log = structlog.get_logger(__name__)


class Purger:
    """Clears what failed attempts, deleted jobs and data sets, and abandoned uploads left in storage."""

    def __init__(
        self,
        leases: Leases,
        datasets: DatasetService,
        uploads: UploadService,
        retention: RetentionService,
        orphans: OrphanSweeper,
        logs: LogKeeper,
    ) -> None:
        self._leases = leases
        self._retention = retention
        self._orphans = orphans
        self._logs = logs
        self._datasets = datasets
        self._uploads = uploads

    async def purge(self) -> None:
        """Do one round."""
        counts = {
            "attempts": await self._leases.clear_lost_attempts(),
            "jobs": await self._leases.clear_deleted_jobs(),
            "datasets": await self._datasets.purge_deleted(),
            "uploads": await self._uploads.sweep(),
            "logs": await self._keep_logs(),
        }
        if any(counts.values()):
            log.info("purged", **counts)

    async def _keep_logs(self) -> int:
        """Move logs of ended jobs from rows into objects; a backlog waits for the next rounds."""
        kept = 0
        for _ in range(LOG_BATCHES):
            moved = await self._logs.keep()
            kept += moved
            if moved < BATCH:
                break
        return kept

    async def expire(self) -> None:
        """Do one round of retention, and go on with the search for orphans."""
        counts = await self._retention.purge()
        for kind, number in counts.items():
            EXPIRED.labels(kind).inc(number)
        if any(counts.values()):
            log.info("expired", **counts)
        await self._orphans.step()

    async def ring_again(self) -> None:
        """Ring for data sets that have waited too long for their inspection."""
        await self._datasets.ring_stuck()
