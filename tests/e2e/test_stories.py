"""The three stories that must always work, through public interfaces only, each answer checked independently."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow.flight as fl
import pytest
from polars.testing import assert_frame_equal

from tests.stack import ROOT, SIGN, Account, Refused, Stack, put

UPDATED = """subscription($id: ID!) { jobUpdated(id: $id) { status progress { fraction rowsIn rowsOut } } }"""
LOG_LINES = "subscription($id: ID!) { jobLog(id: $id) { message level } }"
PRESENT = "query($id: ID!) { upload(id: $id) { status presentParts partCount } }"
STATUS = """query { systemStatus { jobs { status count } queueDepth queueOldestSeconds
  workers { id alive slots running } lastHour { jobsFinished jobsFailed errorRate bytesRead rowsIn }
  machine { cores memoryTotalBytes diskFreeBytes apiMemoryBytes } } }"""


# 1: an analyst keeps the lines of a log that contain ERROR -------------------------------------------------------


@pytest.fixture(scope="module")
def log_file() -> bytes:
    """75 MB of log, more than one part, with lines that only look like errors and no newline at the end."""
    dice = random.Random(11)
    levels = ["INFO"] * 60 + ["DEBUG"] * 30 + ["WARN"] * 8 + ["ERROR", "error"]
    block = "".join(
        f"2026-11-24T10:{dice.randrange(60):02}:{dice.randrange(60):02} {dice.choice(levels)} "
        f"[worker-{dice.randrange(16)}] request {dice.randrange(10**9)} took {dice.randrange(5000)} ms, "
        f'"quoted, text" नमस्ते\n'
        for _ in range(20_000)
    ).encode()
    return block * (75_000_000 // len(block) + 1) + b"2026-11-24 ERROR the last line has no newline"


def test_an_analyst_keeps_the_lines_with_error(user: Account, log_file: bytes) -> None:
    upload = user.begin("service.log", len(log_file))
    count, size = int(upload["partCount"]), int(upload["partSizeBytes"])
    assert count > 1
    # out of order, and interrupted after the last part: what is there is known to the service
    signed = user.gql(SIGN, {"i": {"uploadId": upload["id"], "partNumbers": list(range(1, count + 1))}})
    urls = {part["partNumber"]: part["url"] for part in signed["signUploadParts"]["parts"]}
    answer = put(urls[count], log_file[(count - 1) * size :])
    assert answer.status_code == 200
    assert answer.headers["etag"]
    state = user.gql(PRESENT, {"id": upload["id"]})["upload"]
    assert state == {"status": "ACTIVE", "presentParts": [count], "partCount": count}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sent = pool.map(lambda n: put(urls[n], log_file[(n - 1) * size : n * size]).status_code, range(1, count))
        assert set(sent) == {200}
    dataset = user.complete(upload)
    assert user.wait_dataset(dataset)["format"] == "lines"

    spec = {
        "version": 1,
        "steps": [{"filter": {"where": "line LIKE '%ERROR%'"}}],
        "output": {"format": "lines"},
    }
    job = user.start_job(spec, input=dataset)
    states = list(user.watch(UPDATED, {"id": job}))
    assert states[-1]["status"] == "SUCCEEDED"
    order = ["PENDING", "RUNNING", "SUCCEEDED"]
    seen = [order.index(state["status"]) for state in states]
    assert seen == sorted(seen)
    rows = [int(state["progress"]["rowsIn"]) for state in states if state["progress"]]
    assert rows == sorted(rows)
    messages = [line["message"] for line in user.watch(LOG_LINES, {"id": job})]
    assert any("Attempt 1" in message for message in messages)

    done = user.wait_job(job)
    wanted = [line for line in log_file.split(b"\n") if b"ERROR" in line]
    assert user.download(done).splitlines() == wanted
    lines = log_file.count(b"\n") + 1
    counters = {name: int(value) for name, value in done["progress"].items() if name.startswith("rows")}
    assert counters == {
        "rowsIn": lines,
        "rowsOut": len(wanted),
        "rowsFiltered": lines - len(wanted),
        "rowsRejected": 0,
    }
    answer = httpx.get(done["result"]["files"][0]["url"], headers={"Range": "bytes=0-9"})
    assert answer.status_code == 206
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["content-type"].startswith("text/plain")


# 2: a data scientist converts CSV to Parquet and loads it in Polars by one line ----------------------------------


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV with quotes, commas and newlines inside quotes, nulls, leading zeros, dates."""
    dice = random.Random(5)
    rows = 200_000
    notes = ["plain", "with, comma", 'with "quotes"', "two\nlines", "", "नमस्ते"]
    frame = pl.DataFrame(
        {
            "id": range(rows),
            "code": [f"{dice.randrange(10_000):05}" for _ in range(rows)],
            "amount": [None if dice.random() < 0.05 else dice.randrange(10**6) / 100 for _ in range(rows)],
            "note": [dice.choice(notes) or None for _ in range(rows)],
            "day": [f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}" for _ in range(rows)],
        }
    )
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    frame.write_csv(path)
    return path


def karyaksham(home: Path, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with a configuration of its own."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ops.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, **options)


def test_a_data_scientist_converts_and_loads_by_flight(
    stack: Stack, user: Account, orders: Path, tmp_path: Path
) -> None:
    def run(*arguments: str | Path, **options: Any) -> str:
        done = karyaksham(tmp_path / "config", *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run("login", stack.url, "--email", user.email, "--password-stdin", input=user.password + "\n")
    stored = tmp_path / "config/karyaksham/login.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert user.password not in stored.read_text()
    dataset = run("upload", orders)
    spec = tmp_path / "convert.json"
    spec.write_text(json.dumps({"version": 1, "steps": [], "output": {"format": "parquet"}}))
    job = run("run-job", spec, "--input", dataset, "--wait")
    target = tmp_path / "orders.parquet"
    run("get", job, "-o", target)

    wanted = pl.read_csv(orders, schema_overrides={"code": pl.String}, try_parse_dates=True)
    assert_frame_equal(pl.read_parquet(target).sort("id"), wanted, check_dtypes=False)

    flight = user.wait_job(job)["result"]["flight"]
    # the one line, as the service prints it
    names: dict[str, Any] = {}
    exec(flight["snippets"]["polars"], names)
    assert_frame_equal(names["df"].sort("id"), wanted, check_dtypes=False)
    assert names["df"]["code"].dtype == pl.String
    exec(flight["snippets"]["pandas"], names)
    assert len(names["df"]) == wanted.height
    exec(flight["snippets"]["duckdb"], names)
    assert pl.DataFrame(pl.from_arrow(names["df"])).height == wanted.height

    # by path and bearer token, as any Flight client
    token = json.loads(stored.read_text())["token"]
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
    client = fl.connect(stack.flight_url)
    info = client.get_flight_info(fl.FlightDescriptor.for_path("jobs", job), options)
    tables = [client.do_get(endpoint.ticket, options).read_all() for endpoint in info.endpoints]
    assert sum(table.num_rows for table in tables) == wanted.height
    assert all(table.schema == info.schema for table in tables)


# 3: an administrator sees everything on one page -----------------------------------------------------------------


def test_an_administrator_sees_jobs_queue_rates_and_load(stack: Stack, user: Account) -> None:
    admin = stack.admin()

    def look() -> dict[str, Any]:
        status: dict[str, Any] = admin.gql(STATUS)["systemStatus"]
        return status | {"counts": {entry["status"]: entry["count"] for entry in status["jobs"]}}

    before = look()
    dataset = user.upload("id,amount\n1,5\n2,oops\n3,7\n" * 1000)
    user.run_job({"version": 1, "steps": [], "output": {"format": "csv"}}, input=dataset)
    failing = {
        "version": 1,
        "steps": [{"derive": {"columns": [{"name": "x", "expr": "1 / (CAST(id AS BIGINT) - CAST(id AS BIGINT))"}]}}],
        "output": {"format": "csv"},
    }
    failed = user.wait_job(user.start_job(failing, input=dataset))
    assert failed["status"] == "FAILED", failed
    assert failed["error"]["code"]
    assert failed["error"]["message"]

    # the page may be some seconds old: it is read once for all who look
    deadline = time.monotonic() + 20
    while (after := look())["lastHour"]["jobsFinished"] < before["lastHour"]["jobsFinished"] + 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert after["counts"]["SUCCEEDED"] >= before["counts"].get("SUCCEEDED", 0) + 1
    assert after["counts"]["FAILED"] >= before["counts"].get("FAILED", 0) + 1
    assert after["lastHour"]["jobsFinished"] >= before["lastHour"]["jobsFinished"] + 2
    assert after["lastHour"]["jobsFailed"] >= before["lastHour"]["jobsFailed"] + 1
    assert 0 < after["lastHour"]["errorRate"] <= 1
    assert int(after["lastHour"]["rowsIn"]) > int(before["lastHour"]["rowsIn"])
    assert any(worker["alive"] and worker["slots"] > 0 for worker in after["workers"])
    assert after["machine"]["cores"] == os.cpu_count()
    assert int(after["machine"]["diskFreeBytes"]) > 0
    assert int(after["machine"]["apiMemoryBytes"]) > 10_000_000

    live = admin.watch("subscription { systemStatusChanged { queueDepth jobs { status count } } }", {})
    assert next(iter(live))["queueDepth"] >= 0
    with pytest.raises(Refused) as refused:
        user.gql(STATUS)
    assert refused.value.code == "FORBIDDEN"

    metrics = httpx.get(f"{stack.url}/metrics").text
    assert "karyaksham" in metrics


def test_two_runs_give_the_same_bytes(user: Account) -> None:
    dataset = user.upload("id,name\n" + "".join(f"{n},n{n}\n" for n in range(50_000)))
    spec = {"version": 1, "steps": [{"filter": {"where": "id % 7 = 3"}}], "output": {"format": "csv"}}
    first, second = (user.download(user.run_job(spec, input=dataset)) for _ in range(2))
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert first.splitlines() == [b"id,name", *(f"{n},n{n}".encode() for n in range(50_000) if n % 7 == 3)]
