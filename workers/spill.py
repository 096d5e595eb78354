"""Folders for spilled data: one per attempt, locked while its worker lives, cleared by whichever worker starts next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workers.runner import AttemptError

SPILL_PREFIX: Final = "karyaksham-spill-"
# a folder younger than this may not be locked yet
JUST_MADE_SECONDS: Final = 5.0
# of the attempts of this process
_open: set[Path] = set()


@contextlib.contextmanager
def spill_folder(parent: str | None) -> Iterator[Path]:
    """Make a folder for one attempt's spilled data, removed afterwards; `AttemptError` when there is no place.

    The kernel drops the lock when this process dies, however it dies.
    """
    try:
        if parent is not None:
            Path(parent).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=SPILL_PREFIX, dir=parent))
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise AttemptError(
            "SPILL_UNAVAILABLE",
            f"The worker cannot make a folder for spilled data in {parent or tempfile.gettempdir()}: {error.strerror}.",
            retryable=True,
            hint="Set SPILL_DIR of the workers to a folder that they may write to, with room.",
        ) from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks: the folder would outlive a killed worker
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _open.add(folder)
        yield folder
    finally:
        _open.discard(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def spilled_bytes() -> int:
    """Return what the attempts of this process have on disk now."""
    total = 0
    for folder in tuple(_open):
        for place, _, files in os.walk(folder):
            for name in files:
                with contextlib.suppress(OSError):  # gone meanwhile
                    total += os.stat(f"{place}/{name}").st_blocks * 512  # noqa: PTH116
    return total


def clear_stale_spill(parent: str | None) -> None:
    """Remove what killed workers left: folders that nobody holds locked."""
    for path in Path(parent or tempfile.gettempdir()).glob(f"{SPILL_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if path.stat().st_mtime < time.time() - JUST_MADE_SECONDS:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
