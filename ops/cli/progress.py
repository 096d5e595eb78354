"""One line of progress on a terminal; nothing anywhere else."""

from __future__ import annotations

import sys
import time

_WIDTH = 28


def human(size: float) -> str:
    """Return bytes for people: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


class ProgressBar:
    """Draws on stderr where that is a terminal; `total` None where the end is unknown."""

    def __init__(self, label: str, *, enabled: bool = True) -> None:
        self._label = label
        self._enabled = enabled and sys.stderr.isatty()
        self._started = time.monotonic()
        self._drawn = 0.0

    def update(self, done: float, total: float | None, note: str = "") -> None:
        """Redraw, ten times a second at most."""
        now = time.monotonic()
        if not self._enabled or now - self._drawn < 0.1:
            return
        self._drawn = now
        seconds = max(now - self._started, 1e-6)
        parts = [self._label]
        if total:
            fraction = min(done / total, 1.0)
            filled = round(fraction * _WIDTH)
            parts.append(f"[{'█' * filled}{'·' * (_WIDTH - filled)}] {fraction:4.0%}")
        parts.append(f"{human(done)}  {human(done / seconds)}/s")
        if note:
            parts.append(note)
        from shutil import get_terminal_size  # with its archivers 5 ms, which only a terminal pays

        columns = get_terminal_size().columns
        sys.stderr.write("\r\x1b[K" + "  ".join(parts)[: columns - 1])
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._enabled and self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
