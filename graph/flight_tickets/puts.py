"""Tables that Flight clients send (DoPut): a name and a place before, a data set after.

The Flight server writes the object between `begin` and `commit`; no row stands before the object is complete, so that
a broken stream leaves nothing but what the sweep for orphans finds. The key is built from the caller's workspace and
the id at both ends: a commit can only name what the Flight server wrote for this workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict
from graph.core.ids import uuid7
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.datasets import repository as datasets
from graph.datasets.service import ring_inspection
from graph.models import Dataset
from graph.uploads.parts import check_file_name
from graph.workspaces.limits import admit_upload, room_left


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table may be written: `max_bytes` is what the object may have."""

    dataset_id: UUID
    name: str
    key: str
    max_bytes: int


def object_key(workspace_id: UUID, dataset_id: UUID) -> str:
    """Key of the object of a data set that came by Flight: built from ids alone."""
    return f"w/{workspace_id}/datasets/{dataset_id}/source"


class FlightPuts:
    """Data sets of one workspace at a time."""

    def __init__(self, db: Database, storage: Storage, queue: Queue, settings: Settings) -> None:
        self._db = db
        self._storage = storage
        self._queue = queue
        self._settings = settings

    async def begin(self, workspace_id: UUID, name: str) -> Place:
        """Give a place; raises `InvalidInput` for a name that is none, `Conflict` (NAME_TAKEN), `QuotaExceeded`."""
        name = check_file_name(name, path="name")
        async with self._db.tenant(workspace_id) as session:
            room = await room_left(session, workspace_id, self._settings)
            if await datasets.is_named(session, name):
                raise _taken(name)
        dataset_id = uuid7()
        return Place(dataset_id, name, object_key(workspace_id, dataset_id), min(room, self._settings.max_upload_bytes))

    async def commit(self, workspace_id: UUID, user_id: UUID, dataset_id: UUID, name: str, size_bytes: int) -> Dataset:
        """Make the data set of an object that is complete; repeating returns the same one.

        Raises as `begin`, and `Conflict` (PUT_GONE, PUT_SIZE_MISMATCH) when the object is not as announced.
        """
        name = check_file_name(name, path="name")
        key = object_key(workspace_id, dataset_id)
        stored = await self._storage.head(key)
        if stored is None:
            raise Conflict("The storage has no object for this table. Send it again.", code="PUT_GONE")
        if stored.size_bytes != size_bytes:
            raise Conflict(
                f"The stored object has {stored.size_bytes:,} bytes, {size_bytes:,} were announced. Send it again.",
                code="PUT_SIZE_MISMATCH",
            )
        async with self._db.tenant(workspace_id) as session:
            # others of the workspace wait from here on: two tables of one name cannot both come first
            await admit_upload(session, workspace_id, self._settings, size_bytes)
            known = await datasets.get(session, dataset_id)
            if known is not None:
                return known
            if await datasets.is_named(session, name):
                raise _taken(name)
            dataset = await datasets.add(
                session,
                Dataset(
                    id=dataset_id,
                    workspace_id=workspace_id,
                    name=name,
                    file_name=name if name.lower().endswith(".parquet") else f"{name}.parquet",
                    s3_key=key,
                    size_bytes=size_bytes,
                    etag=stored.etag,
                    status="INSPECTING",
                    format="parquet",
                    created_by=user_id,
                ),
            )
            await record(
                session,
                "dataset.put",
                actor_id=user_id,
                workspace_id=workspace_id,
                object_type="Dataset",
                object_id=dataset.id,
                data={"name": name, "sizeBytes": size_bytes},
            )
        await ring_inspection(self._queue, dataset.id)
        return dataset


def _taken(name: str) -> Conflict:
    return Conflict(
        f"The workspace has a data set named '{name}' already. Choose another name, or delete that one first.",
        code="NAME_TAKEN",
        path=["name"],
    )
