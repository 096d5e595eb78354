"""Transactions: committed or not at all, in turn, and clear about what went wrong."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest
from sqlalchemy import func, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from graph.context import Services
from graph.core.db import Database
from graph.core.errors import InvalidInput, ServiceUnavailable
from graph.models import Pipeline
from tests.faults.proxy import Hurt, Proxy, Way
from tests.graph.client import User
from tests.processes import PATIENCE

APP_ROLE = "karyaksham_app"
_WHO = text("SELECT current_user, current_setting('karyaksham.workspace_id', true)")


async def count(services: Services, user: User) -> int:
    async with services.db.tenant(user.workspace_id) as session:
        return int(await session.scalar(select(func.count()).select_from(Pipeline)) or 0)


async def test_an_error_undoes_everything(services: Services, user: User) -> None:
    async def fail() -> None:
        async with services.db.tenant(user.workspace_id) as session:
            session.add(Pipeline(workspace_id=user.workspace_id, name="a"))
            await session.flush()
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await fail()
    assert await count(services, user) == 0


async def test_a_cancelled_block_undoes_everything_and_gives_its_connection_back(
    services: Services, user: User
) -> None:
    db = Database(services.settings.database_url, pool_size=1)
    try:

        async def slow() -> None:
            async with db.tenant(user.workspace_id) as session:
                session.add(Pipeline(workspace_id=user.workspace_id, name="a"))
                await session.flush()
                await session.execute(text("SELECT pg_sleep(1000)"))

        task = asyncio.create_task(slow())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE), db.tenant(user.workspace_id) as session:
            assert (await session.scalars(select(Pipeline))).all() == []
    finally:
        await db.close()


async def test_an_error_at_the_commit_is_seen(services: Services, user: User) -> None:
    with pytest.raises(IntegrityError):
        async with services.db.tenant(user.workspace_id) as session:
            session.add(Pipeline(workspace_id=user.workspace_id, name=None))


@pytest.mark.parametrize("error", [OSError("disk"), TimeoutError("storage")])
async def test_the_blocks_own_errors_are_not_blamed_on_postgresql(
    services: Services, user: User, error: Exception
) -> None:
    with pytest.raises(type(error), match=str(error)):
        async with services.db.tenant(user.workspace_id):
            raise error


async def test_wrong_arguments_are_bugs_not_outages(services: Services, user: User) -> None:
    with pytest.raises(DBAPIError):
        async with services.db.tenant(user.workspace_id) as session:
            await session.execute(text("SELECT CAST(:n AS bigint)"), {"n": "not a number"})


async def test_nul_characters_are_refused_clearly(services: Services, user: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        async with services.db.tenant(user.workspace_id) as session:
            session.add(Pipeline(workspace_id=user.workspace_id, name="a\x00b"))
    assert caught.value.code == "TEXT_INVALID"


async def test_turns_are_taken_in_order(services: Services, user: User) -> None:
    db = Database(services.settings.database_url, pool_size=2)
    order: list[int] = []
    try:

        async def take(number: int) -> None:
            async with db.tenant(user.workspace_id) as session:
                await session.execute(text("SELECT pg_sleep(0.01)"))
                order.append(number)

        await asyncio.gather(*(take(number) for number in range(30)))
        assert max(abs(number - place) for place, number in enumerate(order)) <= 3
    finally:
        await db.close()


async def test_unreachable_from_the_start() -> None:
    db = Database("postgresql+asyncpg://app@127.0.0.1:1/kar")
    try:
        for _ in range(2):
            with pytest.raises(ServiceUnavailable, match="PostgreSQL"):
                async with db.system():
                    pass
    finally:
        await db.close()


async def test_long_statements_are_ended(services: Services, user: User) -> None:
    db = Database(services.settings.database_url, statement_timeout_ms=200)
    try:
        with pytest.raises(ServiceUnavailable) as ended:
            async with db.tenant(user.workspace_id) as session:
                await session.execute(text("SELECT pg_sleep(5)"))
        assert "statement timeout" in str(ended.value.__cause__)
    finally:
        await db.close()


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_connection_cut_without_a_word_is_noticed(services: Services, user: User, way: Way) -> None:
    """No RST ever comes: neither a statement nor the next transaction on the pooled connection waits for it."""
    url = make_url(services.settings.database_url)
    with Proxy("postgres", (str(url.host), int(url.port or 0)), random.Random(1)) as proxy:
        through = url.set(port=proxy.port).render_as_string(hide_password=False)
        db = Database(through, pool_size=2, statement_timeout_ms=500)
        try:

            async def ask(hurt: Hurt) -> None:
                async with db.tenant(user.workspace_id) as session:
                    proxy.hurt(hurt)
                    await session.execute(text("SELECT 1"))

            with pytest.raises(ServiceUnavailable):
                await ask(Hurt("half-open", way))
            proxy.heal()
            async with asyncio.timeout(PATIENCE), db.tenant(user.workspace_id) as session:
                assert await session.scalar(text("SELECT 1")) == 1
            proxy.hurt(Hurt("half-open", way))
            proxy.heal()  # new connections are well: the dead one in the pool is replaced
            async with asyncio.timeout(PATIENCE), db.tenant(user.workspace_id) as session:
                assert await session.scalar(text("SELECT 1")) == 1
        finally:
            await db.close()


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK"])
async def test_a_transaction_cancelled_at_its_border_leaves_nothing_to_the_next_caller(
    services: Services, user: User, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """PostgreSQL has heard the word, the caller left before the answer: the next one must not find the transaction."""
    db = Database(services.settings.database_url, pool_size=1)
    async with db.system() as session:  # SQLAlchemy's own questions to a new connection are behind us
        await session.execute(text("SELECT 1"))
    execute = asyncpg.Connection.execute
    heard = asyncio.Event()

    async def without_answer(self: asyncpg.Connection, query: str, *args: object, **options: object) -> str:
        status: str = await execute(self, query, *args, **options)  # type: ignore[arg-type]
        if query.startswith(word) and not heard.is_set():
            heard.set()
            await asyncio.sleep(1000)
        return status

    monkeypatch.setattr(asyncpg.Connection, "execute", without_answer)
    try:

        async def leave() -> None:
            async with db.system() as session:
                await session.execute(text("SELECT 1"))
                if word == "ROLLBACK":
                    raise RuntimeError("mine")

        task = asyncio.create_task(leave())
        await asyncio.wait_for(heard.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE), db.tenant(user.workspace_id) as session:
            role, workspace = (await session.execute(_WHO)).one()
            assert (role, workspace) == (APP_ROLE, str(user.workspace_id))
            session.add(Pipeline(workspace_id=user.workspace_id, name="kept"))
        assert await count(services, user) == 1
    finally:
        await db.close()


async def test_a_connection_in_somebody_elses_transaction_is_not_used(services: Services, user: User) -> None:
    """asyncpg would make a savepoint inside it, with the rights of the transaction around."""
    db = Database(services.settings.database_url, pool_size=1)
    try:
        async with db.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.transaction().start()
        async with db.tenant(user.workspace_id) as session:
            assert (await session.execute(_WHO)).one() == (APP_ROLE, str(user.workspace_id))
    finally:
        await db.close()
