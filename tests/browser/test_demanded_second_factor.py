"""The drive of a demanded second factor: a service of its own, since everybody is led to it there."""

from __future__ import annotations

from pathlib import Path

from tests.browser.chromium import run_drive
from tests.stack import clean_environment, stack_in


def test_a_person_is_led_to_a_second_factor(tmp_path: Path) -> None:
    """To the end, where everything is open; the steps are in the output when one fails."""
    environment = clean_environment(REQUIRE_SECOND_FACTOR="everybody")
    with stack_in(tmp_path / "data", env=environment) as stack:
        done = run_drive("second-factor-demanded.mjs", stack, tmp_path)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nscreenshots in {tmp_path}"
