"""What was refused, in the audit log: denied access, failed log-ins, tokens that are not good, limits that are reached.

Anybody can have something refused, as often as they like: so each process writes AUDIT_REFUSALS_PER_MINUTE rows a
minute at most, a tenth of them from one address, and counts the rest in a row for each kind. No answer depends on it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final
from uuid import UUID

import structlog

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import ServiceUnavailable
from graph.core.ids import uuid7

WINDOW_SECONDS: Final = 60
# rows that count what was not written one by one, of one minute
_SUMMARIES: Final = 20

log = structlog.get_logger(__name__)


class Refusals:
    """Writes them down. `note` may be called from anywhere in the event loop and waits for nothing."""

    def __init__(self, db: Database, per_minute: int) -> None:
        self._db = db
        self._most = per_minute
        self._of_one = max(1, per_minute // 10) if per_minute else 0
        self._window = 0
        self._written = 0
        self._sources: Counter[str] = Counter()
        self._more: Counter[tuple[str, str]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, action: str, code: str, **details: Any) -> None:
        """Like `write`, soon."""
        task = asyncio.get_running_loop().create_task(self.write(action, code, **details))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def write(
        self,
        action: str,
        code: str,
        *,
        actor_id: UUID | None = None,
        token_id: UUID | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Write down or count one refusal, of the request of the log context; never fails for PostgreSQL's sake."""
        # both before anything is waited for: entries are listed by their ids, in the order of what happened
        passed = self._passed()
        row_id = uuid7()
        await self._insert_counts(passed)
        # by address alone: what differed for accounts that exist would tell that they do
        source = str(structlog.contextvars.get_contextvars().get("address") or actor_id)
        if self._written >= self._most or self._sources[source] >= self._of_one:
            known = (action, code) in self._more or len(self._more) < _SUMMARIES
            self._more[(action, code) if known else ("access.refused", "OTHERS")] += 1
            return
        self._written += 1
        self._sources[source] += 1
        await self._insert(action, {"code": code} | (data or {}), actor_id, token_id, row_id)

    async def sum_up(self, *, end: bool = False) -> None:
        """Write down how many were only counted in a minute that has passed; with `end`, in this one too."""
        await self._insert_counts(self._passed(end=end))

    def _passed(self, *, end: bool = False) -> list[tuple[UUID, str, str, int]]:
        """Row, action, code and times of what was only counted, if its minute has passed; a new one begins then."""
        window = int(time.monotonic() // WINDOW_SECONDS)
        if window == self._window and not end:
            return []
        self._window, self._written, self._sources = window, 0, Counter()
        more, self._more = self._more, Counter()
        return [(uuid7(), action, code, times) for (action, code), times in more.items()]

    async def _insert_counts(self, passed: list[tuple[UUID, str, str, int]]) -> None:
        for row_id, action, code, times in passed:
            with structlog.contextvars.bound_contextvars(address=None, request_id=None):
                await self._insert(action, {"code": code, "furtherTimes": times}, None, None, row_id)

    async def settled(self) -> None:
        """Wait until all that was noted is written."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run(self) -> None:
        """Sum up each minute, until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_SECONDS)
            await self.sum_up()

    async def close(self) -> None:
        """Write down what is left."""
        await self.settled()
        await self.sum_up(end=True)

    async def _insert(
        self, action: str, data: dict[str, Any], actor_id: UUID | None, token_id: UUID | None, row_id: UUID
    ) -> None:
        try:
            async with self._db.system() as session:
                await record(
                    session,
                    action,
                    actor_id=actor_id,
                    workspace_id=None,
                    object_type="ApiToken" if token_id else None,
                    object_id=token_id,
                    data=data,
                    row_id=row_id,
                )
        except ServiceUnavailable as error:
            log.warning("refusal_not_recorded", action=action, data=data, reason=error.message)
