"""Parquet as it is written: read back by others with all values, types and nulls; row groups, statistics, encodings."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import engine
from tests.engine.conftest import Run, request
from tests.processes import PATIENCE

# Each of rows that `repeating` has.
CONDITIONS = (
    "runs = 37",
    "text = 'Peru'",
    "text < 'a'",
    "long > '199'",
    "float <= 0",
    "whole > 7",
    "day < DATE '1970-01-01'",
    "narrow BETWEEN 298 AND 400",
    "gap IS NULL",
    "required = 8",
)


def convert(source: Path, out: Path, **output: Any) -> pq.ParquetFile:
    json.loads(
        engine.submit(request({"output": {"format": "parquet", **output}}, {"input": source}, out)).wait(PATIENCE)
    )
    return pq.ParquetFile(out)


def all_types(rows: int, seed: int) -> pa.Table:
    rng = random.Random(seed)

    def column(kind: pa.DataType, value: Any) -> pa.Array:
        return pa.array([None if rng.random() < 0.2 else value() for _ in range(rows)], kind)

    now = datetime(2024, 2, 29, 12, 30, 0, 123_456, tzinfo=UTC)
    before = datetime(1969, 12, 31, 23, 59, tzinfo=UTC)
    return pa.table(
        {
            "i8": column(pa.int8(), lambda: rng.randrange(-128, 128)),
            "u32": column(pa.uint32(), lambda: rng.randrange(2**32)),
            "u64": column(pa.uint64(), lambda: rng.randrange(2**64)),
            "i64": column(pa.int64(), lambda: rng.randrange(-(2**63), 2**63)),
            "f32": column(pa.float32(), lambda: float(rng.randrange(1000))),
            "f64": column(pa.float64(), rng.random),
            "flag": column(pa.bool_(), lambda: rng.random() < 0.5),
            "text": column(pa.string(), lambda: "ü" * rng.randrange(30) + str(rng.random())),
            "few": column(pa.string(), lambda: rng.choice(["red", "green", "a longer name of a colour"])),
            "bytes": column(pa.binary(), lambda: rng.randbytes(rng.randrange(40))),
            "day": column(pa.date32(), lambda: date(1900 + rng.randrange(200), 1, 1)),
            "s": column(pa.timestamp("ms"), lambda: before.replace(second=rng.randrange(60), tzinfo=None)),
            "us": column(pa.timestamp("us"), lambda: now.replace(tzinfo=None, microsecond=rng.randrange(10**6))),
            "zone": column(pa.timestamp("us", "UTC"), lambda: now.replace(microsecond=rng.randrange(10**6))),
            "money": column(pa.decimal128(12, 2), lambda: Decimal(rng.randrange(10**6)) / 100),
            "large": column(pa.decimal128(38, 10), lambda: Decimal(rng.randrange(10**30)) / 10**10),
            "list": column(pa.list_(pa.int64()), lambda: [rng.randrange(9) for _ in range(rng.randrange(4))]),
            "struct": column(
                pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
                lambda: {"a": rng.randrange(9), "b": [str(rng.random())]},
            ),
        }
    )


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "gzip", "none"])
def test_all_types_come_back(tmp_path: Path, compression: str) -> None:
    table = all_types(20_000, 3)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=7_000)
    file = convert(tmp_path / "in.parquet", tmp_path / "out.parquet", compression=compression)
    assert file.schema_arrow.remove_metadata() == table.schema
    assert file.read().equals(table)


def test_types_from_text_come_back(run: Run) -> None:
    text = "i,f,d,t,z,s\n1,1.5,2024-02-29,2024-02-29T10:00:00,2024-02-29T10:00:00Z,x\n,,,,,\n"
    read = pq.read_table(run({}, text, "out.parquet")["path"])
    assert read.schema.types == [
        pa.int64(), pa.float64(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.string()
    ]  # fmt: skip
    assert read.slice(1).to_pylist() == [dict.fromkeys("ifdtzs")]


def test_row_groups_are_bounded_and_hold_statistics(tmp_path: Path) -> None:
    rows = 600_000
    table = pa.table({"n": pa.array(range(rows)), "text": pc.cast(pa.array(range(rows)), pa.string())})
    pq.write_table(table, tmp_path / "in.parquet")
    file = convert(tmp_path / "in.parquet", tmp_path / "out.parquet")
    groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [262_144, 262_144, rows - 2 * 262_144]
    statistics = groups[1].column(0).statistics
    assert (statistics.min, statistics.max, statistics.null_count) == (262_144, 524_287, 0)
    assert groups[0].column(0).has_column_index
    assert groups[0].column(0).has_offset_index
    assert file.read().equals(table)


def test_unique_columns_have_no_dictionary_and_repeating_ones_do(tmp_path: Path) -> None:
    rng = random.Random(2)
    table = pa.table(
        {
            "unique": pa.array([rng.randbytes(18).hex() for _ in range(300_000)]),
            "few": pa.array([rng.choice("abc") for _ in range(300_000)]),
            # Looks repeating at first, and then is not: the dictionary is given up for all rows, and not tried again.
            "late": pa.array(["same"] * 100_000 + [rng.randbytes(18).hex() for _ in range(200_000)]),
            # Differences take 16 bits each; a dictionary 15, and 8 for its values' share.
            "ids": pa.array([rng.randrange(30_000) for _ in range(300_000)]),
            "scores": pa.array([rng.randrange(1_000) for _ in range(300_000)]),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    file = convert(tmp_path / "in.parquet", tmp_path / "out.parquet")

    def dictionary(group: int, column: int) -> bool:
        return "RLE_DICTIONARY" in file.metadata.row_group(group).column(column).encodings

    assert [dictionary(0, column) for column in range(5)] == [False, True, False, False, True]
    assert [dictionary(1, column) for column in range(3)] == [False, True, False]
    assert file.read().equals(table)


def repeating(rows: int) -> pa.Table:
    """Columns with dictionaries, several pages of each: texts of all lengths, nulls alone and mixed, runs, bounds."""
    rng = random.Random(5)

    def column(kind: pa.DataType, values: list[Any], nulls: float = 0.1) -> pa.Array:
        return pa.array([None if rng.random() < nulls else rng.choice(values) for _ in range(rows)], kind)

    texts = ["", "a", "Peru", "exactly 12 b", "United States", "sixteen bytes ..", "seventeen bytes ..", "ü" * 70]
    return pa.table(
        {
            "text": column(pa.string(), texts),
            "long": column(pa.string(), [f"{number:03}" * 40 for number in range(200)]),
            "whole": column(pa.int64(), [-(2**63), -1, 0, 7, 2**63 - 1]),
            "narrow": column(pa.int32(), list(range(-300, 300))),
            "float": column(pa.float64(), [-0.0, 0.0, 2.5, float("inf"), -1e300]),
            "day": column(pa.date32(), [date(1969, 12, 31), date(2024, 2, 29)], 0.0),
            "time": column(
                pa.timestamp("us", "UTC"), [datetime(1960, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)]
            ),
            "runs": pa.array([index // 1000 for index in range(rows)], pa.int64()),
            "gap": pa.array([None if 15_000 < index < 45_000 else "x" for index in range(rows)], pa.string()),
            "one": pa.array(["one"] * rows, pa.string()),
            "none": pa.array([None] * rows, pa.string()),
        }
    )


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_dictionaries_of_our_own_are_read_by_all(tmp_path: Path, compression: str) -> None:
    table = repeating(65_001)
    required = pa.field("required", pa.int64(), nullable=False)
    table = table.append_column(required, pa.array([index % 9 for index in range(len(table))], pa.int64()))
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    file = convert(tmp_path / "in.parquet", out, compression=compression)
    group = file.metadata.row_group(0)
    assert all("RLE_DICTIONARY" in group.column(index).encodings for index in range(table.num_columns))
    assert file.read().equals(table)
    assert pl.read_parquet(out).to_arrow().cast(table.schema).equals(table)
    with duckdb.connect() as connection:
        rows = connection.read_parquet(str(out)).to_arrow_table()
        assert rows.cast(table.schema).equals(table)
        # What is skipped by statistics and page index is what holds no such row.
        for number, condition in enumerate(CONDITIONS):
            counted = [
                connection.execute(f"SELECT count(*) FROM read_parquet(?) WHERE {condition}", [str(path)]).fetchall()
                for path in (out, tmp_path / "in.parquet")
            ]
            assert counted[0] == counted[1], condition
            assert counted[0] != [(0,)], condition
            again = tmp_path / f"again-{number}.csv"
            spec = {
                "steps": [{"sql": {"query": f"SELECT count(*) AS n FROM input WHERE {condition}"}}],
                "output": {"format": "csv"},
            }
            engine.submit(request(spec, {"input": out}, again)).wait(PATIENCE)
            assert again.read_text() == f"n\n{counted[0][0][0]}\n", condition


def test_no_rows_and_only_nulls(run: Run) -> None:
    empty = pq.read_table(run({"steps": [{"filter": {"where": "a > 5"}}]}, "a,b\n1,x\n", "out.parquet")["path"])
    assert (empty.num_rows, empty.column_names) == (0, ["a", "b"])
    nulls = run({"steps": [{"derive": {"columns": [{"name": "c", "expr": "null"}]}}]}, "a\n1\n", "nulls.parquet")
    assert pq.read_table(nulls["path"]).column_names == ["a", "c"]


def test_statistics_are_left_out_where_they_let_nobody_skip(tmp_path: Path) -> None:
    """For texts only, when those of the row groups before had values from all over on every page; and tried again."""
    rows, size = 17 * 262_144 + 10_000, 262_144
    numbers = pc.multiply(pa.array(range(rows), pa.int64()), 7919)
    scattered = pc.cast(pc.bit_wise_and(numbers, 1023), pa.string())
    table = pa.table(
        {
            "scattered": scattered,
            "sorted": pc.utf8_lpad(pc.cast(pa.array(range(rows), pa.int64()), pa.string()), 9, "0"),
            "same": pa.repeat("one", rows),
            "number": pc.bit_wise_and(numbers, 1023),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=size)
    file = convert(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert file.read().equals(table)
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    known = [[group.column(column).is_stats_set for group in groups] for column in range(table.num_columns)]
    assert known[0][0] is known[0][16] is True
    assert sum(known[0]) < 8
    assert all(map(all, known[1:]))
