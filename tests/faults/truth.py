"""PostgreSQL and object storage as they are, past the proxies, for whoever checks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Self, TypeVar

import asyncpg

from graph.core.settings import Settings
from graph.core.storage import Storage
from tests.stack import settings_of

T = TypeVar("T")


class Truth:
    """A loop in a thread of its own; every method may be called from any thread."""

    def __init__(self, direct: Mapping[str, str]) -> None:
        self.settings: Settings = settings_of(direct)
        self._url = direct["DATABASE_URL"].replace("+asyncpg", "")
        self._connection: asyncpg.Connection[Any] | None = None
        self._storage: Storage | None = None
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="truth", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.terminate()
        if self._storage is not None:
            self._do(self._storage.close(), 10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._loop).result()

    def rows(self, sql: str, *args: Any, seconds: float = 10.0) -> list[dict[str, Any]]:
        """Run a statement as the system role and return the rows; a lost connection is an `OSError`."""
        with self._lock:
            try:
                return [dict(row) for row in self._do(self._rows(sql, args), seconds)]
            except (
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # what was given up before still stands in the way
                asyncpg.CannotConnectNowError,
            ) as error:
                self._drop()
                raise ConnectionError(str(error)) from error
            except (OSError, TimeoutError, asyncpg.OperatorInterventionError):
                self._drop()
                raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _rows(self, sql: str, args: tuple[Any, ...]) -> list[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, timeout=5)
            await self._connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
            await self._connection.execute("SET ROLE karyaksham_system")
        found: list[asyncpg.Record] = await self._connection.fetch(sql, *args)
        return found

    def storage(self, work: Callable[[Storage], Awaitable[T]], seconds: float = 120.0) -> T:
        """Run something with a client of the object storage, made at first use and kept."""

        async def run() -> T:
            if self._storage is None:
                self._storage = await Storage.open(self.settings)
            return await work(self._storage)

        return self._do(run(), seconds)

    def keys(self) -> set[str]:
        """Keys of all objects."""

        async def read(storage: Storage) -> set[str]:
            return {item.key async for item in storage.list_keys("w/")}

        return self.storage(read)

    def there(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that can be read, listed or not."""

        async def read(storage: Storage) -> set[str]:
            return {key for key in keys if await storage.head(key) is not None}

        return self.storage(read)

    def multiparts(self) -> set[str]:
        """Keys of all uploads that are open."""

        async def read(storage: Storage) -> set[str]:
            return {item.key for item in await storage.list_multiparts("w/")}

        return self.storage(read)

    def read(self, key: str) -> bytes:
        """The bytes of an object."""

        async def get(storage: Storage) -> bytes:
            info = await storage.head(key)
            assert info is not None, f"{key} is not there"
            return await storage.get_range(key, 0, info.size_bytes)

        return self.storage(get)
