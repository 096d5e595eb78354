"""The demo's input is the same on every machine, and its expected answers are right."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ops.demo.orders import expected, write_orders


def test_orders_are_the_same_on_every_run_and_look_real(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    write_orders(first, 2000)
    write_orders(second, 2000)
    assert first.read_bytes() == second.read_bytes()
    with first.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2000
    assert any(row["postcode"].startswith("0") for row in rows)
    assert any('"' in row["note"] for row in rows)
    assert any("," in row["note"] for row in rows)
    assert {row["note"] == "" for row in rows} == {True, False}
    # a computation by hand, against the one that the demo trusts
    wanted: dict[str, tuple[int, float]] = {}
    for row in rows:
        if row["country"] == "India" and float(row["amount"]) > 100:
            count, total = wanted.get(row["status"], (0, 0.0))
            wanted[row["status"]] = (count + 1, total + float(row["amount"]))
    found = expected(first)
    assert found.rows == 2000
    assert found.by_status == {key: (n, pytest.approx(total)) for key, (n, total) in wanted.items()}
