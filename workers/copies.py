"""The folder of results' copies on this machine: what may be added, and what has to go."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

from graph.core.copies import COPIES_PREFIX, copies_folder
from graph.core.settings import Settings
from graph.core.telemetry import RESULT_COPIES

TRIM_SECONDS: Final = 60.0
# what nobody has pulled for this long goes: most results are pulled soon, or never
IDLE_SECONDS: Final = 3600.0
# so few are soon read from anywhere; and the folder never holds more than some thousand files
LEAST_BYTES: Final = 4 << 20
# one result takes no more than this share of the limit, and of what the disk has left
_SHARE: Final = 4


class Copies:
    """The copies of all workers on this machine. Methods wait for the disk: call them in threads."""

    def __init__(self, settings: Settings) -> None:
        self._folder = copies_folder(settings)
        self._limit = settings.result_copies_limit_bytes
        self._parent = None if settings.spill_dir is None else Path(settings.spill_dir)

    def request(self) -> dict[str, Any] | None:
        """Make room, and return what the engine is to be asked for; None if it is to make no copy."""
        if self._folder is None:
            return None
        self.trim()
        try:
            free = shutil.disk_usage(self._folder.parent).free
        except OSError:
            return None
        return {"folder": str(self._folder), "minBytes": LEAST_BYTES, "maxBytes": min(self._limit, free) // _SHARE}

    def trim(self) -> None:
        """Remove what is idle, and of the rest what was used least recently until it keeps to the limit."""
        if self._folder is None:
            return
        found: list[tuple[float, int, Path]] = []
        for place, _, names in os.walk(self._folder, topdown=False):
            folder = Path(place)
            for path in (folder / name for name in names):
                with contextlib.suppress(OSError):  # gone meanwhile
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
        left = sum(size for _, size, _ in found)
        for used, size, path in sorted(found):
            if left <= self._limit and used > time.time() - IDLE_SECONDS:
                break
            # a file that a worker still writes to goes as well: it keeps writing, and finds no name to give it
            with contextlib.suppress(OSError):
                path.unlink()
            left -= size
        RESULT_COPIES.set(left)

    def clear_stale(self) -> None:
        """Remove what was copied before this machine was started."""
        if self._parent is not None:
            for folder in self._parent.glob(f"{COPIES_PREFIX}*"):
                if folder != self._folder:
                    shutil.rmtree(folder, ignore_errors=True)
