"""Load of the machine that this process runs on, without a further dependency; None where the system does not tell."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Sizes in bytes; `load` is the one-minute load average, to be read against `cores`."""

    cores: int
    load: float | None
    memory_total: int | None
    memory_available: int | None
    disk_total: int
    disk_free: int
    process_memory: int | None


def _fields(path: Path) -> dict[str, int]:
    """Return the kB lines of a /proc file in bytes; empty on systems without /proc."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        parts = rest.split()
        if len(parts) == 2 and parts[1] == "kB":
            found[name] = int(parts[0]) * 1024
    return found


def read_machine(directory: str | None = None) -> Machine:
    """Read the figures; `directory` says which disk."""
    memory = _fields(Path("/proc/meminfo"))
    disk = shutil.disk_usage(directory or Path.cwd())
    try:
        load: float | None = os.getloadavg()[0]
    except OSError:
        load = None
    return Machine(
        cores=os.cpu_count() or 1,
        load=load,
        memory_total=memory.get("MemTotal"),
        memory_available=memory.get("MemAvailable"),
        disk_total=disk.total,
        disk_free=disk.free,
        process_memory=_fields(Path("/proc/self/status")).get("VmRSS"),
    )
