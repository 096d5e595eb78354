"""`karyaksham backup` and `karyaksham restore`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ops.cli.deployment import backends_of
from ops.cli.main import program_version
from ops.cli.progress import ProgressBar, human
from ops.local.datadir import DataDir, default_data_dir

if TYPE_CHECKING:
    from ops.backup.manifest import Description
    from ops.backup.restore import Restored

_SHOWN = 20


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Copied:
    """Draws how far the copying of objects is."""

    def __init__(self) -> None:
        self._bar = ProgressBar("objects")
        self._done = 0

    def __call__(self, size: int) -> None:
        self._done += size
        self._bar.update(self._done, None)


def backup(options: argparse.Namespace) -> int:
    """Take a backup; returns 1 when storage lacks an object that a row points to."""
    return asyncio.run(_backup(options))


async def _backup(options: argparse.Namespace) -> int:
    from ops.backup.take import take

    async with backends_of(DataDir(options.data_dir or default_data_dir()), begin=False) as settings:
        made = await take(
            settings, options.folder, program_version(), objects=options.objects, say=_say, told=_Copied()
        )
    if options.json:
        print(json.dumps(asdict(made), indent=1))
    else:
        print(f"Backup of {made.at} in {options.folder}: the database, and {_objects(made)}.")
    return _missing(made.missing)


def restore(options: argparse.Namespace) -> int:
    """Restore a backup; returns 1 when storage lacks an object that a row points to."""
    return asyncio.run(_restore(options))


async def _restore(options: argparse.Namespace) -> int:
    from ops.backup.manifest import Folder
    from ops.backup.restore import restore as restore_backup

    folder = Folder(options.folder)
    description = await asyncio.to_thread(folder.read)
    async with backends_of(DataDir(options.data_dir or default_data_dir()), begin=True) as settings:
        done = await restore_backup(settings, folder, description, say=_say, told=_Copied())
    if options.json:
        changes = {"missing": done.missing, "same_encryption_key": done.same_encryption_key}
        print(json.dumps(asdict(done.description) | changes, indent=1))
    else:
        _tell(done)
    return _missing(done.missing)


def _tell(done: Restored) -> None:
    made = done.description
    print(f"Restored the state of {made.at}: {_objects(made)}.")
    if made.unfinished_jobs:
        print(f"{made.unfinished_jobs} jobs waited or ran then: they start anew as soon as a worker runs.")
    if made.sealed_webhooks and not done.same_encryption_key:
        print(
            f"ENCRYPTION_KEY is another one than then: the secrets of {made.sealed_webhooks} webhooks cannot be read. "
            "Put the old key into PREVIOUS_ENCRYPTION_KEYS, or give these webhooks new secrets."
        )


def _objects(made: Description) -> str:
    how = "copied" if made.copied else "listed, not copied"
    return f"{made.objects} objects of {human(made.object_bytes)} ({how})"


def _missing(keys: list[str]) -> int:
    """Say which objects are missing."""
    if not keys:
        return 0
    _say(f"error[OBJECTS_MISSING]: {len(keys)} objects that rows point to are not in storage, or of another size:")
    for key in keys[:_SHOWN]:
        _say(f"  {key}")
    if len(keys) > _SHOWN:
        _say(f"  … and {len(keys) - _SHOWN} more: --json names all")
    _say("hint: Restore them from the bucket's versions or its replica; what they belong to cannot be read until then.")
    return 1
