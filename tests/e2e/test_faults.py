"""Faults and outages of every part: the service comes back by itself, and no acknowledged work is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import PATIENCE, descendants, wait_gone
from tests.stack import Account, Backends, Refused, Stack, clean_environment, stack_in

FILTER = {"version": 1, "steps": [{"filter": {"where": "id % 2 = 0"}}], "output": {"format": "csv"}}
LINES = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(20_000))
EXPECTED = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(0, 20_000, 2))
SLOW: dict[str, Any] = {
    "version": 1,
    "steps": [
        {"sort": {"by": [{"column": "name"}]}},
        {"aggregate": {"groupBy": ["name"], "aggregates": [{"name": "n", "expr": "count(*)"}]}},
    ],
    "output": {"format": "parquet"},
}
UNAVAILABLE = {"SERVICE_UNAVAILABLE"}


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, to be broken."""
    with stack_in(tmp_path_factory.mktemp("frail") / "data") as stack:
        yield stack


def until_right(attempt: Any, seconds: float = PATIENCE) -> Any:
    """The result of an attempt, repeated while the service says that it is not available, and never anything else."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (httpx.HTTPError, OSError):
            if time.monotonic() > deadline:
                raise
        except Refused as refused:
            if refused.code not in UNAVAILABLE or time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def kill(stack: Stack, part: str) -> None:
    """Kill a part and wait for the next process of it."""
    old = stack.pid(part)
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            if stack.pid(part) != old:
                return
        time.sleep(0.05)
    pytest.fail(f"{part} was not started again: {stack.log.read_text()}")


@pytest.mark.parametrize("part", ["postgres", "valkey", "s3", "api", "flight", "worker-1"])
def test_after_a_fault_of_any_part_jobs_run_again(frail: Stack, part: str) -> None:
    user = frail.register()
    before = user.upload(LINES)
    kill(frail, part)
    # what was there is there, and new work is taken on
    job = until_right(lambda: user.run_job(FILTER, input=before))
    assert user.download(job).decode() == EXPECTED
    again = until_right(lambda: user.upload(LINES))
    assert until_right(lambda: user.run_job(FILTER, input=again))["status"] == "SUCCEEDED"


def test_a_job_that_is_running_when_its_worker_dies_ends_once_and_right(frail: Stack) -> None:
    user = frail.register()
    dataset = user.upload(LINES * 40)
    job = user.start_job(SLOW, input=dataset)
    deadline = time.monotonic() + PATIENCE
    while user.gql("query($id: ID!) { job(id: $id) { status } }", {"id": job})["job"]["status"] == "PENDING":
        assert time.monotonic() < deadline
    kill(frail, "worker-1")
    done = user.wait_job(job)
    assert done["status"] == "SUCCEEDED", done
    assert done["attempt"] <= 2


def test_an_outage_of_the_bell_delays_jobs_but_loses_none(frail: Stack) -> None:
    """Redis hangs (it does not even refuse): jobs are accepted meanwhile, and run afterwards."""
    user = frail.register()
    dataset = user.upload(LINES)
    pid = frail.pid("valkey")
    os.kill(pid, signal.SIGSTOP)
    try:
        job = until_right(lambda: user.start_job(FILTER, input=dataset))
        time.sleep(3)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert user.wait_job(job)["status"] == "SUCCEEDED"


def test_an_outage_of_the_database_is_said_and_ends(frail: Stack) -> None:
    user = frail.register()
    dataset = user.upload(LINES)
    kill(frail, "postgres")
    codes = set()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        body = user.post("query($id: ID!) { dataset(id: $id) { name } }", {"id": dataset})
        if not body.get("errors"):
            assert body["data"]["dataset"]["name"] == "data.csv"
            break
        codes |= {error["extensions"]["code"] for error in body["errors"]}
    assert codes <= UNAVAILABLE
    ready = httpx.get(f"{frail.url}/healthz")
    assert ready.status_code == 200


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with stack_in(data) as first:
        user = first.register()
        dataset = user.upload(LINES)
        job = user.run_job(FILTER, input=dataset)
        ready = dict(first.ready)
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(PATIENCE) == 0
    began = time.monotonic()
    with stack_in(data) as second:
        took = time.monotonic() - began
        assert second.ready == ready
        back: Account = second.log_in(user.email, user.password)
        state = back.wait_job(job["id"])
        assert back.download(state).decode() == EXPECTED
        assert back.run_job(FILTER, input=dataset)["status"] == "SUCCEEDED"
        assert second.admin().token
    print(f"second start ready after {took:.1f} s")


def test_a_fault_of_the_supervisor_itself_leaves_no_process_behind(tmp_path: Path) -> None:
    """kill -9 of `karyaksham up` while a job runs: the kernel ends every part, engine processes too."""
    data = tmp_path / "data"
    with stack_in(data) as first:
        user = first.register()
        dataset = user.upload(LINES * 100)
        job = user.start_job(SLOW, input=dataset)
        processes = descendants(first.process.pid)
        assert len(processes) >= 10
        first.process.kill()
        first.process.wait()
        assert wait_gone(processes) == set()
    with stack_in(data) as second:
        back = second.log_in(user.email, user.password)
        # acknowledged, so it must end, whatever happened meanwhile
        assert back.wait_job(job)["status"] == "SUCCEEDED"


def test_stopping_while_a_job_runs_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with stack_in(data) as first:
        user = first.register()
        job = user.start_job(SLOW, input=user.upload(LINES * 100))
        processes = descendants(first.process.pid)
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(PATIENCE) == 0
        assert wait_gone(processes) == set()
    with stack_in(data) as second:
        back = second.log_in(user.email, user.password)
        assert back.wait_job(job)["status"] == "SUCCEEDED"


def test_restart_of_the_services_on_backends_of_ones_own(backends: Backends, tmp_path: Path) -> None:
    """With DATABASE_URL, REDIS_URL and S3_ENDPOINT_URL set, `karyaksham up` starts no server of its own."""
    names = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "S3_REGION")
    keys = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_ADDRESSING_STYLE")
    own = {name: backends.environment[name] for name in (*names, *keys)}
    with stack_in(tmp_path / "data", env=clean_environment(**own)) as stack:
        assert {path.stem for path in (tmp_path / "data/run").glob("*.pid")} == {"api", "flight", "worker-1"}
        user = stack.register()
        assert user.download(user.run_job(FILTER, input=user.upload(LINES))).decode() == EXPECTED
        assert stack.ready["s3Url"] == own["S3_ENDPOINT_URL"]
