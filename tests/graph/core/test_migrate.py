"""Migrations never queue behind a long transaction: they give up, let others pass, try again, and say who it was."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from graph.context import Services
from graph.core.errors import ConfigurationError
from graph.core.migrate import migrate_async
from graph.core.settings import Settings
from tests.graph.models.revisions import at, empty_database
from tests.processes import PATIENCE

# the revision before adds a column to `users`, which needs the table for itself
BEFORE = "0006"
LONG = "SELECT count(*) FROM users /* a long report */"


def settings_of(services: Services, engine: AsyncEngine) -> Settings:
    """Settings of a deployment in another database of the same server."""
    of = services.settings

    def moved(url: str) -> str:
        return make_url(url).set(database=engine.url.database).render_as_string(hide_password=False)

    return of.model_copy(
        update={"database_url": moved(of.database_url), "migration_database_url": moved(of.owner_database_url)}
    )


async def revision(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))


async def test_who_is_in_the_way_is_named_and_nobody_waits_behind(services: Services) -> None:
    async with empty_database(services.settings.owner_database_url) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(at, BEFORE)
        async with engine.connect() as blocker:
            await blocker.execute(text(LONG))
            pid = await blocker.scalar(text("SELECT pg_backend_pid()"))
            await blocker.execute(text(LONG))
            migrating = asyncio.create_task(migrate_async(settings_of(services, engine), patience=4))
            # the others: each of these would stand in the queue behind a migration that waits for ever
            async with engine.connect() as other:
                while not migrating.done():
                    await asyncio.wait_for(other.execute(text("SELECT count(*) FROM users")), PATIENCE)
                    await other.rollback()
                    await asyncio.sleep(0.1)
            with pytest.raises(ConfigurationError) as refused:
                await migrating
            message = str(refused.value)
            assert f"pid {pid}" in message
            assert "a long report" in message
            assert f"pg_terminate_backend({pid})" in message
            assert "open for" in message
            assert await revision(engine) == BEFORE
        await migrate_async(settings_of(services, engine))
        assert await revision(engine) > BEFORE


async def test_a_migration_gets_past_what_ends(services: Services) -> None:
    async with empty_database(services.settings.owner_database_url) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(at, BEFORE)
        async with engine.connect() as blocker:
            await blocker.execute(text(LONG))
            migrating = asyncio.create_task(migrate_async(settings_of(services, engine), patience=PATIENCE))
            # longer than one wait for the lock: it has given up once at least
            async with engine.connect() as looking:
                waited = text(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
                while not await looking.scalar(waited):
                    await looking.rollback()
                    await asyncio.sleep(0.05)
                while await looking.scalar(waited):
                    await looking.rollback()
                    await asyncio.sleep(0.05)
            assert not migrating.done()
            assert await revision(engine) == BEFORE
        await asyncio.wait_for(migrating, PATIENCE)
        assert await revision(engine) > BEFORE
