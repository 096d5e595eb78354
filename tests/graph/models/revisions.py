"""Databases at a revision of the tables, beside the one that other tests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from graph.core.ids import uuid7
from graph.core.migrate import MIGRATIONS


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def at(connection: Connection, revision: str, *, down: bool = False) -> None:
    """Bring a database to a revision."""
    config = configuration()
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, revision)


@asynccontextmanager
async def empty_database(url: str) -> AsyncIterator[AsyncEngine]:
    """A new database on the same server, dropped afterwards."""
    name = f"upgrade_{uuid7().hex}"
    admin = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    engine = create_async_engine(admin.url.set(database=name))
    try:
        yield engine
    finally:
        await engine.dispose()
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()
