"""How much memory there is for jobs: the machine's, or less where a control group (a container) has less."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# the least that a job can do with
LEAST_MEMORY: Final = 64 * 1024 * 1024
# The rest is for the worker itself, inspections, what the engine does not account for, and the page cache.
SHARE: Final = 0.75
_CGROUPS: Final = Path("/sys/fs/cgroup")


def control_group_bytes(root: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the least memory limit of this process's control group and those around it; None where there is none."""
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        # in a container the path may be the host's, and the root is the group itself
        folder = base / path.lstrip("/")
        for each in (folder, *folder.parents):
            if base not in (each, *each.parents):
                break
            try:
                text = (each / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if text.isdigit():  # "max" is no limit
                found.append(int(text))
    return min(found, default=None)


def machine_bytes() -> int:
    """Return the memory that this process may use: the machine's, or less where its control group has less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = control_group_bytes()
    return machine if group is None else min(machine, group)


def share_of_machine(workers: int = 1) -> int:
    """Return what each of so many workers on this machine may give to jobs, in bytes."""
    return max(int(machine_bytes() * SHARE) // workers, LEAST_MEMORY)
