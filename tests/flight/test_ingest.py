"""Rows that arrive by Flight SQL: `adbc_ingest`, pandas `to_sql` and Polars `write_database` on the whole service."""

from __future__ import annotations

import datetime as dt
import decimal
import os
from collections.abc import Iterator

import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.flight.sql_client import bearer, command, connect, rows
from tests.flight.test_paths import api_token
from tests.flight.test_put import LIMITS, names
from tests.stack import Account, Stack

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Sender of rows")


@pytest.fixture
def connection(stack: Stack, owner: Account) -> Iterator[flight_sql.Connection]:
    with connect(stack.flight_url, owner.token) as opened:
        yield opened


def ingest(
    connection: flight_sql.Connection, name: str, table: pa.Table | pa.RecordBatch, mode: str, **more: str
) -> int:
    """Send a table; returns the rows that the server counted."""
    with connection.cursor() as cursor:
        return int(cursor.adbc_ingest(name, table, mode=mode, **more))


def read(connection: flight_sql.Connection, name: str) -> pa.Table:
    """All of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM datasets."{name}"')
        return cursor.fetch_arrow_table()


def test_rows_become_a_data_set(connection: flight_sql.Connection, owner: Account) -> None:
    moment = dt.datetime(2024, 2, 29, 23, 59, 59, 123456, dt.UTC)
    table = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int64()),
            "s": ["a", "ü", None],
            "d": [decimal.Decimal("1.10"), None, decimal.Decimal("-2.55")],
            "t": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
            "l": [[1, 2], [], None],
        }
    )
    assert ingest(connection, "made", table, "create") == 3
    assert read(connection, "made").equals(table)
    assert "made" in names(owner)
    job = owner.run_job({"version": 1, "steps": [{"filter": {"where": "n = 3"}}]}, input=named(owner, "made"))
    assert job["result"]["rows"] == 1


def named(account: Account, name: str) -> str:
    """The id of the data set of a name."""
    found = account.gql("query { datasets(first: 100) { edges { node { id name } } } }")["datasets"]["edges"]
    (one,) = [edge["node"]["id"] for edge in found if edge["node"]["name"] == name]
    return str(one)


def test_create_refuses_a_name_that_is_taken(connection: flight_sql.Connection) -> None:
    first = pa.table({"n": [1]})
    ingest(connection, "once", first, "create")
    with pytest.raises(flight_sql.Error, match="named 'once' already"):
        ingest(connection, "once", pa.table({"n": [2]}), "create")
    assert read(connection, "once").equals(first)


def test_replace_puts_a_new_data_set_in_the_place_of_the_old(connection: flight_sql.Connection, owner: Account) -> None:
    ingest(connection, "again", pa.table({"n": [1, 2]}), "replace")
    old = named(owner, "again")
    assert ingest(connection, "again", pa.table({"other": ["x"]}), "replace") == 1
    assert read(connection, "again").to_pylist() == [{"other": "x"}]
    assert named(owner, "again") != old
    assert owner.gql("query($i: ID!) { dataset(id: $i) { id } }", {"i": old})["dataset"] is None


def test_append_adds_rows_behind_those_that_are_there(connection: flight_sql.Connection, owner: Account) -> None:
    with pytest.raises(flight_sql.Error, match="no data set named 'grown'"):
        ingest(connection, "grown", pa.table({"a": [1]}), "append")
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), ("s", pa.string())])
    ingest(connection, "grown", pa.table({"a": range(20_000), "s": ["x"] * 20_000}, schema), "create_append")
    # other order of columns, narrower integers, other texts: each value can be kept as it is
    more = pa.table({"s": pa.array(["y", None], pa.large_string()), "a": pa.array([-1, -2], pa.int32())})
    assert ingest(connection, "grown", more, "append") == 2
    assert ingest(connection, "grown", more.slice(0, 1), "create_append") == 1
    found = read(connection, "grown")
    assert found.schema.field("a").type == pa.int64()
    assert found.num_rows == 20_003
    assert found.slice(19_999).to_pylist() == [
        {"a": 19_999, "s": "x"}, {"a": -1, "s": "y"}, {"a": -2, "s": None}, {"a": -1, "s": "y"},
    ]  # fmt: skip
    assert names(owner).count("grown") == 1


def test_append_to_a_text_file(connection: flight_sql.Connection, owner: Account) -> None:
    owner.upload("id,amount\n1,2.50\n2,3.50\n", "text.csv")
    before = read(connection, "text.csv")
    more = before.slice(1)
    ingest(connection, "text.csv", more, "append")
    assert read(connection, "text.csv").to_pylist() == before.to_pylist() + more.to_pylist()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"a": [1.5]}), "'a' is Int64 in the data set, the rows bring Float64"),
        (pa.table({"a": pa.array([1], pa.uint64())}), "whose values it cannot hold exactly"),
        (pa.table({"a": [1], "b": [2]}), "no column 'b'"),
        (pa.table({"b": [1]}), "no column 'b'"),
        (pa.table({"a": [[1]]}), "cannot hold exactly"),
    ],
)
def test_append_never_changes_columns(connection: flight_sql.Connection, table: pa.Table, said: str) -> None:
    kept = pa.table({"a": [1, 2]})
    ingest(connection, "contract", kept, "replace")
    with pytest.raises(flight_sql.Error, match=said):
        ingest(connection, "contract", table, "append")
    assert read(connection, "contract").equals(kept)


def test_a_name_of_several_data_sets_is_refused(connection: flight_sql.Connection, owner: Account) -> None:
    for _ in range(2):
        owner.upload("a\n1\n", "twins.csv")
    for mode in ("append", "replace"):
        with pytest.raises(flight_sql.Error, match=r"Several data sets are named 'twins\.csv'"):
            ingest(connection, "twins.csv", pa.table({"a": [1]}), mode)


def test_what_a_job_reads_is_not_replaced(stack: Stack) -> None:
    busy = stack.register("Busy")
    table = pa.table({"a": [1]})
    with connect(stack.flight_url, busy.token) as connection:
        ingest(connection, "busy", table, "create")
        workspace = busy.gql("query { me { workspaces { id } } }")["me"]["workspaces"][0]["id"]
        # no job of the workspace starts any more
        held = stack.admin().gql(LIMITS, {"i": {"workspaceId": workspace, "maxRunningJobs": 0}})
        assert held["setWorkspaceLimits"]["__typename"] == "SetWorkspaceLimitsSuccess"
        job = busy.start_job({"version": 1, "steps": []}, input=named(busy, "busy"))
        for mode in ("replace", "append"):
            with pytest.raises(flight_sql.Error, match="job that has not ended reads the data set 'busy'"):
                ingest(connection, "busy", table, mode)
        cancel = "mutation($i: CancelJobInput!) { cancelJob(input: $i) { __typename } }"
        assert busy.gql(cancel, {"i": {"id": job}})["cancelJob"]["__typename"] == "CancelJobSuccess"
        assert ingest(connection, "busy", table, "append") == 1
        assert read(connection, "busy").num_rows == 2


def test_other_places_and_wishes_are_refused(stack: Stack, owner: Account, connection: flight_sql.Connection) -> None:
    table = pa.table({"a": [1]})
    with pytest.raises(flight_sql.Error, match="schema `datasets` only"):
        ingest(connection, "x", table, "create", db_schema_name="jobs")
    with pytest.raises(flight_sql.Error, match="no workspace `nowhere`"):
        ingest(connection, "x", table, "create", catalog_name="nowhere")
    with connection.cursor() as cursor, pytest.raises(flight_sql.Error, match="Temporary tables"):
        cursor.adbc_ingest("x", table, mode="create", temporary=True)
    workspace = owner.gql("query { me { workspaces { id name } } }")["me"]["workspaces"][0]["id"]
    assert ingest(connection, "placed", table, "create", db_schema_name="datasets", catalog_name=workspace) == 1
    reader = api_token(owner, "READ")["token"]
    with connect(stack.flight_url, reader) as other, pytest.raises(flight_sql.Error, match="no scope `write`"):
        ingest(other, "forbidden", table, "create")
    with connect(stack.flight_url, stack.register("Stranger").token) as other:
        with pytest.raises(flight_sql.Error, match="no data set named 'placed'"):
            ingest(other, "placed", table, "append")
        assert ingest(other, "placed", table, "create") == 1
    assert names(owner).count("placed") == 1
    # a client that does not say what it wants
    descriptor = fl.FlightDescriptor.for_command(command("CommandStatementIngest", (2, "x")))
    writer, _ = fl.connect(stack.flight_url).do_put(descriptor, table.schema, bearer(owner.token))
    with pytest.raises(pa.ArrowInvalid, match="if_not_exist"):
        writer.close()


def test_rows_that_fail_on_their_way_leave_the_old_data_set(stack: Stack) -> None:
    small = stack.register("Small")
    workspace = small.gql("query { me { workspaces { id } } }")["me"]["workspaces"][0]["id"]
    stack.admin().gql(LIMITS, {"i": {"workspaceId": workspace, "maxStorageBytes": 20 * MIB}})
    kept = pa.table({"s": [b"kept"]})
    too_much = pa.table({"s": [os.urandom(MIB) for _ in range(40)]})
    with connect(stack.flight_url, small.token) as connection:
        ingest(connection, "safe", kept, "create")
        for mode in ("replace", "append"):
            with pytest.raises(flight_sql.Error, match="may still store"):
                ingest(connection, "safe", pa.Table.from_batches(too_much.to_batches(max_chunksize=4)), mode)
            assert read(connection, "safe").equals(kept)


def test_pandas_to_sql(connection: flight_sql.Connection) -> None:
    frame = pd.DataFrame({"n": [1, 2], "s": ["a", None]})
    assert frame.to_sql("frames", connection, index=False) == 2
    with pytest.raises(ValueError, match="already exists"):
        frame.to_sql("frames", connection, index=False)
    assert frame.to_sql("frames", connection, index=False, if_exists="append") == 2
    back = pd.read_sql('SELECT * FROM datasets."frames"', connection)
    pd.testing.assert_frame_equal(back, pd.concat([frame, frame], ignore_index=True), check_dtype=False)


def test_polars_write_database(connection: flight_sql.Connection) -> None:
    frame = pl.DataFrame({"n": [1, 2], "s": ["a", None], "d": [dt.date(2024, 2, 29), None]})
    assert frame.write_database("polar", connection, engine="adbc") == 2
    assert frame.write_database("polar", connection, engine="adbc", if_table_exists="append") == 2
    assert pl.read_database("SELECT * FROM datasets.polar", connection).equals(pl.concat([frame, frame]))
    assert frame.head(1).write_database("polar", connection, engine="adbc", if_table_exists="replace") == 1
    assert pl.read_database("SELECT * FROM datasets.polar", connection).equals(frame.head(1))


def test_no_rows_are_a_table_too(connection: flight_sql.Connection) -> None:
    none = {"a": pa.array([], pa.int32())}
    ingest(connection, "empty", pa.record_batch(none), "create")
    # of a table without batches the driver sends no columns either
    with pytest.raises(flight_sql.Error, match="ended before its schema"):
        ingest(connection, "nothing", pa.table(none), "create")
    assert rows(connection, 'SELECT count(*) FROM datasets."empty"') == [(0,)]
