"""`python -m tests.faults --seed 1 --jobs 200 --minutes 10`: the fault suite; exit code 1 for a broken invariant."""

from __future__ import annotations

import argparse
import ctypes
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.suite import Plan, Suite

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000


def own_mounts() -> bool:
    """Let mounts of this process vanish with it; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    return (
        sys.platform == "linux"
        and libc.unshare(_CLONE_NEWNS) == 0
        and libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
    )


def main() -> int:
    """Run one seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="of jobs and faults; a random one by default")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--minutes", type=float, help="length of the schedule; by default one for each 20 jobs")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--recoveries", type=int, default=6, help="workers killed on a healthy stack afterwards")
    parser.add_argument("--folder", type=Path, help="where to run, kept afterwards; a temporary one by default")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    minutes = options.jobs / 20 if options.minutes is None else options.minutes
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:7.1f} s] {text}", flush=True)

    say(f"seed {seed}: repeat with `make faults SEED={seed} JOBS={options.jobs} MINUTES={minutes:g}`")
    disks = own_mounts()
    if not disks:
        say("this system forbids mounts: no disk will be full")
    plan = Plan(
        seed,
        options.jobs,
        minutes * 60,
        workers=options.workers,
        small_disks=disks,
        recoveries=options.recoveries,
    )
    with tempfile.TemporaryDirectory(prefix="karyaksham-faults-") as temporary:
        report = Suite(plan, options.folder or Path(temporary), say).run()
    print(report)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
