"""What a migration changes under the feet of the version before, which still runs: read from the catalogue.

`tables` reads it before and after, `broken` compares, `waits` reads the statements that ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# tables that grow with use: who locks one of them for long stops the service
BIG = {
    *("jobs", "job_attempts", "job_events", "job_logs", "datasets", "uploads", "audit_log", "sessions"),
    *("webhook_deliveries", "pipeline_versions", "mails"),
}

COLUMNS = """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  a.atthasdef OR a.attidentity <> '', a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relname <> 'alembic_version'"""
RULES = """SELECT c.relname, r.conname, pg_get_constraintdef(r.oid), r.contype::text,
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.conkey))
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid
WHERE c.relnamespace = 'public'::regnamespace AND r.contype IN ('c', 'f', 'u', 'x')
UNION ALL
SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid), 'u',
  ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey))
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND x.indisunique AND NOT x.indisprimary
  AND NOT EXISTS (SELECT FROM pg_constraint r WHERE r.conindid = i.oid)"""
TRIGGERS = """SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT tablename::text, policyname::text, concat_ws(' ', permissive, roles::text, cmd, qual, with_check)
FROM pg_policies WHERE schemaname = 'public'"""
FUNCTIONS = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"


@dataclass(frozen=True)
class Column:
    type: str
    required: bool
    default: bool
    generated: bool


@dataclass(frozen=True)
class Rule:
    definition: str
    kind: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Tables:
    """What statements of a program meet: by (table, name) all but `functions`."""

    columns: dict[tuple[str, str], Column]
    rules: dict[tuple[str, str], Rule]
    triggers: dict[tuple[str, str], str]
    functions: frozenset[str]

    @property
    def names(self) -> set[str]:
        return {table for table, _ in self.columns}


async def tables(connection: AsyncConnection) -> Tables:
    """Read the catalogue."""
    columns = (await connection.execute(text(COLUMNS))).all()
    rules = (await connection.execute(text(RULES))).all()
    triggers = (await connection.execute(text(TRIGGERS))).all()
    return Tables(
        {(row[0], row[1]): Column(*row[2:]) for row in columns},
        {(row[0], row[1]): Rule(row[2], row[3], frozenset(row[4])) for row in rules},
        {(row[0], row[1]): row[2] for row in triggers},
        frozenset((await connection.execute(text(FUNCTIONS))).scalars()),
    )


def broken(before: Tables, after: Tables) -> Iterator[str]:
    """What the version before would trip over, or might: each is a finding that needs a reason."""
    for table in sorted(before.names - after.names):
        yield f"{table}: gone"
    for (table, name), column in after.columns.items():
        old = before.columns.get((table, name))
        if old is None and table in before.names and column.required and not (column.default or column.generated):
            yield f"{table}.{name}: new, and required of those who do not know it"
        if old is None:
            continue
        if column.type != old.type:
            yield f"{table}.{name}: {old.type} became {column.type}"
        if column.required and not old.required:
            yield f"{table}.{name}: has become required"
        if old.default and not column.default:
            yield f"{table}.{name}: has lost its default"
        if column.generated != old.generated:
            yield f"{table}.{name}: is generated now, or no longer"
    for table, name in sorted(before.columns.keys() - after.columns.keys()):
        if table in after.names:
            yield f"{table}.{name}: gone"
    yield from _stricter(before, after)
    for (table, name), definition in after.triggers.items():
        if table in before.names and before.triggers.get((table, name)) != definition:
            yield f"{table}: trigger or policy {name} is new or another"
    for table, name in sorted(before.triggers.keys() - after.triggers.keys()):
        if table in after.names:
            yield f"{table}: trigger or policy {name} is gone"
    for name in sorted(before.functions - after.functions):
        yield f"function {name}: gone"


def _stricter(before: Tables, after: Tables) -> Iterator[str]:
    for (table, name), rule in after.rules.items():
        if table not in before.names or before.rules.get((table, name)) == rule:
            continue
        known = {column for column in rule.columns if (table, column) in before.columns}
        # a new column is null in rows of those who do not know it, and null passes; of a key one null is enough
        bound = known if rule.kind == "c" else known == rule.columns
        if bound:
            yield f"{table}: {name} is new or another"


_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY )(?:IF NOT EXISTS )?\S+ ON (?P<table>\w+)")
_SCAN = re.compile(
    r"ALTER TABLE (?P<table>\w+) .*"
    r"(?:GENERATED ALWAYS AS|ALTER COLUMN \w+ (?:TYPE|SET NOT NULL)|ADD CONSTRAINT(?!.*NOT VALID))",
    re.DOTALL,
)


def waits(statements: Sequence[str], before: Tables) -> Iterator[str]:
    """Statements that keep writers of a big table waiting while they read or rewrite all of it."""
    big = BIG & before.names
    for statement in statements:
        if (index := _INDEX.match(statement)) and index["table"] in big:
            yield f"{index['table']}: an index is built while writers wait"
        if (scan := _SCAN.match(statement)) and scan["table"] in big:
            yield f"{scan['table']}: all of it is read or rewritten while everybody waits"
