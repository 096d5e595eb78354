"""What processes that the API starts for the engine have in common."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

_KEPT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"})
_KEPT_PREFIXES = ("LC_", "RUST_", "AWS_", "MALLOC_", "KARYAKSHAM_ENGINE_", "PYTHONPYCACHE")
_LONGEST_ANSWER = 16 * 1024**2


def _environment() -> dict[str, str]:
    """No settings and no secrets of this process: what the engine needs for modules, stores and certificates."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


async def start(module: str, *arguments: str, errors: int | None = None) -> asyncio.subprocess.Process:
    """Start `python -m module`; requests go to its standard input, answers come from its standard output.

    `errors` is where its standard error goes: by default where this process's goes, into the log.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        limit=_LONGEST_ANSWER,
        env=_environment(),
    )


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process that still runs, and collect it."""
    if process.returncode is None:
        process.kill()
        await process.wait()
