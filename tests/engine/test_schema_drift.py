"""A data set's fixed schema against files that changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.exceptions import InputError
from tests.processes import PATIENCE

FIXED = [{"name": "id", "type": "int64"}, {"name": "name", "type": "utf8"}, {"name": "amount", "type": "float64"}]


def diff(path: Path) -> dict[str, Any]:
    return json.loads(engine.schema_diff(json.dumps({"input": {"url": str(path)}, "schema": FIXED})))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,name,amount\n1,Ann,2\n2,Bob,\n", {"same": True}),
        ("id,name,amount\n1,7,2.5\n2,8,\n", {"same": True}),
        ("id,name\n1,Ann\n", {"same": False, "removed": ["amount"]}),
        ("id,name,city,amount\n1,Ann,Pune,2\n", {"same": False, "added": ["city"]}),
        ("name,id,amount\nAnn,1,2\n", {"same": False, "reordered": ["name", "id", "amount"]}),
        ("id,name,amount\nx1,Ann,2\n", {"same": False, "retyped": [("id", "int64", "utf8")]}),
    ],
)
def test_differences(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    found = diff(path)
    told: dict[str, Any] = {"same": found["same"]}
    for name in ("added", "removed"):
        if found[name]:
            told[name] = [column["name"] for column in found[name]]
    if found["retyped"]:
        told["retyped"] = [(column["name"], column["from"], column["to"]) for column in found["retyped"]]
    if found["reordered"]:
        told["reordered"] = found["reordered"]
    assert told == expected


def test_a_change_far_behind_the_sample_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = b"".join(b"%d,some name of a person,%d.5\n" % (n, n) for n in range(500_000))
    middle = rows.index(b"\n", len(rows) * 5 // 8) + 1
    path.write_bytes(b"id,name,amount\n" + rows[:middle] + b"oops,Eve,1\n" + rows[middle:])
    (column,) = diff(path)["retyped"]
    assert (column["name"], column["to"]) == ("id", "utf8")
    assert "`oops` (line 3" in column["reason"]


def test_a_job_on_a_drifted_file_ends_with_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,amount,city\n1,2,Pune\n")
    request = {
        "spec": {"version": 1, "output": {"format": "csv"}},
        "inputs": {"input": {"url": str(path), "format": "csv", "dialect": {"delimiter": ","}, "schema": FIXED}},
        "output": {"url": str(tmp_path / "out.csv")},
    }
    with pytest.raises(InputError) as raised:
        engine.submit(json.dumps(request)).wait(PATIENCE)
    assert raised.value.code == "SCHEMA_DRIFT"
    assert "added `city`; removed `name`" in str(raised.value)
    path.write_text("id,name,amount\n1,Ann,2\nx,Bob,3\n")
    report = json.loads(engine.submit(json.dumps(request)).wait(PATIENCE))
    assert (report["rowsOut"], report["rowsRejected"]) == (1, 1), "a value that does not fit a fixed type is a bad row"
