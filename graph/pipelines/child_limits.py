"""What a process for the engine does before anything else.

Architecture invariant: imports nothing of the API, so that a child starts in the time that the engine takes to load.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

# Address space, not memory: the engine's own limit keeps the memory; this one stops an allocation bomb.
_ADDRESS_SPACE = 6 * 1024**3
_PR_SET_PDEATHSIG = 1


def confine() -> bool:
    """Die with the API, and take no more than a share of its address space; False when the API is gone already."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    return os.getppid() == parent
