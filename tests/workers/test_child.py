"""The child process by itself: protocol, warm reuse, limits, death with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE
from workers import runner
from workers.child import describe
from workers.runner import AttemptError, ChildPool, ChildProcess, child_environment, crashed, memory_ceiling

DATA = b"id,amount\n1,10\n2,20\n3,30\n"


@pytest.fixture
def request_for(tmp_path: Path) -> Any:
    """An engine request on local files."""
    source = tmp_path / "in.csv"
    source.write_bytes(DATA)

    def make(where: str = "amount > 15", name: str = "out.csv") -> dict[str, Any]:
        return {
            "spec": {"version": 1, "steps": [{"filter": {"where": where}}], "output": {"format": "csv"}},
            "inputs": {"input": {"url": source.as_uri(), "fileName": "in.csv"}},
            "output": {"url": (tmp_path / name).as_uri(), "overwrite": False},
            "storage": None,
        }

    return make


async def test_one_child_runs_many_jobs(request_for: Any, tmp_path: Path) -> None:
    child = await ChildProcess.start()
    try:
        seen: list[dict[str, Any]] = []
        for number in range(3):
            report = await child.call("run", request_for(name=f"{number}.csv"), on_progress=seen.append)
            assert report["rowsOut"] == 2
            assert (tmp_path / f"{number}.csv").read_bytes().splitlines()[1:] == [b"2,20", b"3,30"]
        assert seen[-1]["rowsIn"] == 3
        assert child.jobs == 3
        assert child.reusable
    finally:
        await child.close()
    assert not child.alive


async def test_an_engine_error_keeps_its_words_and_the_child(request_for: Any) -> None:
    child = await ChildProcess.start()
    try:
        with pytest.raises(AttemptError) as caught:
            await child.call("run", request_for("no_such_column > 1"))
        assert "no_such_column" in caught.value.message
        assert caught.value.retryable is False
        assert (await child.call("run", request_for()))["rowsOut"] == 2
    finally:
        await child.close()


async def test_inspection_goes_through_the_child(request_for: Any) -> None:
    child = await ChildProcess.start()
    try:
        source = request_for()["inputs"]["input"]
        report = await child.call("inspect", {"input": source, "storage": None})
        assert report["format"] == "csv"
        assert [column["name"] for column in report["schema"]] == ["id", "amount"]
    finally:
        await child.close()


async def test_a_killed_child_says_so_and_is_replaced(request_for: Any) -> None:
    pool = ChildPool(1)
    await pool.start()
    try:
        (first,) = pool.pids
        async with pool.child() as child:
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(AttemptError, match="SIGKILL") as caught:
                await child.call("run", request_for())
        assert caught.value.code == "ENGINE_CRASHED"
        assert caught.value.retryable
        async with pool.child() as child:
            assert child.pid != first
            assert (await child.call("run", request_for()))["rowsOut"] == 2
    finally:
        await pool.close()
    assert pool.pids == []


async def test_a_worn_child_is_replaced(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "RECYCLE_JOBS", 1)
    pool = ChildPool(1)
    await pool.start()
    try:
        pids = []
        for number in range(3):
            async with pool.child() as child:
                await child.call("run", request_for(name=f"{number}.csv"))
                pids.append(child.pid)
        assert len(set(pids)) == 3
    finally:
        await pool.close()


async def test_cancel_kills_an_engine_that_does_not_hear(request_for: Any) -> None:
    import asyncio

    child = await ChildProcess.start()
    try:
        os.kill(child.pid, signal.SIGSTOP)
        call = asyncio.create_task(child.call("run", request_for()))
        await asyncio.sleep(0.05)
        await asyncio.wait_for(child.cancel(), PATIENCE)
        with pytest.raises(AttemptError, match="SIGKILL"):
            await call
    finally:
        await child.close()


def test_a_child_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SIGNING_KEY", "S3_SECRET_ACCESS_KEY", "REDIS_URL", "ADMIN_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    kept = child_environment()
    assert "secret" not in kept.values()
    assert kept["LC_ALL"] == "C.UTF-8"


def test_a_child_ends_with_its_standard_input() -> None:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "workers.child", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert b'"ready"' in child.stdout.readline()
    child.stdin.close()
    assert child.wait(timeout=PATIENCE) == 0
    child.stdout.close()


def test_a_child_whose_parent_is_gone_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "workers.child", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=child_environment(),
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_an_allocation_bomb_fails_inside_the_child() -> None:
    code = (
        "from workers.child import limit_address_space\n"
        "limit_address_space(64 << 20)\n"
        "kept = bytearray(256 << 20)\n"
        "try:\n    bytearray(1 << 40)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=child_environment(), timeout=30)
    assert done.stdout == b"refused\n", done.stderr


def test_ends_are_described() -> None:
    assert "SIGSEGV" in crashed(-signal.SIGSEGV, "").message
    assert "WORKER_CONCURRENCY" in (crashed(-signal.SIGKILL, "").hint or "")
    assert "exit code 70" in crashed(70, "panicked at x").message
    assert "panicked at x" in crashed(70, "panicked at x").message
    assert memory_ceiling(512 << 20) == 768 << 20
    assert memory_ceiling(64 << 20) == (64 + 256) << 20


def test_a_surprise_of_the_engine_is_a_crash() -> None:
    told = describe(RuntimeError("index out of bounds"))
    assert told["code"] == "ENGINE_CRASHED"
    assert told["retryable"] is True
    assert "index out of bounds" in told["message"]
