"""The objects of a backup: looked up in the bucket, copied into files, and back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from graph.core.storage import ObjectInfo, Part, Storage
from ops.backup.errors import BackupError
from ops.backup.manifest import Entry, Folder, sha256

ROOT: Final = "w/"
_AT_ONCE = 4
_READ_BYTES: Final = 8 * 1024 * 1024
_PART_BYTES: Final = 64 * 1024 * 1024

T = TypeVar("T")
Told = Callable[[int], None]


class Bucket(Storage):
    """Object storage with whole files."""

    async def look_up(self, wanted: Mapping[str, int | None]) -> tuple[dict[str, ObjectInfo], list[str]]:
        """Return what is there of these keys, and the keys that are missing or of another size, in order."""
        found = {item.key: item async for item in self.list_keys(ROOT) if item.key in wanted}
        wrong: list[str] = []
        for key in sorted(wanted):
            # a list may leave an object out that can be read (SeaweedFS after a full disk)
            item = found.get(key) or await self.head(key)
            if item is None or wanted[key] not in {None, item.size_bytes}:
                wrong.append(key)
                found.pop(key, None)
            else:
                found[key] = item
        return found, wrong

    async def fetch(self, item: ObjectInfo, target: Path) -> Entry:
        """Copy an object into a file; it must have the size that it is said to have."""
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, written = hashlib.sha256(), 0
        with target.open("wb") as file:
            while written < item.size_bytes:
                block = await self.get_range(item.key, written, min(written + _READ_BYTES, item.size_bytes))
                if not block:
                    raise BackupError("OBJECT_CHANGED", f"{item.key} ended at {written} of {item.size_bytes} bytes.")
                digest.update(block)
                await asyncio.to_thread(file.write, block)
                written += len(block)
        return Entry(item.key, item.size_bytes, item.etag, digest.hexdigest())

    async def store(self, key: str, source: Path) -> None:
        """Write an object from a file: in parts where it is large, and then visible only when it is whole."""
        size = (await asyncio.to_thread(source.stat)).st_size
        with source.open("rb") as file:
            if size <= _PART_BYTES:
                await self.put(key, file.read())
                return
            upload = await self.create_multipart(key)
            try:
                blocks = iter(lambda: file.read(_PART_BYTES), b"")
                parts = [await self._store_part(key, upload, number, each) for number, each in enumerate(blocks, 1)]
                await self.complete_multipart(key, upload, parts)
            except BaseException:
                await self.abort_multipart(key, upload)
                raise

    async def _store_part(self, key: str, upload: str, number: int, block: bytes) -> Part:
        answer = await self._call("upload_part", Key=key, UploadId=upload, PartNumber=number, Body=block)
        return Part(number, len(block), str(answer["ETag"]))


async def copy_out(bucket: Bucket, items: Iterable[ObjectInfo], folder: Folder, told: Told) -> list[Entry]:
    """Copy objects into the folder of a backup; returns the entries of the manifest."""

    async def one(item: ObjectInfo) -> Entry:
        entry = await bucket.fetch(item, folder.file_of(item.key))
        told(item.size_bytes)
        return entry

    return [entry async for entry in _few_at_once(one(item) for item in items)]


async def copy_in(bucket: Bucket, entries: Iterable[Entry], folder: Folder, told: Told) -> None:
    """Write the objects of a backup that the bucket does not have; `BackupError` for a damaged copy."""
    wanted = {entry.key: entry for entry in entries}
    there = {item.key: item.etag async for item in bucket.list_keys(ROOT) if item.key in wanted}

    async def one(entry: Entry) -> None:
        if there.get(entry.key) != entry.etag:
            source = folder.file_of(entry.key)
            if not source.is_file() or await asyncio.to_thread(sha256, source) != entry.sha256:
                raise BackupError("BACKUP_DAMAGED", f"The copy of {entry.key} is missing or not as it was written.")
            await bucket.store(entry.key, source)
        told(entry.size)

    async for _ in _few_at_once(one(entry) for entry in wanted.values()):
        pass


async def _few_at_once(work: Iterable[Awaitable[T]]) -> AsyncIterator[T]:
    waiting: set[asyncio.Future[T]] = set()
    try:
        for each in work:
            waiting.add(asyncio.ensure_future(each))
            if len(waiting) >= _AT_ONCE:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
