"""What the rows of a database say: which objects they point to, and what else a backup notes of them."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from graph.core.db import SYSTEM_ROLE

# Unfinished uploads are left out: their parts are no objects yet, and are sent again.
LIVE = """
SELECT s3_key AS key, size_bytes AS size FROM datasets WHERE deleted_at IS NULL AND files IS NULL
UNION ALL
SELECT file ->> 'key', (file ->> 'sizeBytes')::bigint FROM datasets, jsonb_array_elements(files) file
WHERE deleted_at IS NULL
UNION ALL
SELECT file ->> 'key', (file ->> 'sizeBytes')::bigint FROM jobs, jsonb_array_elements(result -> 'files') file
WHERE deleted_at IS NULL AND status = 'SUCCEEDED' AND result_expired_at IS NULL
UNION ALL
SELECT result #>> '{rejects,key}', (result #>> '{rejects,sizeBytes}')::bigint FROM jobs
WHERE deleted_at IS NULL AND status = 'SUCCEEDED' AND result_expired_at IS NULL AND rejects_expired_at IS NULL
UNION ALL
SELECT log_key, NULL FROM jobs WHERE deleted_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a database; `owner` and `app` are roles, which a dump names and does not make."""

    at: str
    server: int
    revision: str
    owner: str
    app: str
    unfinished_jobs: int
    sealed_webhooks: int


async def live(connection: asyncpg.Connection) -> dict[str, int | None]:
    """Return the keys that rows point to, with the size in bytes that they tell; None where they tell none."""
    found: dict[str, int | None] = {}
    async for key, size in connection.cursor(LIVE, prefetch=1000):
        if key is not None:
            found[key] = found.get(key) if size is None else size
    return found


async def facts(connection: asyncpg.Connection) -> Facts:
    """Read what stands in `backup.json` of a database."""
    row = await connection.fetchrow(
        "SELECT now()::text, current_setting('server_version_num')::int / 10000, "
        "(SELECT version_num FROM alembic_version), "
        "(SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'jobs'::regclass), session_user::text, "
        "(SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'RUNNING') AND deleted_at IS NULL), "
        "(SELECT count(*) FROM webhooks)"
    )
    assert row is not None  # noqa: S101  # one row always
    return Facts(*row)


async def is_empty(connection: asyncpg.Connection) -> bool:
    """Whether no table has a row that somebody made; migrations and the sweeps leave some."""
    names = await connection.fetch(
        "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' "
        "AND tablename NOT IN ('alembic_version', 'sweeps')"
    )
    # FORCE binds the owner, so ask as the role that sees all rows, where it exists
    async with connection.transaction():
        if names and await connection.fetchval("SELECT to_regrole($1) IS NOT NULL", SYSTEM_ROLE):
            await connection.execute("SET LOCAL row_security = on")
            await connection.execute(f"SET LOCAL ROLE {SYSTEM_ROLE}")
        for (name,) in names:
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):  # noqa: S608  # quoted above
                return False
    return True


async def clear(connection: asyncpg.Connection) -> None:
    """Drop the tables of an empty database, and what belongs to them: the dump makes them as they were."""
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
