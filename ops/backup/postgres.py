"""PostgreSQL's own programs: `pg_dump` of one snapshot, `pg_restore` in one transaction.

Passwords go by the environment, never by the command line, which others on the machine can read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

from graph.core.db import SYSTEM_ROLE
from ops.backup.errors import BackupError
from ops.local.errors import StackError
from ops.local.parts import postgres_programs

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_INSTALL = "Install PostgreSQL's client programs (Debian: postgresql-client), or pip install 'karyaksham[local]'."


@asynccontextmanager
async def connected(url: str, *, role: str | None = None) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection that may be idle in a transaction for long, with the rights of `role`."""
    parts = make_url(url)
    options: dict[str, Any] = dict(parts.query)
    settings = {"idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}
    if role is not None:
        settings["role"] = role
    try:
        connection = await asyncpg.connect(
            host=options.pop("host", None) or parts.host,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            database=parts.database,
            ssl=options.pop("ssl", None) or options.pop("sslmode", None),
            server_settings=settings,
        )
    except (OSError, asyncpg.PostgresError) as error:
        hint = "Check the URL, that the server runs and that it lets this machine in."
        raise BackupError("POSTGRESQL_UNREACHABLE", f"PostgreSQL at {parts.host} cannot be used: {error}", hint) from (
            error
        )
    try:
        yield connection
    finally:
        await connection.close()


def _candidates(name: str) -> Iterator[str]:
    try:
        embedded = postgres_programs() / name
        if embedded.exists():
            yield str(embedded)
    except StackError:
        pass
    if found := shutil.which(name):
        yield found


def program(name: str, server: int) -> str:
    """Return the path of `pg_dump` or `pg_restore` that knows a server of this major version, the oldest of several.

    `BackupError` when there is none: an older one refuses the server, or loses what it does not know.
    """
    found: dict[int, str] = {}
    for path in _candidates(name):
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        if match := _VERSION.search(told):
            found.setdefault(int(match[1]), path)
    fitting = [version for version in found if version >= server]
    if fitting:
        return found[min(fitting)]
    if found:
        message = f"{name} is of PostgreSQL {max(found)}, the server of {server}."
        raise BackupError(f"{name.upper()}_TOO_OLD", message, _INSTALL)
    raise BackupError(f"{name.upper()}_MISSING", f"There is no {name} on this machine.", _INSTALL)


def _environment(url: str) -> dict[str, str]:
    parts = make_url(url)
    query = {name: str(value) for name, value in parts.query.items()}
    given = {
        "PGHOST": query.get("host") or parts.host,
        "PGPORT": str(parts.port) if parts.port else None,
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.database,
        "PGSSLMODE": query.get("ssl") or query.get("sslmode"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {name: value for name, value in given.items() if value}


def _run(command: list[str], url: str, code: str) -> None:
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        name = Path(command[0]).name
        raise BackupError(code, f"{name} failed: {done.stderr.strip()[-2000:]}", "Mend what it names, then try again.")


def dump(url: str, snapshot: str, server: int, target: Path) -> None:
    """Write the database, as a snapshot shows it, in PostgreSQL's custom format; blocks.

    The application's role takes the role that sees all workspaces: row-level security binds the owner too, so this
    needs no superuser.
    """
    command = [program("pg_dump", server), "--format=custom", f"--snapshot={snapshot}", f"--file={target}"]
    _run([*command, f"--role={SYSTEM_ROLE}", "--enable-row-security", "--no-owner"], url, "DUMP_FAILED")


def load(url: str, server: int, source: Path) -> None:
    """Fill an empty database, all or nothing, as the owner of the tables; blocks."""
    command = [program("pg_restore", server), "--single-transaction", "--exit-on-error", "--no-owner"]
    _run([*command, f"--dbname={make_url(url).database}", str(source)], url, "LOAD_FAILED")
