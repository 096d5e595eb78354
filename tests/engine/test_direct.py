"""The direct way at size: order, threads, cancelling, memory. That it gives DataFusion's table is tested in Rust."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from engine.exceptions import StorageError
from tests.engine.conftest import Run


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 MB of CSV with quoted line ends, so that blocks are cut inside of records."""
    path = tmp_path_factory.mktemp("big") / "big.csv"
    rng = random.Random(3)
    with path.open("w", newline="") as file:
        file.write("id,key,amount,text\n")
        for number in range(300_000):
            text = f'"line {number % 7}\nof a ""text"", é"' if number % 5 == 0 else f"plain text {number % 97}"
            file.write(f"{number},{rng.randrange(50_000)},{rng.randrange(100_000) / 100:.2f},{text}\n")
    return path


def rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(), newline="")))


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_rows_come_in_the_order_of_the_input(big: Path, run: Run, threads: int) -> None:
    steps = [
        {"filter": {"where": "amount > 500 AND text LIKE '%text%'"}},
        {"select": {"columns": ["text", "amount", "id"]}},
    ]
    report = run({"steps": steps, "output": {"format": "csv"}}, big, threads=threads)
    expected = [[row[3], row[2], row[0]] for row in rows(big)[1:] if float(row[2]) > 500 and "text" in row[3]]
    assert rows(report["path"]) == [["text", "amount", "id"], *expected]
    assert (report["rowsIn"], report["rowsOut"]) == (300_000, len(expected))
    assert report["rowsFiltered"] == 300_000 - len(expected)
    assert [step["rowsOut"] for step in report["steps"]] == [len(expected)] * 2
    assert report["files"][0]["sizeBytes"] == report["path"].stat().st_size
    assert report["bytesRead"] == big.stat().st_size


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_distinct_keeps_the_first_rows(big: Path, run: Run, threads: int) -> None:
    steps = [{"distinct": {"on": ["key"]}}, {"filter": {"where": "id >= 1000"}}]
    report = run({"steps": steps, "output": {"format": "csv"}}, big, threads=threads)
    header, *data = rows(big)
    first = {row[1]: row for row in reversed(data)}
    expected = [row for row in data if first[row[1]] is row and int(row[0]) >= 1000]
    assert rows(report["path"]) == [header, *expected]
    assert [step["rowsOut"] for step in report["steps"]] == [len(first), len(expected)]


def test_distinct_that_does_not_fit_into_memory_still_ends_well(big: Path, run: Run) -> None:
    steps = [{"distinct": {"on": ["id", "text"]}}]
    report = run({"steps": steps, "output": {"format": "csv"}}, big, memoryLimitBytes=24 << 20, threads=2)
    assert report["rowsOut"] == 300_000
    assert sorted((row[0], row[3]) for row in rows(report["path"])) == sorted((row[0], row[3]) for row in rows(big))


def test_an_output_that_cannot_be_written(big: Path, run: Run) -> None:
    with pytest.raises(StorageError) as raised:
        run({"output": {"format": "csv"}}, big, "no/such/folder.csv")
    assert raised.value.code == "OUTPUT_NOT_WRITABLE"
