"""The drives of web/e2e in Debian's Chromium against the whole service: the stories as a person does them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT, Stack

DRIVES = sorted(path.name for path in (ROOT / "web/e2e").glob("*.mjs") if path.name != "browser.mjs")


@pytest.mark.parametrize("drive", DRIVES)
def test_a_person_can(drive: str, stack: Stack, tmp_path: Path) -> None:
    """Each drive ends with exit code 0; its steps are in the output when it does not."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "missing: Chromium (on Debian: apt install chromium), or set CHROMIUM to a browser"
    environment = os.environ | {
        "BASE_URL": stack.url,
        "ADMIN_EMAIL": stack.ready["adminEmail"],
        "ADMIN_PASSWORD": stack.ready["adminPassword"],
        "CHROMIUM": chromium,
        "SHOTS": str(tmp_path),
    }
    done = subprocess.run(
        ["node", f"e2e/{drive}"], cwd=ROOT / "web", env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nscreenshots in {tmp_path}"
