"""The command as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.stack import ROOT, clean_environment


def karyaksham(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run it and wait; `env` adds to the environment, other options are those of `subprocess.run`."""
    environment = clean_environment(PYTHONPATH=str(ROOT)) | options.pop("env", {})
    command = [sys.executable, "-m", "ops.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, **options)
