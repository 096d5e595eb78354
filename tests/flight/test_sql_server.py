"""Flight servers of their own on the running service, with tight limits: statements end, wait, and outlive them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow.flight as fl
import pytest

from tests.flight.conftest import ROOT, free_port, wait_for_port
from tests.flight.sql_client import bearer, command, connect, fields, rows, statement
from tests.processes import PATIENCE
from tests.stack import Account, Stack, clean_environment

FOREVER = (
    "SELECT count(*) FROM generate_series(1, 1000000) a JOIN generate_series(1, 1000000) b ON a.value + b.value < 0"
)
ENDLESS_ROWS = "SELECT a.value, repeat('x', 1000) AS x FROM generate_series(1, 100000000) a"


@contextmanager
def flight_server(stack: Stack, tmp_path: Path, **settings: str) -> Iterator[str]:
    """Another Flight server of the same service; yields where it listens."""
    port = free_port()
    environment = clean_environment(**stack.environment) | {"FLIGHT_PORT": str(port)} | settings
    with (tmp_path / "flight.log").open("ab") as log:
        command = [sys.executable, "-m", "flight"]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
    try:
        wait_for_port(port, process)
        yield f"grpc://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, (tmp_path / "flight.log").read_text()


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register()


def test_a_statement_ends_at_its_time_limit(stack: Stack, owner: Account, tmp_path: Path) -> None:
    with (
        flight_server(stack, tmp_path, FLIGHT_SQL_TIME_LIMIT_SECONDS="1") as location,
        connect(location, owner.token) as connection,
    ):
        with pytest.raises(flight_sql.Error, match=r"longer than 1 seconds.*run it as a job"):
            rows(connection, FOREVER)
        assert rows(connection, "SELECT 1") == [(1,)]


def test_a_statement_ends_at_its_memory_limit_and_a_join_sorts_to_stay_within(
    stack: Stack, owner: Account, tmp_path: Path
) -> None:
    limit = str(64 << 20)
    with (
        flight_server(stack, tmp_path, FLIGHT_SQL_MEMORY_LIMIT_BYTES=limit) as location,
        connect(location, owner.token) as connection,
    ):
        with pytest.raises(flight_sql.Error, match="memory"):
            rows(connection, "SELECT length(string_agg(repeat('x', 100), '')) FROM generate_series(1, 5000000)")
        # the hash table of either side takes more: the join sorts instead
        query = "SELECT count(*) FROM generate_series(1, 2000000) a JOIN generate_series(1, 2000000) b USING (value)"
        assert rows(connection, query) == [(2_000_000,)]


def test_a_sort_spills_where_memory_is_little(stack: Stack, owner: Account, tmp_path: Path) -> None:
    count = 3_000_000
    limit, spill = str(64 << 20), tmp_path / "spill"
    spill.mkdir()
    with (
        flight_server(
            stack, tmp_path, FLIGHT_SQL_MEMORY_LIMIT_BYTES=limit, SPILL_DIR=str(spill), FLIGHT_SQL_MAX_STATEMENTS="1"
        ) as location,
        connect(location, owner.token) as connection,
        connection.cursor() as cursor,
    ):
        # 140 MB of texts, in an order that has nothing to do with how they come
        cursor.execute(
            "SELECT value, lpad(CAST(value * 7919 % 3000017 AS VARCHAR), 40, '0') AS text "
            f"FROM generate_series(1, {count}) ORDER BY text"
        )
        last, seen = "", 0
        for batch in cursor.fetch_record_batch():
            texts = batch.column("text").to_pylist()
            assert texts[0] >= last
            assert texts == sorted(texts)
            last, seen = texts[-1], seen + len(texts)
        assert seen == count


def test_statements_wait_their_turn_and_a_client_that_leaves_gives_its_own(
    stack: Stack, owner: Account, tmp_path: Path
) -> None:
    with flight_server(stack, tmp_path, FLIGHT_SQL_MAX_STATEMENTS="1") as location:
        client = fl.connect(location)
        for _ in range(2):
            ticket = client.get_flight_info(statement(ENDLESS_ROWS), bearer(owner.token)).endpoints[0].ticket
            reader = client.do_get(ticket, bearer(owner.token))
            assert reader.read_chunk().data.num_rows > 0
            # 100 GB wait behind it: only if they are given up does the next one get its turn
            reader.cancel()
            del reader
            with connect(location, owner.token) as connection:
                assert rows(connection, "SELECT 2") == [(2,)]


def test_a_cancelled_statement_gives_up_its_turn(stack: Stack, owner: Account, tmp_path: Path) -> None:
    with flight_server(stack, tmp_path, FLIGHT_SQL_MAX_STATEMENTS="1") as location:
        with connect(location, owner.token) as connection, connection.cursor() as cursor:
            cursor.execute(ENDLESS_ROWS)
            assert cursor.fetchone() is not None
            cursor.adbc_cancel()
        with connect(location, owner.token) as connection:
            assert rows(connection, "SELECT 2") == [(2,)]


def test_tickets_and_prepared_statements_outlive_the_server(stack: Stack, owner: Account, tmp_path: Path) -> None:
    dataset = owner.upload("a\n1\n2\n", "kept.csv")
    options = bearer(owner.token)
    with flight_server(stack, tmp_path) as location:
        client = fl.connect(location)
        ticket = client.get_flight_info(statement(f'SELECT a FROM "{dataset}"'), options).endpoints[0].ticket
        action = fl.Action("CreatePreparedStatement", command("ActionCreatePreparedStatementRequest", (1, "SELECT 7")))
        (made,) = client.do_action(action, options)
        handle = fields(fields(made.body.to_pybytes())[2])[1]
        client.close()
    with flight_server(stack, tmp_path) as location:
        client = fl.connect(location)
        assert client.do_get(ticket, options).read_all().num_rows == 2
        descriptor = fl.FlightDescriptor.for_command(command("CommandPreparedStatementQuery", (1, handle)))
        info = client.get_flight_info(descriptor, options)
        assert client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist() == [{"Int64(7)": 7}]
