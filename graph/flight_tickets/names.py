"""What SQL calls things: catalogs are the caller's workspaces; a table has its id, and its name if no other has it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from graph.core.db import Database
from graph.core.ids import to_global
from graph.core.viewer import Viewer
from graph.datasets import repository as datasets
from graph.flight_tickets.service import Kind
from graph.jobs import repository as jobs
from graph.workspaces import repository as workspaces

# Enough to show which ids a name stands for.
NAMED_MOST: Final = 5


async def workspaces_of(db: Database, viewer: Viewer) -> list[dict[str, Any]]:
    """Return `{id, name, current}` of the workspaces that these credentials open, the current one first."""
    async with db.system() as session:
        found = await workspaces.workspaces_of(session, viewer.user_id)
    # An API token opens one workspace, whatever else its owner is a member of.
    seen = [row for row, _ in found if viewer.token_id is None or row.id == viewer.workspace_id]
    listed = [
        {"id": to_global("Workspace", row.id), "name": row.name, "current": row.id == viewer.workspace_id}
        for row in seen
    ]
    return sorted(listed, key=lambda workspace: not workspace["current"])


async def tables_named(db: Database, workspace_id: UUID, kind: Kind, name: str) -> list[str]:
    """Return the ids of the tables of this kind and name, the newest first: one if the name tells which, else some."""
    if "\x00" in name:  # which PostgreSQL takes in no text
        return []
    async with db.tenant(workspace_id) as session:
        if kind == "jobs":
            return [to_global("Job", found) for found in await jobs.succeeded_named(session, name, NAMED_MOST)]
        return [to_global("Dataset", found) for found in await datasets.ready_named(session, name, NAMED_MOST)]
