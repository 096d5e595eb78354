"""An installation with data takes migration 0003: results of before count, and its jobs go on."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from graph.context import Services
from graph.core.ids import uuid7
from graph.core.migrate import MIGRATIONS

RESULT = '{"sizeBytes": 40, "rejects": {"sizeBytes": 2}}'


def at(connection: Connection, revision: str, *, down: bool = False) -> None:
    """Bring a database to a revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, revision)


async def test_rows_of_before_get_their_figures(services: Services) -> None:
    url = services.settings.owner_database_url
    name = f"upgrade_{uuid7().hex}"
    admin = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    engine = create_async_engine(admin.url.set(database=name))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(at, "0001")
            ids = {"user": uuid7(), "workspace": uuid7()}
            await connection.execute(
                text("INSERT INTO users (id, email, name, password_hash) VALUES (:user, 'a@b', 'a', 'x')"), ids
            )
            await connection.execute(
                text("INSERT INTO workspaces (id, name, owner_id) VALUES (:workspace, 'w', :user)"), ids
            )
            await connection.execute(
                text(
                    "INSERT INTO jobs (id, workspace_id, name, spec, inputs, status, result) VALUES "
                    "(gen_random_uuid(), :workspace, 'done', '{}', '[]', 'SUCCEEDED', CAST(:result AS jsonb)), "
                    "(gen_random_uuid(), :workspace, 'runs', '{}', '[]', 'RUNNING', NULL), "
                    "(gen_random_uuid(), :workspace, 'runs too', '{}', '[]', 'RUNNING', NULL)"
                ),
                {**ids, "result": RESULT},
            )
        async with engine.begin() as connection:
            await connection.run_sync(at, "0003")
            rows = await connection.execute(text("SELECT name, result_bytes, workspace_slot FROM jobs ORDER BY name"))
            assert [tuple(row) for row in rows] == [("done", 42, None), ("runs", None, None), ("runs too", None, None)]
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: at(sync, "0001", down=True))
    finally:
        await engine.dispose()
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()
