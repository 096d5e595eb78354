"""What keeps the API's process small works with the libraries as they are."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import PATIENCE
from tests.stack import ROOT


def test_the_api_does_without_rich_although_it_is_installed() -> None:
    script = (
        "from graph.core.memory import leave_out_rich, tame_malloc\n"
        "leave_out_rich()\n"
        "import graph.app, structlog, sys\n"
        "assert tame_malloc() or sys.platform != 'linux'\n"
        "print(sum(module is not None for name, module in sys.modules.items() if name.split('.')[0] == 'rich'))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
