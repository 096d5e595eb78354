"""Brings a database up: the database itself, the roles, the tables, the grants. Safe to run again and at once.

Three roles. The owner (MIGRATION_DATABASE_URL) owns the tables and runs this. The application role (DATABASE_URL)
owns nothing, so row-level security binds it. `karyaksham_system` cannot log in; the application switches to it for
one transaction where it must see all workspaces (`Database.system()`). The application role is a NOINHERIT member,
because policies apply to members that inherit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import text

from graph.core.db import SYSTEM_ROLE, sqlstate
from graph.core.errors import ConfigurationError
from graph.core.lock_waits import get_past
from graph.core.settings import Settings

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
PATIENCE_SECONDS: Final = 300.0
SCALER_ROLE: Final = "karyaksham_scaler"  # of ops/setup/scaler.sql
_LOCK: Final = 0x6B6172796B  # "karyk": one migration at a time, also from several starts

log = structlog.get_logger(__name__)


def migrate(settings: Settings, *, patience: float = PATIENCE_SECONDS) -> None:
    """Create what is missing and upgrade to the newest revision; blocks until done.

    Works with or without a running event loop. `ConfigurationError` says which right or setting is missing, or whose
    transaction was in the way for `patience` seconds.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate_async(settings, patience=patience)).result()


async def migrate_async(settings: Settings, *, patience: float = PATIENCE_SECONDS) -> None:
    """Like `migrate`, for callers in a loop; Alembic itself blocks for a moment."""
    async with _prepared(settings) as connection:

        async def work() -> None:
            await connection.run_sync(_upgrade)
            await connection.commit()
            await _grants(connection, str(make_url(settings.database_url).username))
            await connection.commit()

        await get_past(connection, work, patience)
    log.info("migrated", database=make_url(settings.owner_database_url).database)


async def prepare_async(settings: Settings) -> None:
    """Make the database and its roles where they are missing, and no tables: for what brings its own (a restore)."""
    async with _prepared(settings) as connection:
        # a dump may hold what the autoscaler's role may do; it cannot log in before somebody gives it a password
        missing = text("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")
        if await connection.scalar(missing, {"name": SCALER_ROLE}):
            # an owner who may not make roles restores dumps that do not name it
            with contextlib.suppress(DBAPIError):
                await connection.execute(text(f"CREATE ROLE {SCALER_ROLE} NOLOGIN NOINHERIT"))
        await connection.commit()


@asynccontextmanager
async def _prepared(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Yield the owner's connection to the database, which has the roles, while nobody else migrates it."""
    owner, app = make_url(settings.owner_database_url), make_url(settings.database_url)
    if owner.username == app.username:
        raise ConfigurationError(
            "DATABASE_URL and MIGRATION_DATABASE_URL name the same role. The application must not own its tables: "
            "set MIGRATION_DATABASE_URL to the owner and DATABASE_URL to another role, which is made when missing."
        )
    engine = create_async_engine(owner, poolclass=NullPool)
    try:
        try:
            connection = await engine.connect()
        except DBAPIError as error:
            if sqlstate(error) != asyncpg.InvalidCatalogNameError.sqlstate:
                raise
            await _create_database(owner)
            connection = await engine.connect()
        try:
            await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
            await connection.commit()
            await _roles(connection, app)
            await connection.commit()
            yield connection
        finally:
            await connection.close()
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise ConfigurationError(f"PostgreSQL at {_place(owner)} cannot be used: {reason}") from error
    finally:
        await engine.dispose()


def _place(url: URL) -> str:
    """Host and database of a URL, without user and password."""
    return f"{url.query.get('host') or url.host or 'localhost'}/{url.database}"


async def _create_database(owner: URL) -> None:
    engine = create_async_engine(owner.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            name = connection.dialect.identifier_preparer.quote(str(owner.database))
            await connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        await engine.dispose()


async def _roles(connection: AsyncConnection, app: URL) -> None:
    quote = connection.dialect.identifier_preparer.quote
    found = await connection.execute(
        text("SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname IN (:app, :system)"),
        {"app": app.username, "system": SYSTEM_ROLE},
    )
    existing: dict[str, bool] = {str(name): bool(powerful) for name, powerful in found}
    if existing.get(str(app.username)):
        raise ConfigurationError(
            f"The role {app.username} of DATABASE_URL is a superuser or has BYPASSRLS, so row-level security would not "
            "bind it. Use another role."
        )
    name = quote(str(app.username))
    try:
        if SYSTEM_ROLE not in existing:
            await connection.execute(text(f"CREATE ROLE {SYSTEM_ROLE} NOLOGIN"))
        if app.username not in existing:
            # utility statements take no parameters: quote_literal makes the password safe
            password = await connection.scalar(
                text("SELECT quote_literal(:password)"), {"password": app.password or ""}
            )
            login = f"LOGIN PASSWORD {password}" if app.password else "LOGIN"
            await connection.exec_driver_sql(f"CREATE ROLE {name} NOINHERIT {login}")
        member = await connection.scalar(
            text(
                "SELECT NOT pg_has_role(:app, :system, 'USAGE') AND pg_has_role(:app, :system, 'MEMBER')",
            ),
            {"app": app.username, "system": SYSTEM_ROLE},
        )
        if not member:
            # PostgreSQL 15 knows only the role's NOINHERIT, 16 and newer the grant's own option
            modern = await connection.scalar(text("SELECT current_setting('server_version_num')::int >= 160000"))
            await connection.execute(text(f"ALTER ROLE {name} NOINHERIT"))
            options = " WITH INHERIT FALSE, SET TRUE" if modern else ""
            await connection.execute(text(f"GRANT {SYSTEM_ROLE} TO {name}{options}"))
    except DBAPIError as error:
        raise ConfigurationError(
            f"MIGRATION_DATABASE_URL may not create roles ({error.orig}). Let an administrator run: "
            f"CREATE ROLE {SYSTEM_ROLE} NOLOGIN; CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '…'; "
            f"GRANT {SYSTEM_ROLE} TO {name};"
        ) from error


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _grants(connection: AsyncConnection, app: str) -> None:
    """The application reads and writes rows, never tables; the audit log it may only extend."""
    for role in (connection.dialect.identifier_preparer.quote(app), SYSTEM_ROLE):
        for statement in (
            f"GRANT USAGE ON SCHEMA public TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            f"REVOKE UPDATE, DELETE ON audit_log FROM {role}",
            f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
        ):
            await connection.execute(text(statement))
