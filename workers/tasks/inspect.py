"""Inspection of a data set: the engine looks at the file in a child, since a stranger's file may bring it down."""

from __future__ import annotations

from uuid import UUID

import orjson
import structlog

from graph.core.errors import ServiceUnavailable
from graph.core.telemetry import bind
from graph.datasets.service import DatasetService
from workers.runner import AttemptError, ChildPool

log = structlog.get_logger(__name__)


class Inspector:
    """Runs inspections on children of their own, so that they never wait behind long jobs."""

    def __init__(self, datasets: DatasetService, pool: ChildPool, memory_limit: int) -> None:
        self._datasets = datasets
        self._pool = pool
        self._memory_limit = memory_limit

    async def _in_child(self, request: str) -> str:
        async with self._pool.child() as child:
            report = await child.call("inspect", orjson.loads(request), memory_limit=self._memory_limit)
        return orjson.dumps(report).decode()

    async def inspect(self, dataset_id: str) -> None:
        """Inspect one data set; what can be repeated is left to the sweeper's next ring."""
        with bind(dataset_id=dataset_id):
            try:
                await self._datasets.inspect(UUID(dataset_id), self._in_child)
            except (AttemptError, ServiceUnavailable) as error:
                log.warning("inspection_postponed", error=str(error))
