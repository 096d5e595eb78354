"""Spilled data goes with its attempt, and that of a killed worker with the next start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import PATIENCE
from workers.spill import clear_stale_spill, spill_folder

HOLD = """
import sys
from workers.spill import spill_folder
with spill_folder(sys.argv[1]) as folder:
    (folder / "run").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    sys.stdin.read()
"""


def age(folder: Path) -> None:
    """Let the folder be a minute old."""
    moment = folder.stat().st_mtime - 60
    os.utime(folder, (moment, moment))


def test_the_folder_of_an_attempt_ends_with_it(tmp_path: Path) -> None:
    with spill_folder(str(tmp_path)) as folder:
        (folder / "run").write_bytes(b"x")
        age(folder)
        clear_stale_spill(str(tmp_path))
        assert (folder / "run").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_goes_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        folders = []
        for worker in workers:
            assert worker.stdout is not None
            folders.append(Path(worker.stdout.readline().strip()))
        workers[0].kill()
        workers[0].wait(PATIENCE)
        for folder in folders:
            age(folder)
        young = tmp_path / "karyaksham-spill-young"
        young.mkdir()
        clear_stale_spill(str(tmp_path))
        assert sorted(tmp_path.iterdir()) == sorted([folders[1], young])
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(PATIENCE)
