"""Arrow IPC, CSV, NDJSON and plain lines stream like Parquet does, with the declared schema as the truth."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.flight as fl
import pytest

from tests.flight.conftest import Server
from tests.flight.test_do_get import columns, pull

Columns = list[dict[str, Any]]


def declare(**types: str) -> Columns:
    """A schema as tickets carry it, all columns nullable."""
    return [{"name": name, "type": kind, "nullable": True} for name, kind in types.items()]


def ipc(table: pa.Table, *, stream: bool = False, rows: int = 1000, **options: Any) -> bytes:
    """The table as an Arrow IPC file or stream, in batches of so many rows."""
    out = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return out.getvalue()


def chunks(server: Server, ticket: str) -> list[pa.RecordBatch]:
    """The batches that a client gets."""
    with server.client() as client:
        return [chunk.data for chunk in client.do_get(fl.Ticket(ticket))]


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
def test_arrow_of_every_type(server: Server, stream: bool) -> None:
    table = pa.table(columns())
    assert pull(server, server.ticket([server.put(ipc(table, stream=stream))], "arrow")).equals(table)


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_arrow_with_dictionaries_and_views(server: Server, stream: bool, rows: int) -> None:
    words = [f"word {i % 10}" for i in range(rows)]
    table = pa.table({"d": pa.array(words, pa.string()).dictionary_encode(), "v": pa.array(words, pa.string_view())})
    got = pull(server, server.ticket([server.put(ipc(table, stream=stream))], "arrow"))
    assert got.schema.types == [pa.string(), pa.string()]
    assert got["d"].to_pylist() == words
    assert got["v"].to_pylist() == words


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lz4"},
        {"compression": "zstd"},
        {"metadata_version": pa.ipc.MetadataVersion.V4},
        {"metadata_version": pa.ipc.MetadataVersion.V4, "use_legacy_format": True},
    ],
    ids=["plain", "lz4", "zstd", "version 4", "without marks"],
)
def test_arrow_files_of_every_kind(server: Server, options: dict[str, Any], rows: int) -> None:
    """Whether their batches can go out as they are or not."""
    whole = pa.table(columns())
    batches = pa.Table.from_batches([*whole.to_batches(rows), *whole.slice(0, 0).to_batches(), *whole.to_batches()])
    got = pull(server, server.ticket([server.put(ipc(batches, rows=rows, **options))], "arrow"))
    assert got.schema.equals(whole.schema, check_metadata=True)
    assert got.equals(pa.concat_tables([whole, whole]))


def test_arrow_batches_go_out_as_they_are_stored_if_no_client_minds(server: Server) -> None:
    table = pa.table({"n": range(2_000_000)})
    small = chunks(server, server.ticket([server.put(ipc(table, rows=200_000))], "arrow"))
    assert [batch.num_rows for batch in small] == [200_000] * 10
    large = chunks(server, server.ticket([server.put(ipc(table, rows=1_100_000))], "arrow"))
    assert max(batch.nbytes for batch in large) <= 2 * 1024 * 1024
    assert pa.Table.from_batches(small).equals(pa.Table.from_batches(large).combine_chunks())


def test_a_second_arrow_file_with_other_types_is_brought_to_the_first(server: Server) -> None:
    words = ["a", None, "b"]
    stored = [
        server.put(ipc(pa.table({"w": pa.array(words, kind)})))
        for kind in (pa.string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.string())
    ]
    got = pull(server, server.ticket(stored, "arrow"))
    assert got.equals(pa.table({"w": pa.array(words * 4, pa.string())}))


def test_arrow_bigger_than_the_prefetch(server: Server) -> None:
    table = pa.table({"n": range(3_000_000), "f": [0.5] * 3_000_000})
    body = ipc(table)
    assert len(body) > 40 * 1024 * 1024
    assert pull(server, server.ticket([server.put(body)], "arrow")).equals(table)


def test_csv_is_read_with_the_declared_types(server: Server) -> None:
    body = (
        b"id,code,amount,price,day,at,ok,note\n"
        b'1,007,12.50,1e3,2024-02-29,2024-02-29T23:59:59.123456Z,true,"a, ""b""\nc"\n'
        b"2,,,,,,,\n"
        b'3,x,-0.01,-2.5,1969-12-31,1969-12-31T00:00:00Z,false,""\n'
    )
    schema = declare(
        id="int64", code="utf8", amount="decimal(10,2)", price="float64", day="date", at="timestamp(UTC)",
        ok="boolean", note="utf8",
    )  # fmt: skip
    got = pull(server, server.ticket([server.put(body)], "csv", schema=schema))
    types = "int64 string decimal128(10,2) double date32[day] timestamp[us,tz=UTC] bool string"
    assert [str(kind).replace(", ", ",") for kind in got.schema.types] == types.split()
    assert got["code"].to_pylist() == ["007", None, "x"]
    assert got["amount"].to_pylist() == [decimal.Decimal("12.50"), None, decimal.Decimal("-0.01")]
    assert got["day"].to_pylist() == [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31)]
    assert got["at"].to_pylist()[0] == dt.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=dt.UTC)
    assert got["ok"].to_pylist() == [True, None, False]
    assert got["note"].to_pylist() == ['a, "b"\nc', None, ""]


def test_csv_in_another_dialect(server: Server) -> None:
    dialect = {"delimiter": ";", "quote": "'", "header": False}
    ticket = server.ticket([server.put(b"1;'a;b'\n2;c\n")], "csv", schema=declare(n="int64", s="utf8"), dialect=dialect)
    assert pull(server, ticket).to_pylist() == [{"n": 1, "s": "a;b"}, {"n": 2, "s": "c"}]


def test_a_csv_row_that_does_not_fit_ends_the_stream_with_its_place(server: Server) -> None:
    body = b"n,s\n" + b"".join(b"%d,x\n" % i for i in range(1000)) + b"oops,x\n"
    with pytest.raises(pa.ArrowException) as caught:
        pull(server, server.ticket([server.put(body)], "csv", schema=declare(n="int64", s="utf8")))
    assert "BAD_ROW" in str(caught.value)
    assert "1002" in str(caught.value)


def test_ndjson_with_nested_values(server: Server) -> None:
    rows = [
        {"n": 1, "s": "x\ny", "tags": ["a", "b"], "who": {"name": "Ada", "age": 36}},
        {"n": None, "s": None, "tags": [], "who": None},
        {"n": 3, "tags": None, "who": {"name": None, "age": None}},
    ]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    schema = declare(n="int64", s="utf8", tags="list<utf8>", who="struct<name: utf8, age: int64>")
    got = pull(server, server.ticket([server.put(body)], "ndjson", schema=schema))
    assert got.to_pylist() == [{"s": None, **row} for row in rows]


def test_lines(server: Server) -> None:
    got = pull(server, server.ticket([server.put("erste\n\nनमस्ते\nlast".encode())], "lines"))
    assert got.schema.names == ["line"]
    assert got["line"].to_pylist() == ["erste", "", "नमस्ते", "last"]


@pytest.mark.parametrize("written", ["csv", "ndjson", "lines"])
def test_text_tables_without_rows_have_their_schema(server: Server, written: str) -> None:
    body = b"n,s\n" if written == "csv" else b""
    got = pull(server, server.ticket([server.put(body)], written, schema=declare(n="int64", s="utf8")))
    assert got.num_rows == 0
    assert got.schema.names == (["line"] if written == "lines" else ["n", "s"])


def test_a_big_csv_and_several_files_keep_their_order(server: Server) -> None:
    tables = [
        pa.table({"n": range(start, start + 300_000), "s": [f"row {i}, quoted" for i in range(300_000)]})
        for start in (0, 300_000)
    ]
    files = []
    for table in tables:
        out = io.BytesIO()
        pyarrow.csv.write_csv(table, out)
        files.append(server.put(out.getvalue(), "part.csv"))
    got = pull(server, server.ticket(files, "csv", schema=declare(n="int64", s="utf8")))
    assert got.equals(pa.concat_tables(tables))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("written", ["csv", "ndjson", "lines"])
def test_compressed_text_streams_too(server: Server, written: str, compression: str) -> None:
    rows = range(50_000)
    texts = {
        "csv": "n,s\n" + "".join(f"{i},x{i}\n" for i in rows),
        "ndjson": "".join(f'{{"n": {i}, "s": "x{i}"}}\n' for i in rows),
        "lines": "".join(f"x{i}\n" for i in rows),
    }
    body = pa.Codec(compression).compress(texts[written].encode()).to_pybytes()
    ticket = server.ticket(
        [server.put(body)], written, schema=declare(n="int64", s="utf8"), dialect={"compression": compression}
    )
    got = pull(server, ticket)
    assert got["line" if written == "lines" else "s"].to_pylist() == [f"x{i}" for i in rows]


def test_row_groups_are_a_matter_of_parquet(server: Server) -> None:
    ticket = server.ticket([server.put(b"a\n")], "lines")
    with pytest.raises(pa.ArrowInvalid, match="Only Parquet tables have row groups"):
        pull(server, f"{ticket};file=0;rowGroups=0-0")


def test_batches_of_text_are_small(server: Server) -> None:
    body = b"".join(b"x" * (50_000 if i % 100 == 0 else 20) + b"\n" for i in range(20_000))
    with server.client() as client:
        batches = [chunk.data for chunk in client.do_get(fl.Ticket(server.ticket([server.put(body)], "lines")))]
    assert max(batch.nbytes for batch in batches) <= 2 * 1024 * 1024
    assert sum(batch.num_rows for batch in batches) == 20_000
