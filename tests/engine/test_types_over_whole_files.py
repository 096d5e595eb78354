"""Types are decided over whole files: what a sample did not show makes a type wider, or a column more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.engine.conftest import Run, inspect


def types(report: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in report["schema"]}


@pytest.fixture(scope="module")
def numbers_but_one() -> bytes:
    """More than a sample of numbers, and one text that stands in no sampled piece."""
    data = b"n,s\n" + b"".join(b"%09d,yyyyyyyyyyyyyyyyyyyy\n" % (100_000_000 + n) for n in range(800_000))
    middle = data.index(b"\n", len(data) * 5 // 8) + 1
    return data[:middle] + b"oops,z\n" + data[middle:]


def test_a_type_is_decided_over_the_whole_file(numbers_but_one: bytes, write: Any, run: Run) -> None:
    path = write("a.csv", numbers_but_one)
    report = run({"output": {"format": "parquet"}}, path, "out.parquet")
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (800_001, 800_001, 0)
    assert {c["name"]: c["type"] for c in report["schema"]} == {"n": "utf8", "s": "utf8"}
    line = numbers_but_one[: numbers_but_one.index(b"oops")].count(b"\n") + 1
    column = inspect(path)["schema"][0]
    assert column["type"] == "utf8"
    assert column["reason"] == f"text: `oops` (line {line}) is no integer"
    assert column["counterExamples"] == [{"line": line, "value": "oops"}]


@pytest.mark.parametrize(
    "spec",
    [
        {"steps": [{"filter": {"where": "n > 100"}}]},
        {"inputs": [{"name": "input", "columns": [{"name": "n", "type": "int64"}]}]},
    ],
    ids=["computed with", "declared"],
)
def test_a_type_that_must_stay_rejects_rows(numbers_but_one: bytes, write: Any, run: Run, spec: dict[str, Any]) -> None:
    report = run({**spec, "output": {"format": "parquet"}}, write("a.csv", numbers_but_one), "out.parquet")
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (800_001, 800_000, 1)
    assert {c["name"]: c["type"] for c in report["schema"]} == {"n": "int64", "s": "utf8"}


def objects(*late: dict[str, Any]) -> bytes:
    """More lines than a sample holds, and these lines where no sampled piece is."""
    lines = [
        json.dumps({"n": n, "props": {"page": n, "ok": True}, "tags": [n], "none": None, "pad": "y" * 40}).encode()
        for n in range(120_000)
    ]
    middle = len(lines) * 5 // 8
    lines[middle:middle] = [json.dumps(line).encode() for line in late]
    data = b"\n".join(lines) + b"\n"
    assert len(data) > 12 << 20
    return data


LATE = (
    {"n": 1.5, "props": {"page": "front"}},
    {"n": 2, "props": {"page": 3, "new": [1]}, "tags": ["a"]},
    {"n": 3, "extra": {"a": 1}, "none": 7},
)


def test_late_values_and_fields_of_json_are_kept(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(objects(*LATE))
    report = run({"output": {"format": "parquet"}}, path, "out.parquet")
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (120_003, 120_003, 0)
    table = pq.read_table(report["path"])
    assert table.schema.names == ["n", "props", "tags", "none", "pad", "extra"]
    assert {column: kind for column, kind in types(report).items() if column not in {"props", "extra"}} == {
        "n": "float64",
        "tags": "list<utf8>",
        "none": "utf8",
        "pad": "utf8",
    }
    late = table.slice(75_000, 3).to_pylist()
    assert [row["n"] for row in late] == [1.5, 2.0, 3.0]
    assert late[0]["props"] == {"page": "front", "ok": None, "new": None}
    assert late[1]["props"] == {"page": "3", "ok": None, "new": [1]}
    assert [row["tags"] for row in late] == [None, ["a"], None]
    assert (late[2]["extra"], late[2]["none"]) == ({"a": 1}, "7")
    assert table.column("props")[0].as_py() == {"page": "0", "ok": True, "new": None}


def test_an_inspection_of_json_looks_at_all_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(objects(*LATE))
    report = inspect(path)
    assert (report["rowEstimate"], report["rowsExact"]) == (120_003, True)
    columns = {column["name"]: column for column in report["schema"]}
    assert list(columns) == ["n", "props", "tags", "none", "pad", "extra"]
    assert columns["n"]["reason"] == "all 120003 values in the file are numbers; `1.5` (line 75001) is no integer"
    assert columns["extra"]["type"].startswith("struct")


@pytest.mark.parametrize(
    ("spec", "rejected", "kept"),
    [
        # more fields in objects, and floats instead of integers, do not change what a step computes; texts would
        ({"steps": [{"derive": {"columns": [{"name": "d", "expr": "n + props['page']"}]}}]}, 1, "float64"),
        ({"inputs": [{"name": "input", "columns": [{"name": "n", "type": "int64"}]}]}, 1, "int64"),
        # what is not read is not looked at
        ({"steps": [{"select": {"columns": ["pad"]}}]}, 0, None),
    ],
    ids=["computed with", "declared", "not read"],
)
def test_what_must_stay_in_json_rejects_rows(
    tmp_path: Path, run: Run, spec: dict[str, Any], rejected: int, kept: str | None
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(objects(*LATE))
    report = run({**spec, "output": {"format": "parquet"}}, path, "out.parquet")
    assert (report["rowsIn"], report["rowsRejected"]) == (120_003, rejected)
    assert types(report).get("n") == kept


def test_names_without_end_do_not_become_columns(tmp_path: Path, run: Run) -> None:
    """Names that are data would make a column each: their lines are rejected, in bounded memory, and told."""
    path = tmp_path / "a.ndjson"
    path.write_bytes(objects(*({"n": 1, f"key{number}": number} for number in range(5000))))
    report = run({"output": {"format": "parquet"}}, path, "out.parquet")
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (125_000, 120_000, 5000)
    assert list(types(report)) == ["n", "props", "tags", "none", "pad"]
    assert any("4096 different fields" in warning for warning in inspect(path)["warnings"])
