"""`make pictures`: the README's pictures, taken by the tour through all pages on a stack of its own.

They go to docs/images, in both themes; screenshots of whole pages go to the folder that SHOTS names, to be looked at.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import run_drive
from tests.stack import ROOT, clean_environment, stack_in

FOLDER = ROOT / "docs/images"
MOST_BYTES = 1_500_000


def main() -> int:
    """Take them; the exit code is 1 when a page is not as it should be, or the pictures are too big together."""
    with tempfile.TemporaryDirectory() as folder:
        environment = clean_environment(WEBHOOK_ALLOWED_NETWORKS="127.0.0.1/32")
        with stack_in(Path(folder) / "data", env=environment) as stack:
            shots = Path(os.environ.get("SHOTS") or Path(folder) / "shots")
            done = run_drive("tour.mjs", stack, shots, PICTURES=str(FOLDER), ROWS="200000")
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    if done.returncode:
        return 1
    size = sum(path.stat().st_size for path in FOLDER.glob("*.webp"))
    print(f"{size:,} bytes of pictures in {FOLDER.relative_to(ROOT)}")
    return 1 if size > MOST_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
