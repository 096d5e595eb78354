"""The drives of web/e2e in Debian's Chromium against the whole service: the stories as a person does them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import run_drive
from tests.stack import ROOT, Stack

# the tour is `make pictures`, the drive axe.mjs goes through the same pages; the last three have stacks of their own
OTHERS = {"browser.mjs", "tour.mjs", "sso.mjs", "second-factor-demanded.mjs", "crash.mjs"}
DRIVES = sorted(path.name for path in (ROOT / "web/e2e").glob("*.mjs") if path.name not in OTHERS)


@pytest.mark.parametrize("drive", DRIVES)
def test_a_person_can(drive: str, stack: Stack, tmp_path: Path) -> None:
    """Each drive ends with exit code 0; its steps are in the output when it does not."""
    done = run_drive(drive, stack, tmp_path)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nscreenshots in {tmp_path}"
