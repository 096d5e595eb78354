"""Parquet objects come out of DoGet as pyarrow reads them from the file: values, types, nullability, order."""

from __future__ import annotations

import datetime as dt
import decimal
import io
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
import pytest

from tests.flight.conftest import Server


def parquet(table: pa.Table, **options: Any) -> bytes:
    """The table as a Parquet file."""
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def pull(server: Server, ticket: str) -> pa.Table:
    """Everything that the ticket opens."""
    with server.client() as client:
        return client.do_get(fl.Ticket(ticket)).read_all()


def columns() -> dict[str, pa.Array]:
    """One column for each type that the engine produces, nulls in all of them."""
    day = dt.date(2024, 2, 29)
    moment = dt.datetime.fromisoformat("2024-02-29T23:59:59.123456")
    return {
        "int8": pa.array([-128, None, 127], pa.int8()),
        "int16": pa.array([-(2**15), None, 2**15 - 1], pa.int16()),
        "int32": pa.array([-(2**31), None, 2**31 - 1], pa.int32()),
        "int64": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
        "uint64": pa.array([0, None, 2**64 - 1], pa.uint64()),
        "float32": pa.array([1.5, None, float("inf")], pa.float32()),
        "float64": pa.array([-0.0, None, 1e308], pa.float64()),
        "boolean": pa.array([True, None, False]),
        "decimal": pa.array([decimal.Decimal("-99999999.99"), None, decimal.Decimal("0.01")], pa.decimal128(10, 2)),
        "decimal38": pa.array([decimal.Decimal(10) ** 37, None, decimal.Decimal(0)], pa.decimal128(38, 0)),
        "decimal256": pa.array([decimal.Decimal(10) ** 49, None, decimal.Decimal(-1)], pa.decimal256(50, 0)),
        "date": pa.array([day, None, dt.date(1, 1, 1)]),
        "time": pa.array([dt.time(23, 59, 59, 999999), None, dt.time(0)], pa.time64("us")),
        "timestamp": pa.array([moment, None, dt.datetime.fromisoformat("1960-01-01")], pa.timestamp("us")),
        "timestamp_utc": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
        "timestamp_kolkata": pa.array([moment, None, moment], pa.timestamp("ms", "Asia/Kolkata")),
        "timestamp_ns": pa.array([1, None, 2**62], pa.timestamp("ns")),
        "duration": pa.array([1, None, 86_400_000_000], pa.duration("us")),
        "utf8": pa.array(["", None, "नमस्ते 🚀 \x00 end"]),
        "large_utf8": pa.array(["a", None, "b"], pa.large_string()),
        "binary": pa.array([b"", None, bytes(range(256))]),
        "fixed": pa.array([b"abcd", None, b"efgh"], pa.binary(4)),
        "list": pa.array([[1, None, 3], None, []], pa.list_(pa.int64())),
        "list_of_lists": pa.array([[["x"], None], None, [[None, "y"]]], pa.list_(pa.list_(pa.string()))),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
        "deep": pa.array([[{"k": [1.5], "v": {"z": True}}], None, [None]]),
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "null": pa.nulls(3),
    }


@pytest.mark.parametrize("name", columns())
def test_every_type_arrives_as_it_is_stored(server: Server, name: str) -> None:
    table = pa.table({name: columns()[name]})
    ticket = server.ticket([server.put(parquet(table))])
    got = pull(server, ticket)
    got.validate(full=True)
    assert got.schema.equals(table.schema)
    assert got.equals(table)


def test_views_and_dictionaries_go_out_as_plain_columns(server: Server) -> None:
    words = ["a string longer than twelve bytes", None, "short"] * 100
    table = pa.table(
        {
            "view": pa.array(words, pa.string_view()),
            "dictionary": pa.array(words).dictionary_encode(),
            "inside": pa.array(
                [{"d": word} for word in words], pa.struct({"d": pa.dictionary(pa.int8(), pa.string())})
            ),
            "bytes": pa.array([b"x" * 20, None, b"y"] * 100, pa.binary_view()),
        }
    )
    got = pull(server, server.ticket([server.put(parquet(table))]))
    assert got.schema.field("view").type == pa.string()
    assert got.schema.field("dictionary").type == pa.string()
    assert got.schema.field("inside").type == pa.struct({"d": pa.string()})
    assert got.schema.field("bytes").type == pa.binary()
    assert got["view"].to_pylist() == words
    assert got["dictionary"].to_pylist() == words
    assert [row["d"] for row in got["inside"].to_pylist()] == words


def test_required_columns_stay_required(server: Server) -> None:
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string(), nullable=True)])
    got = pull(server, server.ticket([server.put(parquet(pa.table({"a": [1], "b": ["x"]}, schema=schema)))]))
    assert got.schema.equals(schema)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_keep_the_schema(server: Server, rows: int) -> None:
    table = pa.table(columns()).slice(0, rows)
    got = pull(server, server.ticket([server.put(parquet(table))]))
    assert got.schema.equals(table.schema)
    assert got.equals(table)


def test_a_thousand_columns(server: Server) -> None:
    table = pa.table({f"column {i}": pa.array(range(i, i + 50)) for i in range(1000)})
    got = pull(server, server.ticket([server.put(parquet(table, row_group_size=20))]))
    assert got.equals(table)


def test_many_row_groups_and_files_keep_their_order(server: Server) -> None:
    tables = [pa.table({"n": pa.array(range(start, start + 10_000))}) for start in (0, 10_000, 20_000)]
    files = [server.put(parquet(table, row_group_size=777), f"part-{i:05}.parquet") for i, table in enumerate(tables)]
    assert pull(server, server.ticket(files))["n"].to_pylist() == list(range(30_000))


def test_an_endpoint_ticket_opens_only_its_row_groups(server: Server) -> None:
    table = pa.table({"n": pa.array(range(1000))})
    ticket = server.ticket([server.put(parquet(table, row_group_size=100))])
    assert pull(server, f"{ticket};file=0;rowGroups=3-4")["n"].to_pylist() == list(range(300, 500))
    assert pull(server, f"{ticket};file=0")["n"].to_pylist() == list(range(1000))


def test_batches_are_small_also_when_rows_are_wide(server: Server) -> None:
    # Dictionary pages make such a file tiny: sizes must come from the decoded rows.
    table = pa.table({"n": pa.array(range(3000)), "wide": pa.array([f"{i % 7}" * 20_000 for i in range(3000)])})
    ticket = server.ticket([server.put(parquet(table))])
    with server.client() as client:
        batches = [chunk.data for chunk in client.do_get(fl.Ticket(ticket))]
    assert max(batch.nbytes for batch in batches) <= 2 * 1024 * 1024
    assert pa.Table.from_batches(batches).equals(table)


def test_a_row_bigger_than_a_batch_is_not_cut(server: Server) -> None:
    table = pa.table({"s": ["x" * 30_000_000, "y", None, "z" * 5_000_000]})
    assert pull(server, server.ticket([server.put(parquet(table))])).equals(table)


def test_a_row_group_bigger_than_the_prefetch_is_read_through_sliding_windows(server: Server) -> None:
    rows = 400_000
    table = pa.table(
        {
            "a": pa.array(range(rows)),
            "b": pa.array([f"{i * 7919 % 1_000_003:>120}" for i in range(rows)]),
            "c": pa.array([i * 0.1 for i in range(rows)]),
        }
    )
    body = parquet(table, row_group_size=rows, compression="none", use_dictionary=False)
    assert len(body) > 32 * 1024 * 1024
    got = pull(server, server.ticket([server.put(body)]))
    assert got.equals(table)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "lz4", "zstd", "brotli"])
def test_every_codec_that_files_use(server: Server, codec: str) -> None:
    table = pa.table({"n": pa.array(range(5000)), "s": [f"{i}" for i in range(5000)]})
    assert pull(server, server.ticket([server.put(parquet(table, compression=codec))])).equals(table)


def test_polars_and_pandas_read_the_stream(server: Server) -> None:
    table = pa.table(
        {"n": [1, 2, 3], "when": pa.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC"))}
    )
    ticket = server.ticket([server.put(parquet(table))])
    with server.client() as client:
        frame = pl.from_arrow(client.do_get(fl.Ticket(ticket)).read_all())
        assert isinstance(frame, pl.DataFrame)
        assert frame.schema == {"n": pl.Int64, "when": pl.Datetime("us", "UTC")}
        assert client.do_get(fl.Ticket(ticket)).read_pandas()["n"].tolist() == [1, 2, 3]
