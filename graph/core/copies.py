"""Copies of results on the disk of the machine that wrote them, for a Flight server beside its workers (ADR 0018)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graph.core.settings import Settings

COPIES_PREFIX: Final = "karyaksham-results-"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def copies_folder(settings: Settings) -> Path | None:
    """Return where the copies are: in a folder of SPILL_DIR for each time that the machine was started.

    They are never forced to the disk, so that after a power failure one might hold zeros: those of another start are
    not read. None if no copies are kept, or where the system does not tell its starts apart (only Linux does).
    """
    if not settings.result_copies_limit_bytes or settings.spill_dir is None:
        return None
    try:
        return Path(settings.spill_dir) / f"{COPIES_PREFIX}{_BOOT.read_text(encoding='ascii').strip()}"
    except OSError:
        return None
