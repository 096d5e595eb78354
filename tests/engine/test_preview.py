"""Previews: what each step does to a sample, of a file of any size in the same short time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import engine
from engine.exceptions import SpecError
from tests.engine.conftest import request


def preview(spec: dict[str, Any], rows: int = 10, **inputs: Path) -> dict[str, Any]:
    body = json.loads(request(spec, inputs, Path("unused")))
    del body["output"]
    report: dict[str, Any] = json.loads(engine.preview(json.dumps(body), rows))
    return report


def test_each_step_tells_rows_and_columns(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,country,amount\n1,India,50.5\n2,Nepal,150.25\n3,India,300\nbroken\n4,,120\n")
    steps = [
        {"filter": {"where": "amount > 100"}},
        {"derive": {"columns": [{"name": "double", "expr": "amount * 2"}]}},
        {"drop": {"columns": ["amount"]}},
        {"cast": {"columns": [{"name": "id", "type": "utf8"}]}},
        {"aggregate": {"groupBy": ["country"], "aggregates": [{"name": "n", "expr": "count(*)"}]}},
    ]
    report = preview({"steps": steps}, input=source)
    told = [
        (
            step["step"],
            step["rowsIn"],
            step["rowsOut"],
            [column["name"] for column in step["columnsAdded"]],
            step["columnsRemoved"],
            [(column["name"], column["type"]) for column in step["columnsRetyped"]],
        )
        for step in report["steps"]
    ]
    assert told == [
        ("filter", 4, 3, [], [], []),
        ("derive", 3, 3, ["double"], [], []),
        ("drop", 3, 3, [], ["amount"], []),
        ("cast", 3, 3, [], [], [("id", "utf8")]),
        ("aggregate", 3, 3, ["n"], ["id", "double"], []),
    ]
    assert [step["note"] for step in report["steps"]] == [None] * 5
    assert (report["rowsIn"], report["rowsOut"], report["rowsRejected"]) == (5, 3, 1)
    assert [(reject["line"], reject["raw"]) for reject in report["rejects"]] == [(5, "broken")]
    assert report["sampled"] is False
    assert report["ranges"] == [{"input": "input", "start": 0, "end": source.stat().st_size, "rows": 4}]


def test_of_a_big_file_beginning_middle_and_end_are_read(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    count = 400_000
    with source.open("w") as file:
        file.write("id,note\n")
        for number in range(count):
            # quoted line ends: where a record starts cannot be told from the line ends alone
            file.write(f'{number},"first line {number}, with a comma\nsecond ""line"" of {number}"\n')
    steps = [{"filter": {"where": f"id < 3 OR id >= {count - 2}"}}, {"sort": {"by": [{"column": "id"}]}}]
    report = preview({"steps": steps}, input=source)
    assert report["sampled"] is True
    assert [row[0] for row in report["rows"]] == [0, 1, 2, count - 2, count - 1]
    assert report["rowsRejected"] == 0
    assert report["rows"][0][1] == 'first line 0, with a comma\nsecond "line" of 0'
    size = source.stat().st_size
    head, middle, tail = report["ranges"]
    assert (head["start"], tail["end"]) == (0, size)
    assert size / 3 < middle["start"] < middle["end"] < size * 2 / 3
    assert all(part["rows"] > 5000 for part in report["ranges"])
    assert sum(part["end"] - part["start"] for part in report["ranges"]) < 5 << 20
    assert sum(part["rows"] for part in report["ranges"]) == report["rowsIn"] == report["steps"][0]["rowsIn"]
    assert (report["steps"][0]["note"], report["steps"][1]["note"]) == (None, "sorts the rows of the sample only")


@pytest.mark.parametrize("ending", ["csv", "ndjson", "log"])
def test_the_size_does_not_matter(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"in.{ending}"
    line = {"csv": "1,some text\n", "ndjson": '{"a":1,"b":"some text"}\n', "log": "some text in a log\n"}[ending]
    with source.open("w") as file:
        file.write("a,b\n" if ending == "csv" else "")
        file.write(line * 300_000)
    # 20 GB with nothing in between: what is not read costs nothing
    size = 20 << 30
    with source.open("r+b") as sparse:
        sparse.truncate(size)
        sparse.seek(size // 2 - (1 << 20))
        sparse.write((line * 300_000).encode()[: 3 << 20])
        sparse.seek(size - (3 << 20))
        sparse.write(("\n" + line * 300_000).encode()[: 3 << 20])
    body = json.loads(request({"steps": [{"limit": {"rows": 5}}]}, {"input": source}, tmp_path))
    del body["output"]
    columns = [{"name": "line", "type": "utf8"}]
    if ending != "log":
        columns = [{"name": "a", "type": "int64"}, {"name": "b", "type": "utf8"}]
    dialect = {"delimiter": ",", "quote": '"', "header": True} if ending == "csv" else None
    kind = {"log": "lines"}.get(ending, ending)
    body["inputs"]["input"] |= {"format": kind, "schema": columns, "dialect": dialect, "sizeBytes": size}
    started = time.process_time()
    report = json.loads(engine.preview(json.dumps(body), 5))
    assert time.process_time() - started < 5
    assert report["rows"] == [["some text in a log"] if ending == "log" else [1, "some text"]] * 5
    assert report["sampled"] is True
    assert [part["rows"] > 1000 for part in report["ranges"]] == [True] * 3
    os.truncate(source, 0)


def test_samples_of_parquet_are_rows_from_all_over(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"n": range(1_000_000)}), source, row_group_size=100_000)
    report = preview({"steps": [{"filter": {"where": "n % 100000 = 0 OR n = 999999"}}]}, input=source)
    assert report["sampled"] is True
    # 9 row groups are not read, or not from their beginning on
    assert [row[0] for row in report["rows"]] == [0, 999_999]
    assert [part["rows"] for part in report["ranges"]] == [8192, 4096, 4096]
    whole = tmp_path / "small.parquet"
    pq.write_table(pa.table({"n": range(5000)}), whole, row_group_size=1000)
    report = preview({"steps": []}, input=whole)
    assert (report["sampled"], report["rowsOut"]) == (False, 5000)


def test_joins_are_of_samples_and_say_so(tmp_path: Path) -> None:
    source, other = tmp_path / "in.csv", tmp_path / "other.csv"
    source.write_text("id,x\n1,a\n2,b\n")
    other.write_text("id,y\n2,c\n")
    steps = [{"join": {"input": "other", "how": "left", "on": [{"left": "id", "right": "id"}]}}]
    report = preview({"steps": steps}, input=source, other=other)
    assert report["steps"][0]["note"] is None
    assert sorted(report["rows"]) == [[1, "a", None], [2, "b", "c"]]
    other.write_text("id,y\n" + "".join(f"{number},some text that fills the file\n" for number in range(500_000)))
    report = preview({"steps": steps}, input=source, other=other)
    assert "may seem to have no partner" in report["steps"][0]["note"]


def test_problems_have_the_paths_of_the_whole_pipeline(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id\n1\n")
    steps = [{"limit": {"rows": 1}}, {"filter": {"where": "nope = 1"}}, {"drop": {"columns": ["no"]}}]
    with pytest.raises(SpecError) as raised:
        preview({"steps": steps}, input=source)
    assert [p.path for p in raised.value.problems] == ["steps[1].filter.where", "steps[2].drop.columns[0]"]


def test_a_bad_row_fails_where_the_specification_says_so(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a,b\n1,2\n3\n")
    with pytest.raises(engine.EngineError) as raised:
        preview({"steps": [], "onBadRow": "fail"}, input=source)
    assert (raised.value.code, raised.value.row) == ("BAD_ROW", 3)
