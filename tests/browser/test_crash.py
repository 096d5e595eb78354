"""The drive that kills workers, on a stack of its own: the shared one takes no faults."""

from __future__ import annotations

from pathlib import Path

from tests.browser.chromium import run_drive
from tests.stack import clean_environment, stack_in


def test_a_person_sees_a_crash_and_the_next_attempt(tmp_path: Path) -> None:
    """Live, without a reload; the steps are in the output when one fails."""
    # the job never ends by itself: one thread of it is enough, the rest of the machine is the browser's
    with stack_in(tmp_path / "data", env=clean_environment(JOB_THREADS="1")) as stack:
        done = run_drive("crash.mjs", stack, tmp_path)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nscreenshots in {tmp_path}"
