"""Jobs: outputs that appear whole or not at all, cancelling, memory, formats, order."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import engine
from engine.exceptions import CODES, EngineError, SpecError, StorageError
from tests.engine.conftest import Run, request


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 MB of CSV, one million rows."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    rng = random.Random(1)
    with path.open("w") as file:
        file.write("id,key,amount,text\n")
        for number in range(1_000_000):
            file.write(
                f"{number},{rng.randrange(10**9)},{rng.randrange(10_000) / 100},some text number {number % 97}\n"
            )
    return path


def test_an_output_is_not_overwritten_unless_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(StorageError) as raised:
        run({"output": {"format": "csv"}}, "a\n1\n")
    assert raised.value.code == "OUTPUT_EXISTS"
    assert (tmp_path / "out.csv").read_text() == "mine"
    run({"output": {"format": "csv"}}, "a\n1\n", overwrite=True)
    assert (tmp_path / "out.csv").read_text() == "a\n1\n"


def test_an_output_folder_gets_part_and_rejects(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n3\n")
    folder = f"file://{tmp_path}/result/"
    body = json.loads(request({"output": {"format": "csv"}}, {"input": source}, tmp_path))
    body["output"]["url"] = folder
    report = json.loads(engine.submit(json.dumps(body)).wait())
    assert sorted(path.name for path in (tmp_path / "result").iterdir()) == ["part-00000.csv", "rejects.csv"]
    assert report["files"][0] == {
        "url": f"{folder}part-00000.csv",
        "name": "part-00000.csv",
        "format": "csv",
        "sizeBytes": 8,
        "rows": 1,
    }
    assert report["rejects"]["url"] == f"{folder}rejects.csv"


def test_a_failed_job_leaves_nothing(run: Run, tmp_path: Path) -> None:
    text = "a\n" + "1\n" * 200_000 + "0\n"
    spec = {"steps": [{"derive": {"columns": [{"name": "b", "expr": "1 / a"}]}}], "output": {"format": "csv"}}
    with pytest.raises(EngineError) as raised:
        run(spec, text)
    assert raised.value.code == "VALUE_ERROR"
    assert [path.name for path in tmp_path.iterdir()] == ["input.csv"]


def test_an_output_folder_that_does_not_exist(run: Run) -> None:
    with pytest.raises(StorageError) as raised:
        run({}, "a\n1\n", "no/such/folder.csv")
    assert raised.value.code == "OUTPUT_NOT_WRITABLE"


def test_wait_with_timeout(big: Path, tmp_path: Path) -> None:
    job = engine.submit(request({}, {"input": big}, tmp_path / "out.parquet"))
    with pytest.raises(TimeoutError):
        job.wait(0.001)
    job.cancel()


def test_a_sort_spills_within_its_limit(big: Path, tmp_path: Path) -> None:
    """In a process of its own: peak memory is the process's."""
    spec = {"steps": [{"sort": {"by": [{"column": "key"}]}}], "output": {"format": "parquet"}}
    body = request(
        spec, {"input": big}, tmp_path / "out.parquet", memoryLimitBytes=200 << 20, spillDir=str(tmp_path), threads=2
    )
    program = "import engine, sys; print(engine.submit(sys.stdin.read()).wait())"
    done = subprocess.run([sys.executable, "-c", program], input=body, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["rowsOut"] == 1_000_000
    assert report["peakMemoryBytes"] < 450 << 20
    keys = pq.read_table(tmp_path / "out.parquet")["key"].to_pylist()
    assert keys == sorted(keys)


def test_filters_keep_the_order_of_the_input(big: Path, run: Run) -> None:
    report = run({"steps": [{"filter": {"where": "key % 3 = 0"}}, {"select": {"columns": ["id"]}}]}, big, "o.parquet")
    ids = pq.read_table(report["path"])["id"].to_pylist()
    assert ids == sorted(ids)
    assert report["rowsFiltered"] == 1_000_000 - len(ids)
    assert report["steps"] == [{"step": "filter", "rowsOut": len(ids)}, {"step": "select", "rowsOut": len(ids)}]


def test_sorted_rows_stay_sorted_through_later_steps(big: Path, run: Run) -> None:
    steps = [
        {"sort": {"by": [{"column": "key"}]}},
        {"derive": {"columns": [{"name": "half", "expr": "key / 2"}]}},
        {"filter": {"where": "amount > 50"}},
        {"drop": {"columns": ["key"]}},
    ]
    halves = pq.read_table(run({"steps": steps}, big, "o.parquet")["path"])["half"].to_pylist()
    assert len(halves) > 400_000
    assert halves == sorted(halves)


def test_limits_between_sort_and_filter(big: Path, run: Run) -> None:
    sort = {"sort": {"by": [{"column": "key"}]}}
    some = {"filter": {"where": "amount > 50"}}
    few = {"limit": {"rows": 20_000, "offset": 10}}
    for steps in ([sort, few, some], [sort, some, few]):
        keys = pq.read_table(run({"steps": steps}, big, "o.parquet", overwrite=True)["path"])["key"].to_pylist()
        assert keys == sorted(keys)
        assert max(keys) < (25_000_000 if steps[1] is few else 50_000_000)


def test_formats_round_trip(run: Run) -> None:
    text = 'i,f,d,t,z,b,s\n1,1.5,2024-02-29,2024-02-29T10:00:00,2024-02-29T10:00:00Z,true,"x,""y"\n,,,,,,\n'
    plain = {}
    previous: Path | str = text
    for kind in ("parquet", "arrow", "csv"):
        report = run({"output": {"format": kind}}, previous, f"out.{kind}")
        plain[kind] = report["schema"]
        previous = report["path"]
    assert plain["parquet"] == plain["arrow"] == plain["csv"]
    assert [column["type"] for column in plain["csv"]] == [
        "int64",
        "float64",
        "date",
        "timestamp",
        "timestamp(UTC)",
        "boolean",
        "utf8",
    ]
    assert Path(previous).read_text() == text


def test_empty_results_are_valid_files(run: Run) -> None:
    steps = [{"filter": {"where": "a > 5"}}]
    parquet = run({"steps": steps, "output": {"format": "parquet"}}, "a,b\n1,x\n", "o.parquet")
    table = pq.read_table(parquet["path"])
    assert table.schema.equals(pa.schema([("a", pa.int64()), ("b", pa.string())]))
    assert table.num_rows == 0
    arrow = run({"steps": steps, "output": {"format": "arrow"}}, "a,b\n1,x\n", "o.arrow")
    assert pa.ipc.open_file(arrow["path"]).schema == table.schema


def test_parquet_in_counts_rows_that_were_never_read(run: Run) -> None:
    source = run({}, "a\n" + "".join(f"{n}\n" for n in range(1000)), "in.parquet")["path"]
    report = run({"steps": [{"filter": {"where": "a < 10"}}], "output": {"format": "csv"}}, source)
    assert [report[name] for name in ("rowsIn", "rowsOut", "rowsFiltered", "rowsRejected")] == [1000, 10, 990, 0]
    assert 0 < report["bytesRead"] <= 2 * source.stat().st_size


def test_a_self_union_counts_what_was_read(run: Run, tmp_path: Path) -> None:
    sql = "SELECT a FROM input UNION ALL SELECT a FROM input"
    report = run({"steps": [{"sql": {"query": sql}}], "output": {"format": "csv"}}, "a,b\n1,2\n3\n")
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (2, 2, 1)


def test_rust_and_python_know_the_same_errors() -> None:
    from engine import _engine

    assert {code: name for code, name, _ in _engine.error_codes()} == {code: c.__name__ for code, c in CODES.items()}


def test_an_invalid_specification_carries_its_problems(run: Run) -> None:
    with pytest.raises(SpecError) as raised:
        run({"steps": [{"filter": {"where": "nope = 1"}}, {"limit": {"rows": -1}}]}, "a\n1\n")
    assert raised.value.code == "INVALID_SPEC"
    assert [p.path for p in raised.value.problems] == ["steps[1].limit.rows"]


def test_s3_without_keys(tmp_path: Path) -> None:
    body = json.loads(request({}, {}, tmp_path / "o.csv"))
    body["inputs"] = {"input": {"url": "s3://bucket/key"}}
    with pytest.raises(SpecError) as raised:
        engine.submit(json.dumps(body)).wait()
    assert "storage" in (raised.value.hint or "")


def test_import_is_light() -> None:
    program = (
        "import sys, engine; print(len(sys.modules), [m for m in sys.modules if m in ('asyncio', 'pyarrow', 'graph')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1)[1].strip() == "[]"
