"""The engine and DuckDB on the same generated files: where both have a rule, they read the same."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
from tests.processes import PATIENCE

DIALECTS = st.sampled_from([(",", '"'), (";", '"'), ("\t", '"'), ("|", "'"), (",", "'")])
CELL = st.text(alphabet="ab1 ,;|'\"\té\n€", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet='ab"\\/\né€😀{}[]:,', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=6,
)


def rows_of(source: Path, declared: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Convert by the engine to Parquet; return its rows."""
    output = source.with_suffix(".parquet")
    body = {
        "spec": {"version": 1, "inputs": [{"name": "input", **declared}], "steps": [], "output": {"format": "parquet"}},
        "inputs": {"input": {"url": str(source)}},
        "output": {"url": str(output), "overwrite": True},
    }
    report = json.loads(engine.submit(json.dumps(body)).wait(PATIENCE))
    assert report["rowsRejected"] == 0, report
    table = pq.read_table(output).select([column["name"] for column in declared["columns"]])
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_rows else []


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), dialect=DIALECTS, width=st.integers(2, 4), end=st.sampled_from(["\n", "\r\n"]))
def test_delimited_text(data: st.DataObject, dialect: tuple[str, str], width: int, end: str) -> None:
    delimiter, quote = dialect
    table = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=12))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=csv.QUOTE_ALL)
    names = [f"c{number}" for number in range(width)]
    writer.writerows([names, *table])
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.csv"
        source.write_bytes(text.getvalue().encode())
        columns = [{"name": name, "type": "utf8"} for name in names]
        ours = rows_of(source, {"delimiter": delimiter, "quote": quote, "header": True, "columns": columns})
        options = (
            "delim=$1, quote=$2, escape=$2, header=true, all_varchar=true, auto_detect=false, max_line_size=100000"
        )
        types = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
        ending = "\\r\\n" if end == "\r\n" else "\\n"
        query = f"SELECT * FROM read_csv('{source}', {options}, columns={types}, new_line='{ending}', nullstr='\x01')"
        theirs = duckdb.execute(query, [delimiter, quote]).fetchall()
    assert ours == theirs
    assert ours == [tuple(row) for row in table]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.fixed_dictionaries({"i": st.integers(-(2**63), 2**63 - 1) | st.none(), "s": CELL, "j": JSON}),
        min_size=1,
        max_size=10,
    ),
    ascii_only=st.booleans(),
)
def test_lines_of_json(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.ndjson"
        source.write_text("".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows), encoding="utf-8")
        columns = [{"name": "i", "type": "int64"}, {"name": "s", "type": "utf8"}, {"name": "j", "type": "utf8"}]
        ours = rows_of(source, {"format": "ndjson", "columns": columns})
        types = "{i: 'BIGINT', s: 'VARCHAR', j: 'JSON'}"
        query = f"SELECT i, s, j::VARCHAR FROM read_json('{source}', format='newline_delimited', columns={types})"
        theirs = duckdb.execute(query).fetchall()
    assert [row[:2] for row in ours] == [row[:2] for row in theirs] == [(row["i"], row["s"]) for row in rows]
    for (_, _, mine), (_, _, other), row in zip(ours, theirs, rows, strict=True):
        # of a text DuckDB keeps the JSON, the engine the text
        expected = row["j"]
        assert (mine if isinstance(expected, str | None) else json.loads(mine)) == expected
        assert (None if other is None else json.loads(other)) == expected
