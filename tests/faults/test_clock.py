"""The stepped clock: the time of day follows the step, monotonic time does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.clock import DATABASE, SERVICES, Clocks

ASK = "import time; print(time.time(), time.monotonic())"


def ask(clocks: Clocks, slot: int) -> tuple[float, float]:
    """Time of day and monotonic time of a process that lives by a slot."""
    environment = os.environ | clocks.environment(slot)
    out = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, check=True, capture_output=True, text=True
    ).stdout
    day, monotonic = out.split()
    return float(day), float(monotonic)


def test_only_the_time_of_day_of_its_slot_is_stepped(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path)
    assert clocks.available, "the project's set-up asks for a C compiler"
    for step in (3600.5, -3600.25):
        clocks.step(SERVICES, step)
        before, before_monotonic = time.time(), time.monotonic()
        day, monotonic = ask(clocks, SERVICES)
        after, after_monotonic = time.time(), time.monotonic()
        assert before - 0.01 <= day - step <= after + 0.01
        assert before_monotonic <= monotonic <= after_monotonic
        assert before - 0.01 <= ask(clocks, DATABASE)[0] <= time.time() + 0.01
