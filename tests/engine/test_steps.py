"""Steps on inputs of many batches: samples, expectations, `distinct` within little memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import engine
from engine.exceptions import InputError
from tests.engine.conftest import Run, request


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300,000 rows; `key` repeats, `amount` is negative for one row in a thousand."""
    path = tmp_path_factory.mktemp("steps") / "big.csv"
    rng = random.Random(3)
    with path.open("w") as file:
        file.write("id,key,amount,text\n")
        for number in range(300_000):
            amount = -number if number % 1000 == 999 else rng.randrange(1000)
            file.write(f"{number},key {rng.randrange(200_000)},{amount},some text of the row {number}\n")
    return path


def ids(report: dict[str, object]) -> list[int]:
    found: list[int] = pq.read_table(report["path"])["id"].to_pylist()
    return found


def test_a_sample_is_the_same_whatever_the_threads(big: Path, run: Run) -> None:
    steps = [{"filter": {"where": "amount >= 0"}}, {"sample": {"fraction": 0.1, "seed": 42}}]
    one = run({"steps": steps}, big, "one.parquet", threads=1)
    many = run({"steps": steps}, big, "many.parquet", threads=7)
    little = run({"steps": steps}, big, "little.parquet", threads=3, memoryLimitBytes=100 << 20)
    assert ids(one) == ids(many) == ids(little)
    assert 29_000 < one["rowsOut"] < 31_000
    assert one["rowsFiltered"] == 300_000 - one["rowsOut"]
    assert one["steps"][1] == {"step": "sample", "rowsOut": one["rowsOut"], "seed": 42}


def test_a_sample_behind_an_aggregate_is_the_same_whatever_the_threads(big: Path, run: Run) -> None:
    group = {"aggregate": {"groupBy": ["key"], "aggregates": [{"name": "id", "expr": "min(id)"}]}}
    steps = [group, {"sample": {"fraction": 0.1, "seed": 1}}]
    one = run({"steps": steps}, big, "one.parquet", threads=1)
    many = run({"steps": steps}, big, "many.parquet", threads=5)
    assert ids(one) == ids(many)


def test_a_sample_without_a_seed_can_be_repeated(big: Path, run: Run) -> None:
    first = run({"steps": [{"sample": {"fraction": 0.01}}]}, big, "first.parquet")
    seed = first["steps"][0]["seed"]
    again = run({"steps": [{"sample": {"fraction": 0.01, "seed": seed}}]}, big, "again.parquet")
    other = run({"steps": [{"sample": {"fraction": 0.01}}]}, big, "other.parquet")
    assert ids(first) == ids(again) != ids(other)


def test_expectations_count_and_the_ledger_balances(big: Path, run: Run) -> None:
    steps = [
        {"expect": {"name": "even", "that": "id % 2 = 0", "onFail": "warn"}},
        {"filter": {"where": "id < 200000"}},
        {"expect": {"name": "positive", "that": "amount >= 0"}},
    ]
    report = run({"steps": steps}, big, "o.parquet")
    assert [report[name] for name in ("rowsIn", "rowsOut", "rowsFiltered", "rowsRejected")] == [
        300_000,
        199_800,
        100_000,
        200,
    ]
    assert report["steps"] == [
        {"step": "expect", "rowsOut": 300_000, "expectation": "even", "rowsBroken": 150_000},
        {"step": "filter", "rowsOut": 200_000},
        {"step": "expect", "rowsOut": 199_800, "expectation": "positive", "rowsBroken": 200},
    ]
    assert report["rejects"]["rows"] == 200
    lines = Path(f"{report['path']}.rejects.csv").read_text().splitlines()
    assert [int(line.split('""id"":')[1].split(",")[0]) for line in lines[1:]] == list(range(999, 200_000, 1000))


def test_a_failed_expectation_counts_all_rows(big: Path, run: Run, tmp_path: Path) -> None:
    steps = [{"expect": {"name": "positive", "that": "amount >= 0", "onFail": "fail"}}]
    with pytest.raises(InputError) as raised:
        run({"steps": steps}, big, "o.parquet")
    assert raised.value.code == "EXPECTATION_FAILED"
    assert "not true for 300 rows" in raised.value.message
    assert '"id":999' in raised.value.message
    assert (raised.value.step, raised.value.column) == (0, "amount")
    assert not list(tmp_path.glob("*o.parquet*"))


def test_rejects_of_an_attempt_that_ran_out_of_memory_are_not_booked_twice(big: Path, run: Run) -> None:
    # the aggregate does not fit at first; the job runs again with less parallel work
    group = {"aggregate": {"groupBy": ["key", "text"], "aggregates": [{"name": "id", "expr": "min(id)"}]}}
    steps = [{"expect": {"name": "positive", "that": "amount >= 0"}}, group]
    report = run({"steps": steps}, big, "o.parquet", memoryLimitBytes=64 << 20, threads=4)
    assert report["rowsRejected"] == report["rejects"]["rows"] == 300
    assert report["rowsOut"] == 299_700


def test_distinct_within_little_memory(big: Path, tmp_path: Path) -> None:
    """In a process of its own: peak memory is the process's. The limit leaves the keys half of it: they go to files."""
    rows = [line.split(",") for line in big.read_text().splitlines()[1:]]
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(row[1], int(row[0]))
    spec = {"steps": [{"distinct": {"on": ["key"]}}], "output": {"format": "parquet"}}
    program = "import engine, sys; print(engine.submit(sys.stdin.read()).wait())"
    for limit in (1 << 20, 8 << 20, 64 << 20):
        body = request(
            spec, {"input": big}, tmp_path / "o.parquet", memoryLimitBytes=limit, spillDir=str(tmp_path), overwrite=True
        )
        done = subprocess.run([sys.executable, "-c", program], input=body, capture_output=True, text=True, check=True)
        report = json.loads(done.stdout)
        assert pq.read_table(tmp_path / "o.parquet")["id"].to_pylist() == list(first.values())
        assert report["rowsIn"] == report["rowsOut"] + report["rowsFiltered"] == 300_000


def test_preview_shows_rows_that_an_expectation_rejects(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a\n1\n-1\n")
    body = json.loads(request({"steps": [{"expect": {"name": "p", "that": "a > 0"}}]}, {"input": source}, tmp_path))
    del body["output"]
    report = json.loads(engine.preview(json.dumps(body), 10))
    assert report["rows"] == [[1]]
    assert report["rejects"] == [
        {
            "line": None,
            "byteOffset": None,
            "column": "a",
            "reason": "expectation `p` is not true: a > 0",
            "raw": '{"a":-1}',
        }
    ]
