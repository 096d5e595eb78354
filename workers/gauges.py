"""What a worker tells Prometheus of its engine processes, their spilled data, and of workspaces."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from typing import Final

from graph.admin import repository
from graph.core.db import Database
from graph.core.telemetry import (
    ENGINE_MEMORY,
    ENGINE_MEMORY_LIMIT,
    ENGINE_MEMORY_PROMISED,
    SPILL,
    SPILL_FREE,
    WORKSPACE_BYTES,
    WORKSPACE_JOBS,
)
from workers.runner import ChildPool, anonymous_bytes
from workers.slots import Slots
from workers.spill import spilled_bytes
from workers.tasks.sweep import Sweeper

GAUGES_SECONDS: Final = 5.0
# summing up storage reads all jobs with a result
USAGE_SECONDS: Final = 60.0


class Gauges:
    """Measures, and sets the gauges."""

    def __init__(self, db: Database, children: ChildPool, slots: Slots, sweeper: Sweeper, spill: str | None) -> None:
        self._db = db
        self._children = children
        self._slots = slots
        self._sweeper = sweeper
        self._spill = spill
        self._told = time.monotonic()

    async def machine(self) -> None:
        """Look at this worker's own processes and disk."""
        memory = self._slots.memory
        ENGINE_MEMORY.set(sum(anonymous_bytes(pid) for pid in self._children.pids))
        ENGINE_MEMORY_LIMIT.set(memory.total)
        ENGINE_MEMORY_PROMISED.set(memory.total - memory.free)
        SPILL.set(await asyncio.to_thread(spilled_bytes))
        try:
            SPILL_FREE.set(shutil.disk_usage(self._spill or tempfile.gettempdir()).free)
        except FileNotFoundError:  # the first job makes the folder
            SPILL_FREE.set(shutil.disk_usage(tempfile.gettempdir()).free)

    async def usage(self) -> None:
        """Sum up workspaces, if it is this worker's turn; whoever has not had one for long forgets its figures."""
        if not await self._sweeper.elected("usage", USAGE_SECONDS):
            if time.monotonic() - self._told > 2 * USAGE_SECONDS:
                WORKSPACE_BYTES.clear()
                WORKSPACE_JOBS.clear()
            return
        self._told = time.monotonic()
        async with self._db.system() as session:
            storage = await repository.storage_figures(session)
            jobs = await repository.workspace_jobs(session)
        WORKSPACE_BYTES.clear()
        for each in storage.workspaces:
            WORKSPACE_BYTES.labels(str(each.workspace_id), "datasets").set(each.datasets)
            WORKSPACE_BYTES.labels(str(each.workspace_id), "results").set(each.results)
        WORKSPACE_JOBS.clear()
        for workspace, status, number in jobs:
            WORKSPACE_JOBS.labels(str(workspace), status.lower()).set(number)
