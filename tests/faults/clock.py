"""Clocks that the suite steps: a library preloaded into the parts (clock.c), if there is a C compiler to make it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SERVICES, DATABASE = 0, 1


class Clocks:
    """One clock for PostgreSQL and Valkey's machine, one for that of API and workers."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clocks"
        self._file.write_bytes(bytes(4096))
        self._file.chmod(0o644)
        self.library = folder / "clock.so"
        compiler = shutil.which("cc")
        self.available = False
        if compiler is not None:
            command = [
                compiler,
                "-shared",
                "-fPIC",
                "-O2",
                "-o",
                self.library,
                Path(__file__).with_name("clock.c"),
                "-ldl",
            ]
            self.available = subprocess.run(command, capture_output=True, check=False).returncode == 0

    def environment(self, slot: int) -> dict[str, str]:
        """What makes a process and those below it live by the clock of a slot."""
        if not self.available:
            return {}
        return {
            "LD_PRELOAD": str(self.library),
            "KARYAKSHAM_FAULT_CLOCK": str(self._file),
            "KARYAKSHAM_FAULT_CLOCK_SLOT": str(slot),
        }

    def step(self, slot: int, seconds: float) -> None:
        """Let the clock differ from the right one by so many seconds."""
        with self._file.open("r+b") as file:
            file.seek(8 * slot)
            file.write(struct.pack("<q", int(seconds * 1e9)))
