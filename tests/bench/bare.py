"""A bare Strawberry service on PostgreSQL, the yardstick of the metadata figures: what the stack costs on this machine.

`python -m tests.bench.bare URL PORT`: one table, one resolver, SQLAlchemy and uvicorn; no tokens, no row-level
security, no tracing, no limits; Strawberry's caches of parsed and validated documents if CACHED is set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import strawberry
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from starlette.applications import Starlette
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

ENGINE = create_async_engine(sys.argv[1], pool_size=10)
SESSIONS = async_sessionmaker(ENGINE)
ROW = text("SELECT id, status, attempt, created_at FROM bare_jobs WHERE id = :id")


@strawberry.type
class Progress:
    """As in our schema, the fields that the query of the figures asks for."""

    rows_in: int = 2
    rows_out: int = 1
    fraction: float = 1.0


@strawberry.type
class Job:
    """One row."""

    id: strawberry.ID
    status: str
    attempt: int
    created_at: str
    progress: Progress


@strawberry.type
class Query:
    """One field."""

    @strawberry.field
    async def job(self, id_: Annotated[strawberry.ID, strawberry.argument(name="id")]) -> Job | None:
        """One job by its key."""
        async with SESSIONS() as session:
            row: Any = (await session.execute(ROW, {"id": int(id_)})).one_or_none()
        if row is None:
            return None
        return Job(
            id=strawberry.ID(str(row.id)),
            status=row.status,
            attempt=row.attempt,
            created_at=row.created_at.isoformat(),
            progress=Progress(),
        )


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Make the table."""
    async with ENGINE.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS bare_jobs"))
        await connection.execute(
            text(
                "CREATE TABLE bare_jobs AS SELECT n AS id, 'SUCCEEDED' AS status, 1 AS attempt, now() AS created_at "
                "FROM generate_series(1, 1000) AS n"
            )
        )
        await connection.execute(text("CREATE UNIQUE INDEX ON bare_jobs (id)"))
    yield
    await ENGINE.dispose()


def main() -> None:
    """Serve until killed."""
    extensions = [ParserCache, ValidationCache] if os.environ.get("CACHED") else []
    schema = strawberry.Schema(Query, extensions=extensions)
    app = Starlette(lifespan=lifespan)
    app.mount("/graphql", GraphQL[None, None](schema))
    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
