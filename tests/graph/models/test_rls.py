"""Row-level security stands under every query: walked through the catalogue, and tried."""

from __future__ import annotations

from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from graph.context import Services
from graph.core.errors import ConfigurationError
from graph.core.ids import uuid7
from graph.core.migrate import migrate, migrate_async
from graph.core.settings import Settings
from graph.models import Base, Dataset, Job, Pipeline, PipelineVersion
from tests.graph.client import User

# sees rows of all workspaces by design, and never through the tenant's transaction
SYSTEM_ONLY = {"users", "sessions", "identities", "mails", "account_tokens", "second_factors", "recovery_codes"}


async def test_every_table_is_forced_and_has_policies(services: Services) -> None:
    async with services.db.system() as session:
        tables = {
            str(name): (bool(enabled), bool(forced))
            for name, enabled, forced in await session.execute(
                text(
                    "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
                    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                )
            )
        }
        columns = {
            str(name)
            for (name,) in await session.execute(
                text(
                    "SELECT table_name FROM information_schema.columns "
                    "WHERE table_schema = 'public' AND column_name = 'workspace_id'"
                )
            )
        }
        policies: dict[str, dict[str, tuple[str, str]]] = {}
        for table, name, using, check in await session.execute(
            text("SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public'")
        ):
            policies.setdefault(str(table), {})[str(name)] = (str(using), str(check))
    tables.pop("alembic_version")
    assert set(tables) == set(Base.metadata.tables)
    assert {name for name, state in tables.items() if state != (True, True)} == set()
    assert {name for name in tables if "system" not in policies[name]} == set()
    assert len(columns) >= 11
    for name in columns | {"workspaces"}:
        using, check = policies[name]["tenant"]
        assert "karyaksham.workspace_id" in using
        assert using == check
    assert {name for name in SYSTEM_ONLY if "tenant" in policies[name]} == set()


async def test_the_application_role_owns_nothing_and_has_no_power(services: Services) -> None:
    async with services.db.engine.connect() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT rolsuper, rolbypassrls, rolcreaterole, "
                    "(SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid), "
                    "pg_has_role(current_user, 'karyaksham_system', 'USAGE') "
                    "FROM pg_roles WHERE rolname = current_user"
                )
            )
        ).one()
    assert tuple(row) == (False, False, False, 0, False)


async def fill(services: Services, workspace: UUID) -> UUID:
    """A pipeline with a version, a data set and a job."""
    pipeline, version = uuid7(), uuid7()
    async with services.db.tenant(workspace) as session:
        session.add(Pipeline(id=pipeline, workspace_id=workspace, name="secret"))
        await session.flush()
        session.add_all(
            [
                PipelineVersion(id=version, workspace_id=workspace, pipeline_id=pipeline, version=1, spec={}),
                Dataset(workspace_id=workspace, name="d", file_name="d.csv", s3_key="k", size_bytes=1),
                Job(workspace_id=workspace, name="j", spec={}, inputs=[]),
            ]
        )
    return pipeline


async def test_without_a_workspace_nothing_is_seen(services: Services, user: User) -> None:
    await fill(services, user.workspace_id)
    async with services.db.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            assert (await connection.execute(select(table).limit(1))).first() is None, table.name


async def test_a_transaction_leaves_no_workspace_behind(services: Services, user: User) -> None:
    await fill(services, user.workspace_id)
    for _ in range(5):
        async with services.db.tenant(user.workspace_id) as session:
            assert (await session.scalars(select(Pipeline))).first() is not None
        async with services.db.engine.connect() as connection:
            assert (await connection.execute(select(Pipeline.id))).first() is None


async def test_another_workspace_sees_and_changes_nothing(services: Services, user: User, stranger: User) -> None:
    pipeline = await fill(services, user.workspace_id)
    async with services.db.tenant(stranger.workspace_id) as session:
        for model in (Pipeline, PipelineVersion, Dataset, Job):
            assert (await session.scalars(select(model))).all() == []
        assert await session.get(Pipeline, pipeline) is None
        changed = await session.execute(text("UPDATE pipelines SET name = 'mine'"))
        deleted = await session.execute(text("DELETE FROM pipelines"))
        assert (changed.rowcount, deleted.rowcount) == (0, 0)  # type: ignore[attr-defined]
    async with services.db.tenant(user.workspace_id) as session:
        found = await session.get(Pipeline, pipeline)
        assert found is not None
        assert found.name == "secret"


async def test_rows_of_another_workspace_cannot_be_written(services: Services, user: User, stranger: User) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        async with services.db.tenant(user.workspace_id) as session:
            session.add(Pipeline(workspace_id=stranger.workspace_id, name="planted"))
    pipeline = await fill(services, user.workspace_id)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with services.db.tenant(user.workspace_id) as session:
            await session.execute(
                text("UPDATE pipelines SET workspace_id = :other WHERE id = :id"),
                {"other": stranger.workspace_id, "id": pipeline},
            )
    async with services.db.tenant(stranger.workspace_id) as session:
        assert (await session.scalars(select(Pipeline))).all() == []


async def test_versions_never_change(services: Services, user: User) -> None:
    await fill(services, user.workspace_id)
    with pytest.raises(DBAPIError, match="never change"):
        async with services.db.tenant(user.workspace_id) as session:
            await session.execute(text("UPDATE pipeline_versions SET spec = '{}'"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "DELETE FROM alembic_version",
        "DROP TABLE jobs",
        "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON jobs",
        "CREATE TABLE public.mine (n int)",
    ],
)
async def test_what_even_the_system_role_may_not(services: Services, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with services.db.system() as session:
            await session.execute(text(statement))


async def test_migrations_give_exactly_the_models(services: Services) -> None:
    def drift(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    engine = create_async_engine(services.settings.owner_database_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(drift) == []
    finally:
        await engine.dispose()


async def test_migrating_again_changes_nothing(services: Services) -> None:
    await migrate_async(services.settings)
    migrate(services.settings)


async def test_the_owner_cannot_be_the_application(services: Services) -> None:
    settings = Settings.model_validate({"database_url": services.settings.owner_database_url})
    with pytest.raises(ConfigurationError, match="same role"):
        await migrate_async(settings)


async def test_a_superuser_cannot_be_the_application(services: Services) -> None:
    owner = services.settings.owner_database_url
    settings = Settings.model_validate(
        {"database_url": owner, "migration_database_url": services.settings.database_url}
    )
    with pytest.raises(ConfigurationError, match="superuser"):
        await migrate_async(settings)
