"""PostgreSQL: one transaction per unit of work, bound to one workspace or to the system role.

Row-level security stands under every query. `Database.tenant(workspace_id)` tells PostgreSQL the workspace for the
length of one transaction; a query outside sees no row at all. `Database.system()` switches to the role
`karyaksham_system`, which sees all rows: for log-in, workers, the sweeper and administrators only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from graph.core.errors import InvalidInput, ServiceUnavailable

SYSTEM_ROLE: Final = "karyaksham_system"
WORKSPACE_SETTING: Final = "karyaksham.workspace_id"

_TURN_SECONDS: Final = 10
_BULK_SECONDS: Final = 30
# An answer that has not come this long after the server should have given up will not come any more.
_SILENCE_SECONDS: Final = 2
# A connection that does not begin within this is given up; several of them, and PostgreSQL is away.
_BEGIN_SECONDS: Final = 5
_AWAY_SECONDS: Final = 15
# A frozen worker's locks end after this; a transaction waits for nothing but PostgreSQL.
_IDLE_SECONDS: Final = 10
# character_not_in_repertoire (NUL in text), untranslatable_character (\u0000 in jsonb)
_BAD_TEXT: Final = frozenset({"22021", "22P05"})

_ENTER_SYSTEM: Final = f"SET LOCAL ROLE {SYSTEM_ROLE}"


class _Silence(Exception):
    """A statement's answer did not come: the connection is cut without a word, or the server stands still."""


_UNREACHABLE = (
    _Silence,
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    # disk full, out of memory, too many connections
    asyncpg.InsufficientResourcesError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # past the statement timeout: the server hangs, or somebody who hangs holds a lock
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    PoolTimeout,
    TimeoutError,
)


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def is_unreachable(error: BaseException) -> bool:
    """Tell whether an error says that PostgreSQL cannot be reached, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # SQLAlchemy wraps asyncpg's errors
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None:
        if isinstance(cause, _UNREACHABLE):
            return True
        cause = cause.__cause__
    return False


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's five-character error code, `23505` for a unique violation."""
    return getattr(error.orig, "sqlstate", None)


class _Connection(asyncpg.Connection):
    """Says BEGIN and for whom in one message: a round trip less in every transaction, a tenth of a request's cost."""

    enter: str | None = None

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Send a statement; a BEGIN takes `enter` along."""
        if self.enter is not None and query.startswith("BEGIN"):
            query, self.enter = f"{query} {self.enter}", None
            options.setdefault("timeout", _BEGIN_SECONDS)
        status: str = await super().execute(query, *args, **options)
        return status


def _name_silence(context: ExceptionContext) -> BaseException | None:
    """Give the driver's time-outs and broken pipes a type of their own: the block around may raise the same ones."""
    silent = isinstance(context.original_exception, (TimeoutError, OSError))
    return _Silence(str(context.original_exception)) if silent else None


class _StaleConnection(Exception):
    """A connection of the pool that cannot be used: PostgreSQL has closed it, or it is in a transaction already."""


def _enter(session: Session, statement: str) -> None:
    """Begin the session's transaction together with `statement`."""
    pooled = session.connection().connection
    driver: Any = pooled.driver_connection
    driver.enter = statement
    try:
        # what SQLAlchemy itself does before the first statement; nothing public begins without one
        await_only(pooled.dbapi_connection._start_transaction())  # type: ignore[union-attr]
    except Exception as error:
        if driver.is_closed() or is_unreachable(error):
            raise _StaleConnection from error
        raise
    if driver.enter is not None:
        # asyncpg made a savepoint of it: the rights of the transaction around it would hold
        raise _StaleConnection


async def _turn(turns: asyncio.Semaphore, seconds: float) -> None:
    """Take a turn, which the caller gives back; `ServiceUnavailable` when none comes in time."""
    if not turns.locked():
        await turns.acquire()
        return
    try:
        await asyncio.wait_for(turns.acquire(), seconds)
    except TimeoutError as error:
        raise ServiceUnavailable("PostgreSQL") from error


async def _discard(session: AsyncSession) -> None:
    """Close a session's connection for good: a statement that was cancelled may have been carried out all the same.

    In the pool, a BEGIN whose answer nobody heard would put the next caller into a stranger's transaction.
    """
    await asyncio.shield(session.invalidate())


class Database:
    """A pool of connections as the application role.

    Sessions do not expire their objects at commit, so that what was read may be used after the transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        max_overflow: int = 0,
        statement_timeout_ms: int = 30_000,
        application_name: str = "karyaksham",
    ) -> None:
        self._connections = pool_size + max_overflow
        self._turns = asyncio.Semaphore(self._connections)
        self._bulk = asyncio.Semaphore(max(self._connections // 2, 1))
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=10,
            pool_recycle=1800,
            pool_use_lifo=True,
            query_cache_size=1500,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={
                "connection_class": _Connection,
                "timeout": 5,
                # by this clock: a server that cannot be reached cannot end a statement either
                "command_timeout": statement_timeout_ms / 1000 + _SILENCE_SECONDS,
                "prepared_statement_cache_size": 500,
                "server_settings": {
                    "application_name": application_name,
                    "statement_timeout": str(statement_timeout_ms),
                    "idle_in_transaction_session_timeout": str(_IDLE_SECONDS * 1000),
                    "timezone": "UTC",
                    "jit": "off",
                },
            },
        )
        listen(self._engine.sync_engine, "handle_error", _name_silence)

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, for migrations and checks only."""
        return self._engine

    def tenant(self, workspace_id: UUID) -> AbstractAsyncContextManager[AsyncSession]:
        """Open one transaction that sees and writes rows of this workspace only; commits at the end.

        Raises `ServiceUnavailable` when PostgreSQL cannot be reached.
        """
        return self._transaction(f"SELECT set_config('{WORKSPACE_SETTING}', '{UUID(str(workspace_id))}', true)")

    def system(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open one transaction that sees all workspaces; commits at the end."""
        return self._transaction(_ENTER_SYSTEM)

    @asynccontextmanager
    async def bulk(self) -> AsyncIterator[None]:
        """Wait, in order of arrival, to be one of the few that work in bulk: half of the connections at most.

        For what people send by the hundred (orders of jobs): whoever looks at something meanwhile shares this process
        and PostgreSQL with a few of them, not with all. `ServiceUnavailable` when no turn comes.
        """
        await _turn(self._bulk, _BULK_SECONDS)
        try:
            yield
        finally:
            self._bulk.release()

    @asynccontextmanager
    async def _transaction(self, enter: str) -> AsyncIterator[AsyncSession]:
        await self._take_turn()
        try:
            session = await self._begin(enter)
            settled = False  # whether PostgreSQL has answered the end of the transaction
            try:
                try:
                    yield session
                    await session.commit()
                except Exception as error:
                    if not (isinstance(error, (DBAPIError, _Silence)) and is_unreachable(error)):  # else nobody answers
                        await session.rollback()
                        settled = True
                    raise
                settled = True
            finally:
                await (session.close() if settled else _discard(session))
        except (
            DBAPIError,
            _Silence,
        ) as error:  # of a statement, a flush or the commit; other errors are the block's own
            if is_unreachable(error):
                raise ServiceUnavailable("PostgreSQL") from error
            if isinstance(error, DBAPIError) and sqlstate(error) in _BAD_TEXT:
                raise InvalidInput(
                    "The text holds a character that cannot be stored (NUL, U+0000).", code="TEXT_INVALID"
                ) from error
            raise
        finally:
            self._turns.release()

    async def _take_turn(self) -> None:
        """Wait for a connection in order of arrival: the pool itself lets late comers overtake (p99 of 0.8 s)."""
        await _turn(self._turns, _TURN_SECONDS)

    async def _begin(self, enter: str) -> AsyncSession:
        """Enter a transaction; pooled connections that died meanwhile are replaced: nothing was done on them."""
        stale: BaseException | None = None
        deadline = time.monotonic() + _AWAY_SECONDS
        for _ in range(self._connections + 1):
            if time.monotonic() > deadline:
                break
            session = AsyncSession(self._engine, expire_on_commit=False)
            try:
                await session.run_sync(_enter, enter)
            except _StaleConnection as error:
                await _discard(session)
                stale = error.__cause__
            except BaseException as error:
                await _discard(session)
                if is_unreachable(error):
                    raise ServiceUnavailable("PostgreSQL") from error
                raise
            else:
                return session
        raise ServiceUnavailable("PostgreSQL") from stale

    async def ping(self) -> None:
        """Ask PostgreSQL for a sign of life; raises `ServiceUnavailable`."""
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            if is_unreachable(error):
                raise ServiceUnavailable("PostgreSQL") from error
            raise

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
