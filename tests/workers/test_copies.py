"""Results leave a copy where they are made, if that is asked for; old copies make room for new ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from graph.core.copies import COPIES_PREFIX, copies_folder
from graph.core.settings import Settings
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import keys_of, make_dataset, rows_of, run_job, spec, wait_for
from workers.copies import IDLE_SECONDS, LEAST_BYTES, Copies


def settings(folder: Path, limit: int) -> Settings:
    """Settings with copies in this folder."""
    return Settings(spill_dir=str(folder), result_copies_limit_bytes=limit)


def place(folder: Path, name: str, size: int, age: float) -> Path:
    """Make a copy of so many bytes that was used so many seconds ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize("output", ["parquet", "arrow"])
async def test_a_result_and_its_copy_are_the_same(
    user: User, start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setattr("workers.copies.LEAST_BYTES", 1)
    running = await start_worker(spill_dir=str(tmp_path), result_copies_limit_bytes=1 << 30)
    dataset = await make_dataset(user)
    job = await run_job(user, dataset, spec=spec(output=output))
    assert (await wait_for(user, job))["status"] == "SUCCEEDED"
    row, *_ = await rows_of(user, job)
    assert row.result is not None
    (file,) = row.result["files"]
    folder = copies_folder(running.worker.settings)
    assert folder is not None
    copy = folder / file["key"]
    body = copy.read_bytes()
    assert len(body) == file["sizeBytes"]
    assert body == await user.services.storage.get(file["key"])
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("limit", "least", "output"),
    [(1 << 30, 1, "csv"), (0, 1, "parquet"), (100, 1, "parquet"), (1 << 30, LEAST_BYTES, "parquet")],
    ids=["read whole", "not asked for", "too large", "small"],
)
async def test_no_copy_where_it_is_of_no_use(
    user: User,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    least: int,
    output: str,
) -> None:
    monkeypatch.setattr("workers.copies.LEAST_BYTES", least)
    await start_worker(spill_dir=str(tmp_path), result_copies_limit_bytes=limit)
    job = await run_job(user, await make_dataset(user), spec=spec(output=output))
    assert (await wait_for(user, job))["status"] == "SUCCEEDED"
    assert len(await keys_of(user, job)) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_failed_attempt_leaves_no_copy(
    user: User, start_worker: StartWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.copies.LEAST_BYTES", 1)
    await start_worker(spill_dir=str(tmp_path), result_copies_limit_bytes=1 << 30)
    work = {**spec(output="parquet"), "onBadRow": "fail"}
    job = await run_job(user, await make_dataset(user, b"id,country,amount\n1,India,2\n2,India\n"), spec=work)
    assert (await wait_for(user, job))["status"] == "FAILED"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_least_recently_used_goes_until_the_rest_keeps_to_the_limit(tmp_path: Path) -> None:
    copies = Copies(settings(tmp_path, 1000))
    folder = copies_folder(settings(tmp_path, 1000))
    assert folder is not None
    old, used, new = (place(folder, f"w/{name}/x", 400, age) for name, age in (("o", 300), ("u", 200), ("n", 100)))
    copies.trim()
    assert (old.exists(), used.exists(), new.exists()) == (False, True, True)
    copies.trim()
    assert not old.parent.exists()
    assert used.exists()


def test_what_is_idle_goes(tmp_path: Path) -> None:
    copies = Copies(settings(tmp_path, 1000))
    folder = copies_folder(settings(tmp_path, 1000))
    assert folder is not None
    idle, used = place(folder, "w/i", 10, IDLE_SECONDS + 10), place(folder, "w/u", 10, IDLE_SECONDS - 60)
    copies.trim()
    assert (idle.exists(), used.exists()) == (False, True)


def test_a_request_makes_room_and_asks_for_a_share_of_it(tmp_path: Path) -> None:
    folder = copies_folder(settings(tmp_path, 1000))
    assert folder is not None
    idle = place(folder, "w/i", 2000, 10)
    assert Copies(settings(tmp_path, 1000)).request() == {
        "folder": str(folder),
        "minBytes": LEAST_BYTES,
        "maxBytes": 250,
    }
    assert not idle.exists()
    everything = Copies(settings(tmp_path, 1 << 60)).request()
    assert everything is not None
    status = os.statvfs(tmp_path)
    assert everything["maxBytes"] <= status.f_blocks * status.f_frsize // 4
    assert Copies(settings(tmp_path, 0)).request() is None
    assert Copies(Settings(result_copies_limit_bytes=1000, spill_dir=None)).request() is None


def test_copies_of_another_start_of_the_machine_are_removed(tmp_path: Path) -> None:
    given = settings(tmp_path, 1000)
    folder = copies_folder(given)
    assert folder is not None
    mine, other = place(folder, "w/x", 10, 10), place(tmp_path / f"{COPIES_PREFIX}another-start", "w/x", 10, 10)
    bystander = place(tmp_path, "bystander", 10, 10)
    Copies(given).clear_stale()
    assert (mine.exists(), other.parent.parent.exists(), bystander.exists()) == (True, False, True)
    Copies(settings(tmp_path, 0)).clear_stale()
    assert not folder.exists()
