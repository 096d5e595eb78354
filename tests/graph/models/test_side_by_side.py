"""Each migration leaves the tables as the version before needs them: it still runs while the new one starts.

Expand, then contract: what the version before uses may go only in a release after the one that stopped using it.
The rule is checked on a real catalogue, before and after each revision; no code of an older version runs here.
"""

from __future__ import annotations

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from graph.context import Services
from tests.graph.models.revisions import at, configuration, empty_database
from tests.graph.models.side_by_side import broken, tables, waits

REVISIONS = [each.revision for each in ScriptDirectory.from_config(configuration()).walk_revisions()][::-1]

# Findings that are meant so, by revision, each with the reason. A contract phase stands here too: which release stopped
# using what goes.
MEANT: dict[str, dict[str, str]] = {
    "0002": {"jobs: trigger or policy webhooks is new or another": "writes rows of new tables alone"},
    "0003": {"jobs: ck_jobs_priority is new or another": "the version before writes 0, the default, alone"},
    "0004": {
        f"audit_log: trigger or policy expiry_{verb} is new or another": "lets the owner do more, nobody less"
        for verb in ("select", "delete")
    },
}
# Up to here nobody had a table that is big: there was no release. Later ones build indexes CONCURRENTLY
# (`with op.get_context().autocommit_block()`), add constraints NOT VALID and validate them in a revision of their own.
SMALL_UNTIL = "0006"


async def findings(services: Services, revision: str) -> tuple[list[str], list[str]]:
    """What breaks, and who waits, by one revision on the tables of the one before."""
    before = REVISIONS[REVISIONS.index(revision) - 1]
    statements: list[str] = []
    async with empty_database(services.settings.owner_database_url) as engine:
        async with engine.connect() as connection:
            await connection.run_sync(at, before)
            old = await tables(connection)
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2].strip()))
        async with engine.connect() as connection:
            await connection.run_sync(at, revision)
            await connection.commit()
            new = await tables(connection)
    return list(broken(old, new)), list(waits(statements, old))


@pytest.mark.parametrize("revision", REVISIONS[1:])
async def test_the_version_before_still_works(services: Services, revision: str) -> None:
    breaks, _ = await findings(services, revision)
    assert sorted(breaks) == sorted(MEANT.get(revision, {}))


@pytest.mark.parametrize("revision", [each for each in REVISIONS[1:] if each > SMALL_UNTIL] or [SMALL_UNTIL])
async def test_nobody_waits_for_a_migration(services: Services, revision: str) -> None:
    _, found = await findings(services, revision)
    # the newest of the old ones shows that the rule sees something
    assert found == (["jobs: an index is built while writers wait"] if revision == SMALL_UNTIL else [])


async def test_what_breaks_is_found(services: Services) -> None:
    required = "new, and required of those who do not know it"
    harm = {
        "ALTER TABLE pipelines DROP COLUMN name": "pipelines.name: gone",
        "ALTER TABLE pipelines RENAME COLUMN name TO title": f"pipelines.title: {required}",
        "ALTER TABLE sweeps RENAME TO rounds": "sweeps: gone",
        "ALTER TABLE jobs ADD COLUMN x int NOT NULL": f"jobs.x: {required}",
        "ALTER TABLE jobs ALTER COLUMN attempt TYPE bigint": "jobs.attempt: integer became bigint",
        "ALTER TABLE jobs ALTER COLUMN lease_until SET NOT NULL": "jobs.lease_until: has become required",
        "ALTER TABLE jobs ALTER COLUMN attempt DROP DEFAULT": "jobs.attempt: has lost its default",
        "ALTER TABLE jobs ADD CONSTRAINT few CHECK (attempt < 3)": "jobs: few is new or another",
        "CREATE UNIQUE INDEX one ON pipelines (name)": "pipelines: one is new or another",
        "DROP POLICY tenant ON jobs": "jobs: trigger or policy tenant is gone",
        "DROP FUNCTION expire_audit_log(integer, integer)": "function expire_audit_log(integer,integer): gone",
    }
    harmless = [
        "ALTER TABLE jobs ADD COLUMN y int",
        "ALTER TABLE jobs ADD COLUMN z int NOT NULL DEFAULT 0 CHECK (z >= 0)",
        "CREATE UNIQUE INDEX two ON jobs (workspace_id, y)",
        "ALTER TABLE webhooks ALTER COLUMN url DROP NOT NULL",
        "CREATE TABLE later (id int PRIMARY KEY, name text UNIQUE)",
    ]
    async with empty_database(services.settings.owner_database_url) as engine, engine.connect() as connection:
        await connection.run_sync(at, "head")
        await connection.commit()
        before = await tables(connection)
        for statement, finding in harm.items():
            await connection.execute(text(statement))
            assert finding in list(broken(before, await tables(connection))), statement
            await connection.rollback()
        for statement in harmless:
            await connection.execute(text(statement))
        assert list(broken(before, await tables(connection))) == []


async def test_who_makes_others_wait_is_found(services: Services) -> None:
    async with empty_database(services.settings.owner_database_url) as engine, engine.connect() as connection:
        await connection.run_sync(at, "head")
        known = await tables(connection)
    slow = [
        "CREATE INDEX i ON jobs (id)",
        "ALTER TABLE jobs ADD CONSTRAINT c CHECK (attempt < 9)",
        "ALTER TABLE jobs ALTER COLUMN attempt TYPE bigint",
        "ALTER TABLE jobs ADD COLUMN d int GENERATED ALWAYS AS (attempt * 2) STORED",
    ]
    quick = [
        "CREATE INDEX CONCURRENTLY i ON jobs (id)",
        "ALTER TABLE jobs ADD CONSTRAINT c CHECK (attempt < 9) NOT VALID",
        "ALTER TABLE jobs ADD COLUMN e int",
        "CREATE INDEX i ON workspaces (name)",
        "CREATE INDEX i ON later (name)",
    ]
    assert [len(list(waits([each], known))) for each in slow] == [1] * len(slow)
    assert list(waits(quick, known)) == []
