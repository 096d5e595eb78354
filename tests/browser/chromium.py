"""Running a drive of web/e2e against a stack, in the Chromium that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.stack import ROOT, Stack

_SECONDS = 900


def run_drive(drive: str, stack: Stack, shots: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `web/e2e/{drive}`; screenshots of what it looks at go to `shots`."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "missing: Chromium (on Debian: apt install chromium), or set CHROMIUM to a browser"
    environment = os.environ | {
        "BASE_URL": stack.url,
        "ADMIN_EMAIL": stack.ready["adminEmail"],
        "ADMIN_PASSWORD": stack.ready["adminPassword"],
        "CHROMIUM": chromium,
        "SHOTS": str(shots),
        # where mails are printed
        "LOGS": str(stack.data_dir / "logs"),
        **extra,
    }
    return subprocess.run(
        ["node", f"e2e/{drive}"],
        cwd=ROOT / "web",
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
