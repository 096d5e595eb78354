"""Sorting: stable, in every type and direction, in memory and in runs on disk."""

from __future__ import annotations

import json
import random
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import engine
from tests.engine.conftest import Run, request
from tests.processes import PATIENCE

ROWS = 150_000


def expected(rows: list[dict[str, Any]], by: list[dict[str, Any]]) -> list[int]:
    """The row numbers in sorted order, by Python's stable sort."""
    order = list(range(len(rows)))
    for key in reversed(by):
        column, last = key["column"], key.get("nulls", "last") == "last"
        there = [number for number in order if rows[number][column] is not None]
        nulls = [number for number in order if rows[number][column] is None]
        # `reverse` keeps equal ones in their order too.
        there.sort(key=lambda number: rows[number][column], reverse=key.get("descending", False))
        order = there + nulls if last else nulls + there
    return order


def some(rng: random.Random, value: Any) -> Any:
    return None if rng.random() < 0.1 else value


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Rows of all kinds of keys, and their Parquet file. `n` is the row's number."""
    rng = random.Random(7)
    rows = [
        {
            "n": number,
            "few": some(rng, f"group {rng.randrange(30)}" + "é" * rng.randrange(3)),
            "many": some(rng, f"{rng.randrange(20_000)} and a tail that is longer than a prefix"),
            "small": rng.randrange(-5, 5),
            "big": some(rng, rng.randrange(-(2**63), 2**63)),
            "real": some(rng, rng.choice([0.0, 1.5, -1.5, 1e300, -1e-300, float("inf"), rng.random()])),
            "flag": some(rng, rng.random() < 0.5),
            "day": some(rng, date(1960 + rng.randrange(100), 1, 1 + rng.randrange(28))),
            "time": some(rng, datetime.fromisoformat(f"2000-01-01T{rng.randrange(24):02}:{rng.randrange(60):02}")),
            "money": some(rng, Decimal(rng.randrange(-10_000, 10_000)) / 100),
        }
        for number in range(ROWS)
    ]
    path = tmp_path_factory.mktemp("sort") / "rows.parquet"
    schema = pa.schema(
        [
            ("n", pa.int64()),
            ("few", pa.string()),
            ("many", pa.string()),
            ("small", pa.int16()),
            ("big", pa.int64()),
            ("real", pa.float64()),
            ("flag", pa.bool_()),
            ("day", pa.date32()),
            ("time", pa.timestamp("us")),
            ("money", pa.decimal128(9, 2)),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=20_000)
    return path, rows


ORDERS: list[list[dict[str, Any]]] = [
    [{"column": "few"}],
    [{"column": "few", "descending": True, "nulls": "first"}, {"column": "real", "descending": True}],
    [{"column": "many"}, {"column": "small", "descending": True}],
    [{"column": "many", "descending": True, "nulls": "first"}],
    [{"column": "small"}, {"column": "flag", "descending": True, "nulls": "first"}],
    [{"column": "big", "nulls": "first"}],
    [{"column": "flag"}, {"column": "big", "descending": True}],
    [{"column": "real"}],
    [{"column": "day", "descending": True}, {"column": "time"}],
    [{"column": "money", "descending": True}],
    [{"column": "big"}, {"column": "real"}, {"column": "day"}, {"column": "few"}],
]


@pytest.mark.parametrize("by", ORDERS, ids=lambda by: ",".join(key["column"] for key in by))
@pytest.mark.parametrize("limit", [None, 24 << 20], ids=["memory", "spilled"])
def test_all_orders(
    table: tuple[Path, list[dict[str, Any]]], by: list[dict[str, Any]], limit: int | None, tmp_path: Path
) -> None:
    path, rows = table
    spec = {"steps": [{"sort": {"by": by}}]}
    options = {"memoryLimitBytes": limit, "spillDir": str(tmp_path)} if limit else {}
    body = request(spec, {"input": path}, tmp_path / "out.parquet", **options)
    json.loads(engine.submit(body).wait(PATIENCE))
    result = pq.read_table(tmp_path / "out.parquet")
    assert result["n"].to_pylist() == expected(rows, by)
    order = result["n"].to_pylist()
    for column in ("few", "many", "big", "real", "flag", "money"):
        assert result[column].to_pylist() == [rows[number][column] for number in order]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.parquet"]


def test_no_rows(run: Run) -> None:
    report = run({"steps": [{"sort": {"by": [{"column": "b"}]}}], "output": {"format": "csv"}}, "a,b\n")
    assert report["path"].read_text() == "a,b\n"


def test_one_row_and_nested_values(run: Run) -> None:
    text = '{"a": 2, "b": [1, 2]}\n{"a": 1, "b": null}\n{"a": 2, "b": []}\n'
    spec = {"steps": [{"sort": {"by": [{"column": "a"}]}}], "output": {"format": "ndjson"}}
    report = run(spec, text, "out.ndjson", "input.ndjson")
    lines = [json.loads(line) for line in report["path"].read_text().splitlines()]
    assert lines == [{"a": 1, "b": None}, {"a": 2, "b": [1, 2]}, {"a": 2, "b": []}]


def test_rows_of_a_sparse_filter_take_no_more_memory_than_they_are(
    table: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """Texts are views into the buffers of all rows that were read; those of the few that stay are copied together."""
    path, rows = table
    steps = [{"filter": {"where": "small = 3"}}, {"sort": {"by": [{"column": "many"}]}}]
    body = request({"steps": steps}, {"input": path}, tmp_path / "out.parquet")
    json.loads(engine.submit(body).wait(PATIENCE))
    kept = [row for row in rows if row["small"] == 3]
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == [
        kept[number]["n"] for number in expected(kept, [{"column": "many"}])
    ]
