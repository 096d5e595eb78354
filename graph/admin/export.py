"""The audit log as a file of any length: read in batches, each in a transaction of its own, never held as a whole."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from graph.admin import repository
from graph.admin.repository import AuditFilter
from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import NotFound
from graph.core.ids import parse_id, to_global
from graph.core.viewer import Viewer
from graph.models import AuditLog
from graph.users.repository import user_by_email

Format = Literal["ndjson", "csv"]
BATCH: Final = 1000
COLUMNS: Final = (
    *("id", "at", "action", "actorId", "actorEmail", "workspaceId", "objectType", "objectId"),
    *("address", "requestId", "data"),
)
# what a spreadsheet takes for the beginning of a formula (OWASP: CSV injection)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class AuditExport:
    """For callers who were found to be administrators."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def actor(self, text: str) -> UUID:
        """Return the account of an id or an e-mail address; ids of accounts that are gone stay good."""
        found = parse_id(text, "User")
        if found is None:
            async with self._db.system() as session:
                user = await user_by_email(session, text.strip().lower())
            found = None if user is None else user.id
        if found is None:
            raise NotFound("There is no such account.", path=["actor"])
        return found

    async def begin(self, viewer: Viewer, wanted: AuditFilter, format_: Format) -> AsyncIterator[bytes]:
        """Write down that it is exported; then return the file, entries until now at most, oldest first.

        An error on the way breaks the stream off: what ends as it should is complete.
        """
        async with self._db.system() as session:
            wanted = replace(wanted, until=wanted.until or await repository.now(session))
            await record(
                session,
                "audit.export",
                actor_id=viewer.user_id,
                workspace_id=None,
                data={"format": format_} | {name: str(value) for name, value in asdict(wanted).items() if value},
            )
        return self._lines(wanted, format_)

    async def _lines(self, wanted: AuditFilter, format_: Format) -> AsyncIterator[bytes]:
        if format_ == "csv":
            yield _csv([COLUMNS])
        after: UUID | None = None
        while True:
            async with self._db.system() as session:
                rows, emails = await repository.audit_batch(session, wanted, after, BATCH)
            entries = [_entry(row, emails.get(row.actor_id) if row.actor_id else None) for row in rows]
            if entries:
                yield _csv([_cells(each) for each in entries]) if format_ == "csv" else _ndjson(entries)
            if len(rows) < BATCH:
                return
            after = rows[-1].id


def _entry(row: AuditLog, email: str | None) -> dict[str, Any]:
    def gid(type_: str, value: UUID | None) -> str | None:
        return None if value is None else to_global(type_, value)

    values = (
        *(to_global("AuditEntry", row.id), row.created_at.isoformat(), row.action, gid("User", row.actor_id), email),
        *(gid("Workspace", row.workspace_id), row.object_type, gid(row.object_type or "Object", row.object_id)),
        *(row.address, row.request_id, row.data),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _ndjson(entries: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in entries)


def _cells(entry: dict[str, Any]) -> list[str]:
    cells = []
    for value in entry.values():
        text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
        cells.append(f"'{text}" if text.startswith(_FORMULA) else text)
    return cells


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
