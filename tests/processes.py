"""Looking at processes from outside, by /proc."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from ops.local.datadir import process_start

# Seconds that a wait may take before a test gives up. No test measures time: a loaded machine is slow, not wrong.
PATIENCE = 150.0


def descendants(pid: int) -> set[int]:
    """Process ids below a process."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text(errors="replace")
            parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found: set[int] = set()
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= level
    return found


def wait_gone(pids: set[int], seconds: float = PATIENCE) -> set[int]:
    """The processes that are still there after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pids = {pid for pid in pids if process_start(pid) is not None}
        if not pids:
            break
        time.sleep(0.05)
    return pids
