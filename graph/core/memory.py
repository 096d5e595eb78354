"""Keeps a long-lived Python process small: options of the allocator that glibc gets wrong for it, and no `rich`.

By default freed blocks of megabytes (password hashes take 19 MB each, storage answers some) stay with the process, once
per thread that used one: measured 20 MB more after the first log-ins. A fixed mmap threshold gives them back at once.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MIB: Final = 1024 * 1024


def leave_out_rich() -> None:
    """Keep `rich` out of this process: 6 MB that libraries import where it is installed, to print nicer tracebacks.

    Call it before anything else is imported.
    """
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # an import of it fails from now on


def tame_malloc() -> bool:
    """Set the allocator's options; False where there is no glibc. Call once, before threads start."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    results = [mallopt(_M_MMAP_THRESHOLD, _MIB), mallopt(_M_TRIM_THRESHOLD, _MIB), mallopt(_M_ARENA_MAX, 1)]
    return all(results)
