"""Every type that the service makes, through a job and out by Flight: FlightInfo and DoGet say one schema."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.flight.test_paths import bearer, path, pull
from tests.flight.test_put import columns, put
from tests.stack import Account, Stack

# What the text formats have no notation for, or none that is read back as it was.
NOT_IN_TEXT = {"binary", "fixed", "nulls"}


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Owner of types")


@pytest.fixture
def client(stack: Stack) -> fl.FlightClient:
    return fl.connect(stack.flight_url)


@pytest.fixture(scope="module")
def sent(stack: Stack, owner: Account) -> str:
    """A data set with every type."""
    with fl.connect(stack.flight_url) as client:
        return str(put(client, "types", pa.table(columns()), owner.token)["dataset"])


def table_of(client: fl.FlightClient, owner: Account, kind: str, table: str) -> tuple[fl.FlightInfo, pa.Table]:
    """A table, after its schema was compared at each place that tells it."""
    info = client.get_flight_info(path(kind, table), bearer(owner.token))
    assert client.get_schema(path(kind, table), bearer(owner.token)).schema.equals(info.schema, check_metadata=True)
    for endpoint in info.endpoints:
        assert client.do_get(endpoint.ticket).schema.equals(info.schema, check_metadata=True)
    got = pull(client, info)
    got.validate(full=True)
    return info, got


@pytest.mark.parametrize("written", ["parquet", "arrow"])
@pytest.mark.parametrize("where", ["true", "int64 = 1", "int64 = 99"])
def test_every_type_through_a_job(client: fl.FlightClient, owner: Account, sent: str, written: str, where: str) -> None:
    steps = [{"filter": {"where": where}}]
    job = owner.run_job({"version": 1, "steps": steps, "output": {"format": written}}, input=sent)
    assert job["status"] == "SUCCEEDED", job
    info, got = table_of(client, owner, "jobs", job["id"])
    kept = {"true": [0, 1, 2], "int64 = 1": [2], "int64 = 99": []}[where]
    assert info.total_records == len(kept)
    for name, column in columns().items():
        assert got[name].to_pylist() == [column.to_pylist()[i] for i in kept], name
        plain = pa.string() if name in {"string_view", "dictionary", "large_string"} else column.type
        assert got.schema.field(name).type in {plain, pa.large_string()} or name in {"list", "struct", "map"}, name


@pytest.mark.parametrize("written", ["csv", "ndjson"])
def test_types_that_text_can_hold_come_back(client: fl.FlightClient, owner: Account, sent: str, written: str) -> None:
    nested = {"list", "struct", "map"} if written == "csv" else set()
    names = [name for name in columns() if name not in NOT_IN_TEXT | nested]
    steps = [{"select": {"columns": names}}]
    job = owner.run_job({"version": 1, "steps": steps, "output": {"format": written}}, input=sent)
    assert job["status"] == "SUCCEEDED", job
    _, got = table_of(client, owner, "jobs", job["id"])
    assert got.schema.names == names
    for name in names:
        wanted: list[Any] = columns()[name].to_pylist()
        if written == "ndjson":
            # JSON has no infinities.
            wanted = [None if isinstance(value, float) and math.isinf(value) else value for value in wanted]
        assert got[name].to_pylist() == wanted, name


def test_columns_of_nulls_only(client: fl.FlightClient, owner: Account) -> None:
    kinds = [pa.int64(), pa.string(), pa.timestamp("us", "UTC"), pa.decimal128(10, 2), pa.list_(pa.int64()), pa.null()]
    table = pa.table({str(kind): pa.nulls(1000, kind) for kind in kinds})
    dataset = put(client, "only nulls", table, owner.token)["dataset"]
    for kind, name in (("datasets", dataset), ("jobs", copy(owner, dataset))):
        _, got = table_of(client, owner, kind, name)
        assert all(column.null_count == 1000 for column in got.columns)


def copy(owner: Account, dataset: str) -> str:
    """The job that copies a data set to Parquet."""
    job = owner.run_job({"version": 1, "steps": [], "output": {"format": "parquet"}}, input=dataset)
    assert job["status"] == "SUCCEEDED", job
    return str(job["id"])


def test_ten_thousand_columns(client: fl.FlightClient, owner: Account) -> None:
    fields = [pa.field(f"column number {i}", pa.int64(), nullable=i % 2 == 0) for i in range(10_000)]
    schema = pa.schema(fields)
    table = pa.Table.from_arrays([pa.array([i, i + 1]) for i in range(10_000)], schema=schema)
    dataset = put(client, "wide", table, owner.token)["dataset"]
    _, got = table_of(client, owner, "datasets", dataset)
    assert got.equals(table)
    assert got.schema.equals(schema)


def test_texts_of_twenty_megabytes(client: fl.FlightClient, owner: Account) -> None:
    # Such a text is longer than a message that the server takes: it comes from a file, and goes out in one piece.
    body = "n,s\n" + "".join(f"{i},{chr(97 + i) * 20_000_000}\n" for i in range(3))
    dataset = owner.upload(body, "long.csv")
    for kind, name in (("datasets", dataset), ("jobs", copy(owner, dataset))):
        _, got = table_of(client, owner, kind, name)
        assert [len(text) for text in got["s"].to_pylist()] == [20_000_000] * 3
        assert [text[0] for text in got["s"].to_pylist()] == ["a", "b", "c"]
