"""Logs of the parts: one file each, rotated at a size and capped in number."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import IO

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3


class RotatingLog:
    """Appends bytes to `path`; at `limit` bytes it becomes `path.1`, and so on up to `kept` old files."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES, kept: int = KEPT) -> None:
        self.path, self._limit, self._kept = path, limit, kept
        self._file: IO[bytes] | None = None
        self._tail: deque[bytes] = deque(maxlen=20)

    def write(self, data: bytes) -> None:
        """Append; never raises: a full disk must not stop the parts that could mend it."""
        self._tail.extend(data.splitlines())
        try:
            if self._file is None:
                self._file = self.path.open("ab", buffering=0)
                self.path.chmod(0o600)
            if self._file.tell() + len(data) > self._limit:
                self._rotate()
            self._file.write(data)
        except OSError:
            return

    def tail(self, lines: int = 8) -> str:
        """Return the last lines."""
        return b"\n".join(list(self._tail)[-lines:]).decode("utf-8", "replace")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._file = self.path.open("ab", buffering=0)
        self.path.chmod(0o600)
