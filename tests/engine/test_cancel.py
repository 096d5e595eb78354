"""Cancelled jobs end in the middle of their work: nothing more is read, nothing is left behind.

How fast is measured by `python -m tests.bench cancel`; here no clock decides.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.exceptions import CancelledError
from tests.engine.conftest import request
from tests.processes import PATIENCE

ROWS = 3_000_000


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 MB of CSV."""
    path = tmp_path_factory.mktemp("cancel") / "big.csv"
    rows = "".join(
        f"{n},{n * 7919 % 1000003},{n % 97},some text that is not short {n * 31 % 10007}\n" for n in range(ROWS // 10)
    )
    path.write_text("id,key,few,text\n" + rows * 10)
    return path


SORT: list[dict[str, Any]] = [{"sort": {"by": [{"column": "key"}, {"column": "text"}]}}]
GROUP = [{"aggregate": {"groupBy": ["key"], "aggregates": [{"name": "n", "expr": "count(*)"}]}}]
PAIRS = [{"sql": {"query": "SELECT a.few, count(*) AS n FROM input a JOIN input b ON a.few = b.few GROUP BY a.few"}}]


@pytest.mark.parametrize(
    ("steps", "output", "limit"),
    [
        ([{"filter": {"where": "few < 90"}}], "csv", None),
        ([], "parquet", None),
        ([], "ndjson", None),
        (SORT, "parquet", None),
        (SORT, "parquet", 96 << 20),
        (GROUP, "csv", None),
        (PAIRS, "csv", None),
        ([{"distinct": {"on": ["key", "text"]}}], "csv", 64 << 20),
    ],
    ids=["direct", "parquet", "ndjson", "sort", "sort spilling", "group", "join", "distinct spilling"],
)
def test_a_cancelled_job_ends_in_the_middle(
    big: Path, tmp_path: Path, steps: list[dict[str, Any]], output: str, limit: int | None
) -> None:
    spill, out = tmp_path / "spill", tmp_path / "out"
    spill.mkdir()
    out.mkdir()
    spec = {"steps": steps, "output": {"format": output}}
    body = request(spec, {"input": big}, out / "result", memoryLimitBytes=limit, spillDir=str(spill), threads=1)
    # A job may be faster than the test: then it is run again.
    caught = [cancelled_after(body, wanted, out) for wanted in (1, big.stat().st_size // 3) for _ in range(5)]
    assert any(caught)
    left = [path for path in spill.rglob("*") if path.is_file()]
    for _ in range(100):
        if not left:
            break
        time.sleep(0.1)
        left = [path for path in spill.rglob("*") if path.is_file()]
    assert left == []


def cancelled_after(body: str, wanted: int, out: Path) -> bool:
    """Cancel a job that has read `wanted` bytes; False if it ended before."""
    handle = engine.submit(body)
    while handle.progress()["bytesRead"] < wanted and not handle.is_done():
        time.sleep(0.001)
    handle.cancel()
    try:
        handle.wait(PATIENCE)
    except CancelledError:
        read = handle.progress()["bytesRead"]
        assert handle.progress()["stage"] == "done"
        assert list(out.iterdir()) == []
        time.sleep(0.1)
        # Threads that were in the middle of a block end after it.
        assert handle.progress()["bytesRead"] - read <= 8 << 20
        return True
    (out / "result").unlink()
    return False


def test_a_spill_quota_is_a_clear_error(big: Path, tmp_path: Path) -> None:
    body = request(
        {"steps": SORT, "output": {"format": "parquet"}},
        {"input": big},
        tmp_path / "out.parquet",
        memoryLimitBytes=64 << 20,
        spillDir=str(tmp_path),
        spillLimitBytes=20 << 20,
    )
    with pytest.raises(engine.exceptions.ResourcesExhaustedError) as raised:
        engine.submit(body).wait(PATIENCE)
    assert raised.value.code == "RESOURCES_EXHAUSTED"
    assert "disk space" in str(raised.value)
    assert "spill limit" in (raised.value.hint or "")
    assert json.loads(engine.submit(body.replace(str(20 << 20), str(2 << 30))).wait(PATIENCE))["rowsOut"] == ROWS
