"""Statements that wait for a lock give up soon and are tried again: who waits in PostgreSQL's queue stops all behind.

A migration that waits for one long transaction has everybody else's statements on that table wait behind itself, which
is an outage. So it waits for seconds, lets them pass, and tries again; what it could not get past is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from graph.core.db import sqlstate
from graph.core.errors import ConfigurationError

LOCK_SECONDS: Final = 2
_LOOK_SECONDS: Final = 0.25
_PAUSE_SECONDS: Final = 1.0
_PAUSE_MOST: Final = 15.0
# of others' sessions, PostgreSQL shows pid and application to everybody, the rest to members of their role
_BLOCKERS: Final = text(
    "SELECT pid, COALESCE(application_name, ''), COALESCE(usename, ''), COALESCE(state, ''), "
    "extract(epoch FROM clock_timestamp() - xact_start)::float8, left(COALESCE(query, ''), 200) "
    "FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids(:pid)) ORDER BY xact_start NULLS LAST"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds what was waited for. `seconds`: how old its transaction is, None if that is not shown."""

    pid: int
    application: str
    role: str
    state: str
    seconds: float | None
    query: str

    def __str__(self) -> str:
        age = "of unknown age" if self.seconds is None else f"open for {self.seconds:.0f} s"
        who = ", ".join(filter(None, [self.application, f"role {self.role}" if self.role else "", self.state]))
        return (
            f"pid {self.pid} ({who}), a transaction {age}, last statement: {' '.join(self.query.split()) or 'unknown'}"
        )


class _Watch:
    """Who blocked a connection, as a second one saw it last."""

    def __init__(self) -> None:
        self.seen: list[Blocker] = []

    async def look(self, connection: AsyncConnection, pid: int) -> None:
        """Look again and again, until cancelled."""
        while True:
            found = [Blocker(*row) for row in await connection.execute(_BLOCKERS, {"pid": pid})]
            await connection.rollback()
            self.seen = found or self.seen
            await asyncio.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def _watching(connection: AsyncConnection) -> AsyncIterator[_Watch]:
    watch = _Watch()
    pid = int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)
    await connection.commit()
    async with connection.engine.connect() as second:
        task = asyncio.create_task(watch.look(second, pid))
        try:
            yield watch
        finally:
            task.cancel()
            # whoever looks on must not spoil what it looks at
            with contextlib.suppress(asyncio.CancelledError, DBAPIError, OSError):
                await task


async def get_past(connection: AsyncConnection, work: Callable[[], Awaitable[None]], patience: float) -> None:
    """Do `work` on a connection, again and again while locks of others are in its way, for `patience` seconds.

    `work` commits what it has done, and takes up where it was stopped. `ConfigurationError` names who was in the way.
    """
    deadline, pause = time.monotonic() + patience, _PAUSE_SECONDS
    await connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
    await connection.commit()
    while True:
        async with _watching(connection) as watch:
            try:
                await work()
            except DBAPIError as error:
                if sqlstate(error) != asyncpg.LockNotAvailableError.sqlstate:
                    raise
                await connection.rollback()
            else:
                return
        if time.monotonic() + pause > deadline:
            raise ConfigurationError(_blocked(watch.seen, patience))
        log.warning("migration_blocked", blockers=[str(each) for each in watch.seen], again_in_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _PAUSE_MOST)


def _blocked(blockers: list[Blocker], patience: float) -> str:
    lines = [f"A table was in use each time that the migration tried to change it, for {patience:.0f} s:"]
    lines += [f"  {each}" for each in blockers] or ["  by whom could not be seen"]
    pids = " ".join(f"SELECT pg_terminate_backend({each.pid});" for each in blockers)
    lines.append(
        "Wait until it has ended (a backup, a report, a forgotten psql), or end it" + (f": {pids}" if pids else ".")
    )
    lines.append("Then run `karyaksham migrate` again: nothing is half done, and nobody waited for it meanwhile.")
    return "\n".join(lines)
