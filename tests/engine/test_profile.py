"""Profiles: against exact figures from Polars, within the stated bounds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import engine
from engine.exceptions import EngineError, SpecError


def profile(path: Path, **options: Any) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(engine.profile(json.dumps({"input": {"url": str(path)}, **options})))
    return report


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    """200,000 rows of columns that are spread in different ways."""
    rng = random.Random(11)
    count = 200_000
    start = pl.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "id": range(count),
            "skewed": [rng.paretovariate(1.2) for _ in range(count)],
            "normal": [rng.gauss(50, 10) if rng.random() > 0.1 else None for _ in range(count)],
            "few": [rng.choice(["card", "cash", "upi", "räder"]) for _ in range(count)],
            "key": [f"k{rng.randrange(60_000)}" for _ in range(count)],
            "zipf": [f"v{min(int(rng.paretovariate(0.9)), 10**7)}" for _ in range(count)],
            "flag": [rng.random() < 0.3 for _ in range(count)],
            "whole": [rng.randrange(-50, 51) for _ in range(count)],
        }
    ).with_columns(
        (start + pl.duration(seconds=pl.col("id") * 7)).alias("at"),
        (pl.date(2024, 1, 1) + pl.duration(days=pl.col("whole"))).alias("day"),
    )


@pytest.fixture(scope="module", params=["csv", "parquet", "ndjson", "arrow"])
def report(request: pytest.FixtureRequest, frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("profile") / f"data.{request.param}"
    if request.param == "csv":
        frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S", float_scientific=False)
    elif request.param == "parquet":
        frame.write_parquet(path, row_group_size=30_000)
    elif request.param == "ndjson":
        frame.write_ndjson(path)
    else:
        frame.write_ipc(path, compat_level=pl.CompatLevel.oldest(), record_batch_size=20_000)
    return profile(path)


def columns(report: dict[str, Any]) -> dict[str, Any]:
    return {column["name"]: column for column in report["columns"]}


def test_counts_and_extremes_are_exact(report: Any, frame: pl.DataFrame) -> None:
    assert (report["rows"], report["rowsRejected"]) == (frame.height, 0)
    found = columns(report)
    assert list(found) == frame.columns
    for name in frame.columns:
        assert found[name]["nulls"] == frame[name].null_count()
        assert found[name]["count"] == frame.height - frame[name].null_count()
    for name in ("id", "whole", "few", "key"):
        assert (found[name]["min"], found[name]["max"]) == (frame[name].min(), frame[name].max())
    for name in ("skewed", "normal"):
        assert found[name]["min"] == pytest.approx(frame[name].min(), rel=1e-9)
        assert found[name]["mean"] == pytest.approx(frame[name].mean(), rel=1e-9)
        assert found[name]["stddev"] == pytest.approx(frame[name].std(), rel=1e-6)
    assert found["day"]["min"] == str(frame["day"].min())
    assert found["at"]["max"].replace(" ", "T").startswith(f"{frame['at'].max():%Y-%m-%dT%H:%M:%S}")


def test_distinct_within_three_percent(report: Any, frame: pl.DataFrame) -> None:
    found = columns(report)
    for name in frame.columns:
        exact = frame[name].drop_nulls().n_unique()
        assert found[name]["distinct"] == pytest.approx(exact, rel=0.03), name
        if found[name]["distinctExact"]:
            assert found[name]["distinct"] == exact
    assert found["few"]["distinctExact"]
    assert found["flag"]["distinct"] == 2
    assert not found["id"]["distinctExact"]


def test_quantiles_within_one_and_a_half_percent_of_the_rows(report: Any, frame: pl.DataFrame) -> None:
    found = columns(report)
    for name in ("id", "skewed", "normal", "whole"):
        values = frame[name].drop_nulls()
        for quantile in found[name]["quantiles"]:
            below = (values < quantile["value"]).mean()
            up_to = (values <= quantile["value"] * (1 + 1e-12)).mean()
            assert below - 0.015 <= quantile["p"] <= up_to + 0.015, (name, quantile)
        assert [quantile["p"] for quantile in found[name]["quantiles"]] == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
        assert not found[name]["quantilesExact"]


def test_histograms_hold_every_value(report: Any, frame: pl.DataFrame) -> None:
    for name, column in columns(report).items():
        if name not in {"id", "skewed", "normal", "whole"}:
            continue
        values = frame[name].drop_nulls()
        assert 1 <= len(column["histogram"]) <= 32
        assert sum(one["count"] for one in column["histogram"]) == len(values)
        for one in column["histogram"]:
            # borders are powers of two and their multiples, but the text of a float may be rounded
            assert one["count"] == pytest.approx(
                values.is_between(one["lower"], one["upper"], closed="left").sum(), abs=2
            )


def test_frequent_values(report: Any, frame: pl.DataFrame) -> None:
    found = columns(report)
    exact = dict(frame["few"].value_counts().iter_rows())
    assert {top["value"]: top["count"] for top in found["few"]["topValues"]} == exact
    assert found["few"]["topValuesError"] == 0
    counts = dict(frame["zipf"].value_counts().iter_rows())
    error = found["zipf"]["topValuesError"]
    assert error <= frame.height / 2000
    for top in found["zipf"]["topValues"][:5]:
        assert top["count"] <= counts[top["value"]] <= top["count"] + error
    best = max(counts, key=lambda value: counts[value])
    assert found["zipf"]["topValues"][0]["value"] == best


def test_lengths_are_in_characters(report: Any, frame: pl.DataFrame) -> None:
    found = columns(report)
    for name in ("few", "key"):
        lengths = frame[name].str.len_chars()
        expected = {"min": lengths.min(), "max": lengths.max(), "mean": pytest.approx(lengths.mean())}
        assert found[name]["lengths"] == expected
    assert found["id"]["lengths"] is None


def test_small_files_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text("n,t\n" + "".join(f"{number},{number % 3}x\n" for number in range(101)) + "broken\n")
    report = profile(path)
    number, text = report["columns"]
    assert (report["rows"], report["rowsRejected"]) == (101, 1)
    assert number["quantilesExact"] is True
    assert [quantile["value"] for quantile in number["quantiles"]] == [1, 5, 25, 50, 75, 95, 99]
    assert text["topValues"] == [
        {"value": "0x", "count": 34},
        {"value": "1x", "count": 34},
        {"value": "2x", "count": 33},
    ]


def test_the_number_of_threads_changes_nothing(frame: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    frame.write_parquet(path, row_group_size=10_000)
    one, three = (profile(path, threads=threads)["columns"] for threads in (1, 3))
    for a, b in zip(one, three, strict=True):
        for what in ("count", "nulls", "distinct", "min", "max", "quantiles", "histogram", "lengths"):
            assert a[what] == b[what], (a["name"], what)


def test_some_columns(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("a,b,c\n1,2,3\n")
    assert [column["name"] for column in profile(path, columns=["c", "a"])["columns"]] == ["c", "a"]
    with pytest.raises(SpecError) as raised:
        profile(path, columns=["aa"])
    assert raised.value.column == "aa"


def test_nested_empty_and_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    odd = {
        "l": [[1], None, []],
        "f": [float("nan"), float("inf"), 1.5],
        "n": [None, None, None],
        "s": ["", "x" * 500, None],
    }
    pl.DataFrame(odd, schema_overrides={"n": pl.Int64}).write_parquet(path)
    found = columns(profile(path))
    assert (found["l"]["count"], found["l"]["nulls"], found["l"]["distinct"]) == (2, 1, None)
    assert (found["f"]["notFinite"], found["f"]["mean"], found["f"]["count"]) == (2, 1.5, 3)
    assert (found["n"]["nulls"], found["n"]["min"], found["n"]["distinct"], found["n"]["quantiles"]) == (3, None, 0, [])
    assert found["s"]["lengths"] == {"min": 0, "max": 500, "mean": 250.0}
    assert found["s"]["max"] == "x" * 200 + "…"
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(EngineError):
        profile(tmp_path / "cut.parquet")
