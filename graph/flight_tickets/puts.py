"""Tables that Flight clients send (DoPut, `adbc_ingest`): a name and a place before, a data set after.

A data set never changes: what replaces one, or adds rows to one, is a new data set of its name, which comes in the same
transaction in which the old one goes.

The Flight server writes the object between `begin` and `commit`; no row stands before the object is complete, so that
a broken stream leaves nothing but what the sweep for orphans finds. The key is built from the caller's workspace and
the id at both ends: a commit can only name what the Flight server wrote for this workspace.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotFound, ServiceUnavailable
from graph.core.ids import to_global, uuid7
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.datasets import repository as datasets
from graph.datasets.service import DatasetService, ring_inspection
from graph.models import Dataset
from graph.uploads.parts import check_file_name
from graph.workspaces.limits import admit_upload, room_left

IfExists = Literal["fail", "append", "replace"]
_IF_EXISTS: Final = ("fail", "append", "replace")
# Enough to show which ids a name stands for.
_NAMED_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What to do when the workspace has, or has not, a data set of the name."""

    if_exists: IfExists = "fail"
    create: bool = True

    @classmethod
    def of(cls, body: dict[str, Any]) -> Wish:
        """Read it from a request; without a word a table is created, and only under a new name."""
        exists, create = body.get("ifExists", "fail"), body.get("create", True)
        if exists not in _IF_EXISTS or not isinstance(create, bool):
            raise InvalidInput("`ifExists` is fail, append or replace, `create` a boolean.", code="BODY_INVALID")
        return cls(cast("IfExists", exists), create)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table may be written: `max_bytes` is what the object may have, `replaces` the data set that will go."""

    dataset_id: UUID
    name: str
    key: str
    max_bytes: int
    replaces: UUID | None = None


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

    async def begin(self, workspace_id: UUID, name: str, wish: Wish) -> Place:
        """Give a place.

        Raises `InvalidInput` for a name that is none, `Conflict` (NAME_TAKEN, NAME_AMBIGUOUS, DATASET_NOT_READY),
        `NotFound` where nothing may be created, `QuotaExceeded`.
        """
        name = check_file_name(name, path="name")
        async with self._db.tenant(workspace_id) as session:
            room = await room_left(session, workspace_id, self._settings)
            replaced = _replaced(name, await datasets.named(session, name, _NAMED_MOST), wish)
        dataset_id = uuid7()
        most = min(room, self._settings.max_upload_bytes)
        return Place(dataset_id, name, object_key(workspace_id, dataset_id), most, replaced)

    async def commit(
        self,
        workspace_id: UUID,
        user_id: UUID,
        dataset_id: UUID,
        name: str,
        size_bytes: int,
        replaces: UUID | None = None,
    ) -> Dataset:
        """Make the data set of an object that is complete, in the place of `replaces`; repeating returns the same one.

        Raises as `begin`, and `Conflict` (PUT_GONE, PUT_SIZE_MISMATCH) when the object is not as announced,
        (TABLE_CHANGED, DATASET_IN_USE) when the old data set went meanwhile, or a job still reads it.
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
            old = await self._let_go(session, name, replaces)
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
            data = {"name": name, "sizeBytes": size_bytes} | ({"replaces": to_global("Dataset", old.id)} if old else {})
            await record(
                session,
                "dataset.put",
                actor_id=user_id,
                workspace_id=workspace_id,
                object_type="Dataset",
                object_id=dataset.id,
                data=data,
            )
        await ring_inspection(self._queue, dataset.id)
        if old is not None:
            with contextlib.suppress(ServiceUnavailable):  # the purge removes what is left
                await DatasetService(self._db, self._storage, self._queue).remove(old)
        return dataset

    async def _let_go(self, session: AsyncSession, name: str, replaces: UUID | None) -> Dataset | None:
        """Take the data set that is replaced out of sight, in the transaction that makes the new one."""
        others = [found for found in await datasets.named(session, name, _NAMED_MOST) if found.id != replaces]
        if others:
            raise _taken(name)
        if replaces is None:
            return None
        old = await datasets.get(session, replaces, lock=True)
        if old is None or old.name != name:
            raise Conflict(
                f"The data set '{name}' was replaced or deleted while the rows came. Send them again.",
                code="TABLE_CHANGED",
            )
        if await datasets.unfinished_readers(session, replaces):
            raise Conflict(
                f"A job that has not ended reads the data set '{name}'. Wait for it or cancel it, then send the rows "
                "again.",
                code="DATASET_IN_USE",
            )
        old.deleted_at = datetime.now(UTC)
        return old


def _replaced(name: str, known: Sequence[Dataset], wish: Wish) -> UUID | None:
    """Return the data set in whose place a new one will come."""
    if not known:
        if not wish.create:
            raise NotFound(f"The workspace has no data set named '{name}' to add rows to. Create it first.")
        return None
    if wish.if_exists == "fail":
        raise _taken(name)
    if len(known) > 1:
        ids = ", ".join(to_global("Dataset", found.id) for found in known)
        raise Conflict(f"Several data sets are named '{name}': {ids}. Delete all but one first.", code="NAME_AMBIGUOUS")
    if wish.if_exists == "append" and known[0].status != "READY":
        raise Conflict(
            f"The data set '{name}' is not ready ({known[0].status}), so that no rows can be added.",
            code="DATASET_NOT_READY",
        )
    return known[0].id


def _taken(name: str) -> Conflict:
    return Conflict(
        f"The workspace has a data set named '{name}' already. Choose another name, or delete that one first.",
        code="NAME_TAKEN",
        path=["name"],
    )
