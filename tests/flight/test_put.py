"""DoPut: a client's table becomes a data set, or nothing at all."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import decimal
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from botocore.config import Config

from tests.flight.test_paths import api_token, bearer, path, pull
from tests.processes import PATIENCE
from tests.stack import Account, Stack, clean_environment

MIB = 1024 * 1024
DATASETS = "query { datasets(first: 100) { edges { node { id name } } } }"
LIMITS = """mutation($i: SetWorkspaceLimitsInput!) { setWorkspaceLimits(input: $i) {
  __typename ... on Error { code message } } }"""
WORKSPACES = "query { me { workspaces { id } } }"


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Sender of tables")


@pytest.fixture
def client(stack: Stack) -> fl.FlightClient:
    return fl.connect(stack.flight_url)


def put(client: fl.FlightClient, name: str, table: pa.Table, token: str | None, rows: int = 10_000) -> dict[str, Any]:
    """Send a table; returns what the server says of it."""
    writer, reader = client.do_put(path("datasets", name), table.schema, bearer(token))
    with writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
        writer.done_writing()
        answer = reader.read()
        assert answer is not None
    said: dict[str, Any] = json.loads(answer.to_pybytes())
    return said


def names(account: Account) -> list[str]:
    """Names of all data sets."""
    return [edge["node"]["name"] for edge in account.gql(DATASETS)["datasets"]["edges"]]


def storage(stack: Stack) -> tuple[Any, str]:
    """A client of the stack's storage, and its bucket."""
    settings = stack.environment
    client = boto3.client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT_URL"],
        region_name=settings.get("S3_REGION", "us-east-1"),
        aws_access_key_id=settings["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["S3_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    return client, settings.get("S3_BUCKET", "karyaksham")


def test_a_table_becomes_a_data_set(client: fl.FlightClient, owner: Account) -> None:
    table = pa.table({"n": pa.array(range(50_000)), "s": [None if i % 7 == 0 else f"x{i}" for i in range(50_000)]})
    said = put(client, "sent", table, owner.token)
    assert (said["rows"], said["name"], said["path"]) == (50_000, "sent", ["datasets", said["dataset"]])
    dataset = owner.wait_dataset(said["dataset"])
    assert (dataset["status"], dataset["format"], dataset["name"]) == ("READY", "parquet", "sent")
    assert dataset["sizeBytes"] == said["sizeBytes"]
    info = client.get_flight_info(path("datasets", said["dataset"]), bearer(owner.token))
    assert info.total_records == 50_000
    assert pull(client, info).equals(table)
    job = owner.run_job({"version": 1, "steps": [{"filter": {"where": "n < 100"}}]}, input=said["dataset"])
    assert job["status"] == "SUCCEEDED"
    assert job["result"]["rows"] == 100


def columns() -> dict[str, pa.Array]:
    """One column for each type that a client may send, a null in each."""
    moment = dt.datetime.fromisoformat("2024-02-29T23:59:59.123456")
    entries = pa.map_(pa.string(), pa.int64())
    return {
        "boolean": pa.array([True, None, False]),
        **{str(kind): pa.array([0, None, 1], kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
        **{str(kind): pa.array([0, None, 1], kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
        "half": pa.array([1.5, None, -2.0], pa.float16()),
        "float": pa.array([1.5, None, float("-inf")], pa.float32()),
        "double": pa.array([-0.0, None, 1e308]),
        "decimal": pa.array([decimal.Decimal("-1.50"), None, decimal.Decimal("0.01")], pa.decimal128(12, 2)),
        "decimal256": pa.array([decimal.Decimal(10) ** 49, None, decimal.Decimal(1)], pa.decimal256(50, 0)),
        "string": pa.array(["नमस्ते", None, ""]),
        "large_string": pa.array(["a", None, ""], pa.large_string()),
        "string_view": pa.array(["a" * 50, None, ""], pa.string_view()),
        "binary": pa.array([b"\x00\xff", None, b""]),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "date": pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]),
        "time": pa.array([dt.time(23, 59, 59, 999999), None, dt.time(0)], pa.time64("us")),
        "timestamp": pa.array([moment, None, moment], pa.timestamp("us")),
        "kolkata": pa.array([moment, None, moment], pa.timestamp("us", "Asia/Kolkata")),
        "nanoseconds": pa.array([1, None, 2**62], pa.timestamp("ns")),
        "dictionary": pa.array(["a", None, "b"]).dictionary_encode(),
        "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
        "map": pa.array([[("k", 1)], None, []], entries),
        "nulls": pa.nulls(3),
    }


def test_every_type_comes_back_with_its_values(client: fl.FlightClient, owner: Account) -> None:
    sent = columns()
    said = put(client, "types", pa.table(sent), owner.token)
    info = client.get_flight_info(path("datasets", said["dataset"]), bearer(owner.token))
    got = pull(client, info)
    assert got.schema.equals(info.schema)
    assert got.schema.names == list(sent)
    for name, column in sent.items():
        assert got[name].to_pylist() == column.to_pylist(), name


def test_nullability_is_kept(client: fl.FlightClient, owner: Account) -> None:
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
    said = put(client, "nullability", pa.table({"a": [1], "b": [None]}, schema=schema), owner.token)
    info = client.get_flight_info(path("datasets", said["dataset"]), bearer(owner.token))
    assert [field.nullable for field in info.schema] == [False, True]
    assert pull(client, info).schema.equals(info.schema)


def test_a_table_without_rows(client: fl.FlightClient, owner: Account) -> None:
    said = put(client, "empty", pa.table({"n": pa.array([], pa.int64())}), owner.token)
    assert said["rows"] == 0
    info = client.get_flight_info(path("datasets", said["dataset"]), bearer(owner.token))
    assert pull(client, info).schema.names == ["n"]


def test_a_name_that_is_taken_is_refused(client: fl.FlightClient, owner: Account) -> None:
    put(client, "taken", pa.table({"n": [1]}), owner.token)
    with pytest.raises(pa.ArrowException, match="named 'taken' already"):
        put(client, "taken", pa.table({"n": [2]}), owner.token)
    assert names(owner).count("taken") == 1


def test_of_two_tables_of_one_name_at_once_one_is_kept(client: fl.FlightClient, stack: Stack) -> None:
    racer = stack.register()
    table = pa.table({"n": range(1000)})

    def one(_: int) -> bool:
        try:
            put(client, "race", table, racer.token)
        except pa.ArrowException as error:
            return "named 'race' already" not in str(error)
        return True

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(one, range(3))) == 1
    assert names(racer) == ["race"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "tab\there", "x" * 300])
def test_names_that_are_none(client: fl.FlightClient, owner: Account, name: str) -> None:
    with pytest.raises(pa.ArrowInvalid, match="name:"):
        put(client, name, pa.table({"n": [1]}), owner.token)


def test_only_who_may_write_sends_tables(client: fl.FlightClient, stack: Stack, owner: Account) -> None:
    table = pa.table({"n": [1]})
    with pytest.raises(fl.FlightUnauthorizedError, match="write"):
        put(client, "unauthorized", table, api_token(owner, "READ")["token"])
    with pytest.raises(fl.FlightUnauthenticatedError):
        put(client, "unauthorized", table, "nonsense")
    put(client, "authorized", table, api_token(owner, "READ", "WRITE")["token"])
    assert "unauthorized" not in names(owner)
    assert names(stack.register()) == []


@pytest.mark.parametrize("descriptor", [path("jobs", "x"), fl.FlightDescriptor.for_path("datasets")])
def test_other_paths_are_no_place_for_a_table(
    client: fl.FlightClient, owner: Account, descriptor: fl.FlightDescriptor
) -> None:
    table = pa.table({"n": [1]})
    with pytest.raises(pa.ArrowInvalid, match="no place for a table"):  # noqa: PT012  # where it shows is gRPC's business
        writer, reader = client.do_put(descriptor, table.schema, bearer(owner.token))
        writer.write_table(table)
        writer.done_writing()
        reader.read()
        writer.close()


def test_what_parquet_cannot_hold_is_refused_by_column(client: fl.FlightClient, owner: Account) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    ends = pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["x"]))
    interval = pa.array([(1, 2, 3), None], pa.month_day_nano_interval())
    for odd in (union, ends, interval):
        with pytest.raises(pa.ArrowInvalid, match=r"column 'odd'.*Parquet cannot hold"):
            put(client, "odd", pa.table({"fine": [1, 2], "odd": odd}), owner.token)
    with pytest.raises(pa.ArrowInvalid, match="Two columns are named 'a'"):
        put(client, "odd", pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), owner.token)
    with pytest.raises(pa.ArrowInvalid, match="no columns"):
        put(client, "odd", pa.table({}), owner.token)
    assert "odd" not in names(owner)


def test_a_batch_that_is_too_large_says_what_to_do(client: fl.FlightClient, owner: Account) -> None:
    table = pa.table({"s": ["x" * MIB] * 20})
    with pytest.raises(pa.ArrowException, match="max_chunksize"):
        put(client, "large", table, owner.token)
    assert put(client, "large", table, owner.token, rows=5)["rows"] == 20


def test_a_full_workspace_takes_no_more(client: fl.FlightClient, stack: Stack) -> None:
    small = stack.register()
    workspace = small.gql(WORKSPACES)["me"]["workspaces"][0]["id"]
    stack.admin().gql(LIMITS, {"i": {"workspaceId": workspace, "maxStorageBytes": 100_000}})
    with pytest.raises(pa.ArrowException, match="may still store"):
        put(client, "big", pa.table({"s": [os.urandom(MIB) for _ in range(40)]}), small.token, rows=4)
    put(client, "little", pa.table({"n": [1]}), small.token)
    assert names(small) == ["little"]
    nothing_left(stack, small, but=1)


ENDLESS = """
import os, sys
import pyarrow as pa, pyarrow.flight as fl
options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {sys.argv[2]}".encode())])
schema = pa.schema([("s", pa.binary())])
writer, _ = fl.connect(sys.argv[1]).do_put(fl.FlightDescriptor.for_path("datasets", "endless"), schema, options)
while True:
    writer.write_batch(pa.record_batch([pa.array([os.urandom(1 << 20) for _ in range(4)])], schema=schema))
"""


def workspace_of(account: Account) -> str:
    """The UUID of a person's workspace."""
    import base64

    text: str = account.gql(WORKSPACES)["me"]["workspaces"][0]["id"]
    return base64.b64decode(text).decode().partition(":")[2]


def unfinished(stack: Stack, account: Account) -> list[Any]:
    """Multipart uploads of tables that a person sends."""
    client, bucket = storage(stack)
    prefix = f"w/{workspace_of(account)}/datasets/"
    found: list[Any] = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads") or []
    return [item for item in found if item["Key"].startswith(prefix)]


def nothing_left(stack: Stack, account: Account, but: int = 0) -> None:
    """Wait until nothing of tables that broke is in storage."""
    client, bucket = storage(stack)
    prefix = f"w/{workspace_of(account)}/datasets/"
    deadline = time.monotonic() + PATIENCE
    while True:
        objects = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents") or []
        if len(objects) == but and not unfinished(stack, account):
            return
        assert time.monotonic() < deadline, (objects, unfinished(stack, account))
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_client_that_vanishes_leaves_nothing(stack: Stack, number: signal.Signals) -> None:
    sender = stack.register()
    command = [sys.executable, "-c", ENDLESS, stack.flight_url, str(sender.token)]
    with subprocess.Popen(command, env=clean_environment(), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE
        while not unfinished(stack, sender):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(number)
    nothing_left(stack, sender)
    assert names(sender) == []


def test_a_damaged_stream_leaves_nothing(stack: Stack, client: fl.FlightClient) -> None:
    from tests.flight.raw import SERVICE, nested

    sender = stack.register()
    import grpc

    schema = pa.schema([("n", pa.int64())])
    head = schema.serialize().to_pybytes()[8:]
    first = nested(1, path("datasets", "damaged").serialize()) + nested(2, head)
    with grpc.insecure_channel(stack.flight_url.removeprefix("grpc://")) as channel:
        send = channel.stream_stream(SERVICE + "DoPut")
        metadata = [("authorization", f"Bearer {sender.token}")]
        for second in (nested(2, b"\x10\x00\x00\x00nonsense" * 4), nested(2, head)):
            with pytest.raises(grpc.RpcError) as caught:
                list(send(iter([first, second]), metadata=metadata, timeout=PATIENCE))
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, caught.value
    nothing_left(stack, sender)
    assert names(sender) == []


def resident(pid: int) -> int:
    """Memory of a process in bytes."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_a_long_table_is_taken_in_bounded_memory(client: fl.FlightClient, stack: Stack, owner: Account) -> None:
    # 600 MB that do not compress: more than the server holds of one table by far.
    flight, most = stack.pid("flight"), 0
    schema = pa.schema([("n", pa.int64()), ("s", pa.binary())])
    before = resident(flight)
    writer, reader = client.do_put(path("datasets", "long"), schema, bearer(owner.token))
    with writer:
        for start in range(0, 600, 4):
            noise = pa.array([os.urandom(64 * 1024) for _ in range(64)])
            batch = pa.record_batch([pa.array(range(start * 16, start * 16 + 64)), noise], schema=schema)
            writer.write_batch(batch)
            most = max(most, resident(flight))
        writer.done_writing()
        said = json.loads(reader.read().to_pybytes())
    assert said["rows"] == 9600
    assert said["sizeBytes"] > 600 * MIB * 0.99
    assert most - before < 400 * MIB, f"{(most - before) / MIB:.0f} MiB"
