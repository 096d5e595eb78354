"""An installation with data takes migration 0003: results of before count, and its jobs go on."""

from __future__ import annotations

from sqlalchemy import text

from graph.context import Services
from graph.core.ids import uuid7
from tests.graph.models.revisions import at, empty_database

RESULT = '{"sizeBytes": 40, "rejects": {"sizeBytes": 2}}'


async def test_rows_of_before_get_their_figures(services: Services) -> None:
    async with empty_database(services.settings.owner_database_url) as engine:
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
