"""The demo's input: a CSV of orders as an analyst would get it, and its answers computed independently by Polars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

COUNTRIES = ["India", "Germany", "Brazil", "United States", "Japan", "Kenya", "Norway", "Viet Nam"]
CITIES = ["Pune", "Jena", "Recife", "Austin", "Sapporo", "Nakuru", "Bergen", "Hue"]
STATUSES = ["delivered", "delivered", "delivered", "shipped", "shipped", "returned", "cancelled"]
NOTES = [
    "",
    "",
    "",
    "leave with the neighbour, second floor",
    'gift wrap: "happy birthday"',
    "call before arrival",
    "fragile",
]


def pick(values: list[str], seed: int) -> pl.Expr:
    """One of `values` for each row, spread evenly and the same on every run."""
    position = pl.col("order_id").hash(seed) % len(values)
    return position.replace_strict(range(len(values)), values, return_dtype=pl.String)


def number(limit: int, seed: int) -> pl.Expr:
    """A whole number from 0 to below `limit` for each row."""
    return pl.col("order_id").hash(seed) % limit


def write_orders(path: Path, rows: int) -> None:
    """Write `rows` orders (about 85 bytes each) with quotes, commas, empty fields and leading zeros."""
    frame = pl.LazyFrame({"order_id": pl.int_range(1, rows + 1, eager=True)}).select(
        "order_id",
        ("C" + number(90_000, 1).cast(pl.String).str.zfill(6)).alias("customer_id"),
        pick(COUNTRIES, 2).alias("country"),
        pick(CITIES, 2).alias("city"),
        number(100_000, 3).cast(pl.String).str.zfill(5).alias("postcode"),
        (pl.datetime(2025, 1, 1) + pl.duration(seconds=number(31_536_000, 4))).alias("ordered_at"),
        pick(STATUSES, 5).alias("status"),
        (number(9, 6) + 1).alias("quantity"),
        ((number(1_000_000, 7) + 99) / 100).alias("amount"),
        pick(NOTES, 8).alias("note"),
    )
    frame.sink_csv(path, datetime_format="%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Expected:
    """What the pipelines must give: per status the count and sum of India's orders; and the number of all orders."""

    by_status: dict[str, tuple[int, float]]
    rows: int


def expected(path: Path) -> Expected:
    """Compute the answers from the file, by another engine than ours."""
    frame = pl.scan_csv(path, schema_overrides={"postcode": pl.String})
    answer = (
        frame.filter((pl.col("country") == "India") & (pl.col("amount") > 100))
        .group_by("status")
        .agg(pl.len().alias("n"), pl.col("amount").sum())
        .collect()
    )
    by_status = {row["status"]: (row["n"], row["amount"]) for row in answer.to_dicts()}
    return Expected(by_status, frame.select(pl.len()).collect().item())
