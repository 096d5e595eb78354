"""Results of many files: folders by values, files of a bounded size, all or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import engine
from engine.exceptions import EngineError, SpecError, StorageError
from tests.engine.conftest import request
from tests.processes import PATIENCE

ORDERS = "id,country,year,amount\n" + "".join(
    f"{n},{['India', 'New Zealand', 'a/b=c', ''][n % 4]},{2020 + n % 3},{n / 4}\n" for n in range(1000)
)


def run(tmp_path: Path, output: dict[str, Any], text: str = ORDERS, **options: Any) -> dict[str, Any]:
    """Run a conversion into `tmp_path/out/`; returns the report."""
    source = tmp_path / "input.csv"
    source.write_text(text)
    overwrite = options.pop("overwrite", False)
    body = json.loads(request({"steps": options.pop("steps", []), "output": output}, {"input": source}, tmp_path))
    body["output"] = {"url": f"file://{tmp_path}/out/", "overwrite": overwrite}
    report: dict[str, Any] = json.loads(engine.submit(json.dumps({**body, **options})).wait(PATIENCE))
    return report


def files(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_hive_folders_hold_all_rows_in_order(tmp_path: Path) -> None:
    report = run(tmp_path, {"format": "parquet", "partitionBy": ["country", "year"]})
    assert files(tmp_path) == sorted(file["name"] for file in report["files"])
    assert len(report["files"]) == 12
    assert "country=New%20Zealand/year=2020/part-00000.parquet" in files(tmp_path)
    assert "country=__HIVE_DEFAULT_PARTITION__/year=2022/part-00000.parquet" in files(tmp_path)
    assert [column["name"] for column in report["schema"]] == ["id", "amount"]
    assert report["rowsOut"] == sum(file["rows"] for file in report["files"]) == 1000
    for file in report["files"]:
        path = tmp_path / "out" / file["name"]
        assert path.stat().st_size == file["sizeBytes"]
        ids = pq.ParquetFile(path).read()["id"].to_pylist()
        assert ids == sorted(ids)
        values = [item["value"] for item in file["partition"]]
        assert all(values == [["India", "New Zealand", "a/b=c", None][n % 4], str(2020 + n % 3)] for n in ids)
    table = ds.dataset(tmp_path / "out", format="parquet", partitioning="hive").to_table().to_pylist()
    found = {(row["id"], row["country"], row["year"]) for row in table}
    assert found == {(n, ["India", "New Zealand", "a/b=c", None][n % 4], 2020 + n % 3) for n in range(1000)}


def test_csv_partitions_and_rejects(tmp_path: Path) -> None:
    steps = [{"expect": {"name": "positive", "that": "amount > 0"}}]
    report = run(tmp_path, {"format": "csv", "partitionBy": ["year"]}, steps=steps)
    assert files(tmp_path) == ["rejects.csv", *(f"year={year}/part-00000.csv" for year in (2020, 2021, 2022))]
    assert report["rowsRejected"] == 1
    assert (tmp_path / "out/year=2021/part-00000.csv").read_text().startswith("id,country,amount\n1,New Zealand,0.25\n")


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
def test_files_of_a_bounded_size(tmp_path: Path, kind: str) -> None:
    text = "id,text\n" + "".join(f"{n},{n * 2654435761 % 2**40:x}{n:x}\n" for n in range(100_000))
    report = run(tmp_path, {"format": kind, "maxFileBytes": 300_000}, text)
    assert len(report["files"]) > 2
    assert [file["name"] for file in report["files"]] == [f"part-{n:05}.{kind}" for n in range(len(report["files"]))]
    assert sum(file["rows"] for file in report["files"]) == 100_000
    # a file ends with a batch; Parquet is judged by its size before the last pages are compressed
    least = 50_000 if kind == "parquet" else 300_000
    assert all(least <= file["sizeBytes"] < 1_500_000 for file in report["files"][:-1])
    if kind == "parquet":
        ids = [n for file in report["files"] for n in pq.read_table(tmp_path / "out" / file["name"])["id"].to_pylist()]
        assert ids == list(range(100_000))


def test_many_partitions_within_little_memory(tmp_path: Path) -> None:
    text = "id,key,text\n" + "".join(f"{n},{n * 7919 % 1000},{'x' * 100}{n}\n" for n in range(200_000))
    report = run(tmp_path, {"format": "parquet", "partitionBy": ["key"]}, text, memoryLimitBytes=128 << 20)
    assert len(report["files"]) == 1000
    assert report["rowsOut"] == sum(file["rows"] for file in report["files"]) == 200_000
    ids = pq.read_table(tmp_path / "out/key=7/part-00000.parquet", partitioning=None)["id"].to_pylist()
    assert ids == [n for n in range(200_000) if n * 7919 % 1000 == 7]


def test_too_many_partitions_leave_nothing(tmp_path: Path) -> None:
    text = "id,key\n" + "".join(f"{n},{n}\n" for n in range(5000))
    with pytest.raises(SpecError) as raised:
        run(tmp_path, {"format": "csv", "partitionBy": ["key"]}, text)
    assert raised.value.code == "TOO_MANY_PARTITIONS"
    assert "fewer values" in (raised.value.hint or "")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_job_leaves_nothing(tmp_path: Path) -> None:
    steps = [{"derive": {"columns": [{"name": "bad", "expr": "1 / (999 - id)"}]}}]
    with pytest.raises(EngineError) as raised:
        run(tmp_path, {"format": "csv", "partitionBy": ["year"]}, steps=steps)
    assert raised.value.code == "VALUE_ERROR"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    run(tmp_path, {"format": "csv", "partitionBy": ["year"]})
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError) as raised:
        run(tmp_path, {"format": "csv", "partitionBy": ["country"]})
    assert raised.value.code == "OUTPUT_EXISTS"
    report = run(tmp_path, {"format": "csv", "partitionBy": ["country"]}, overwrite=True)
    # the files of the earlier result are gone, others stay
    assert files(tmp_path) == sorted([*(file["name"] for file in report["files"]), "notes.txt"])
    assert not list((tmp_path / "out").glob("year=*"))


def test_no_rows_are_one_file_without_rows(tmp_path: Path) -> None:
    steps = [{"filter": {"where": "id < 0"}}]
    report = run(tmp_path, {"format": "parquet", "partitionBy": ["year"]}, steps=steps)
    assert files(tmp_path) == ["part-00000.parquet"]
    assert report["files"][0]["rows"] == 0
    assert pq.read_table(tmp_path / "out/part-00000.parquet").column_names == ["id", "country", "amount"]


def test_a_value_too_long_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as raised:
        run(tmp_path, {"format": "csv", "partitionBy": ["a"]}, f"a,b\n{'x' * 300},1\n")
    assert (raised.value.code, raised.value.column) == ("VALUE_ERROR", "a")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["aa", "list"], [("output.partitionBy[0]", "UNKNOWN_COLUMN"), ("output.partitionBy[1]", "TYPE_ERROR")]),
        (["a", "a"], [("output.partitionBy[1]", "DUPLICATE_COLUMN")]),
        (["a", "b"], [("output.partitionBy", "INVALID_VALUE")]),
    ],
)
def test_columns_that_cannot_name_folders(columns: list[str], expected: list[tuple[str, str]]) -> None:
    names = ["a", "b"] if "b" in columns else ["a", "b", "list"]
    kinds = {"a": "int64", "b": "utf8", "list": "list<int64>"}
    schema = [{"name": name, "type": kinds[name], "nullable": True} for name in names]
    spec = {"version": 1, "output": {"format": "parquet", "partitionBy": columns}}
    found = engine.validate_pipeline(json.dumps(spec), json.dumps({"input": schema}))
    assert [(problem.path, problem.code) for problem in found] == expected
