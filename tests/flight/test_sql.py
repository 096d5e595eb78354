"""Flight SQL on the whole service: SELECT over results and data sets with ADBC, pandas and Polars."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import io
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
import pytest

from tests.flight.sql_client import bearer, command, connect, fields, rows, statement
from tests.stack import Account, Stack

COUNTRIES = ("India", "Nepal", "Bhutan")
CSV = "order_id,country,amount,note\n" + "".join(
    f'{i},{COUNTRIES[i % 3]},{i / 4:.2f},"note, {i}"\n' for i in range(3_000)
)


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Owner of tables")


@pytest.fixture(scope="module")
def orders(owner: Account) -> str:
    return owner.upload(CSV, "orders.csv")


@pytest.fixture(scope="module")
def countries(owner: Account) -> str:
    table = pa.table({"name": list(COUNTRIES), "Capital": ["New Delhi", "Kathmandu", "Thimphu"], "n": [1, 2, None]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=1)
    return owner.upload(out.getvalue(), "countries.parquet")


@pytest.fixture(scope="module")
def jobs(owner: Account, orders: str) -> dict[str, str]:
    """A finished job for each format, and one of several files."""
    outputs: dict[str, dict[str, Any]] = {
        name: {"format": name} for name in ("parquet", "csv", "ndjson", "arrow", "tsv")
    }
    outputs["parts"] = {"format": "parquet", "partitionBy": ["country"]}
    steps = [{"filter": {"where": "order_id >= 1000"}}]
    started = {
        name: owner.start_job({"version": 1, "steps": steps, "output": output}, input=orders)
        for name, output in outputs.items()
    }
    ended = {name: owner.wait_job(job) for name, job in started.items()}
    assert {job["status"] for job in ended.values()} == {"SUCCEEDED"}, ended
    return started


@pytest.fixture
def connection(stack: Stack, owner: Account, orders: str, countries: str) -> Any:
    with connect(stack.flight_url, owner.token) as connection:
        yield connection


def test_a_data_set_by_its_name_and_by_both_of_its_ids(connection: flight_sql.Connection, orders: str) -> None:
    plain = base64.b64decode(orders).decode().partition(":")[2]
    for table in ('datasets."orders.csv"', '"orders.csv"', f'datasets."{orders}"', f'"{plain}"'):
        query = f"SELECT country, COUNT(*) AS n, max(order_id) AS last FROM {table} GROUP BY country ORDER BY country"
        assert rows(connection, query) == [("Bhutan", 1000, 2999), ("India", 1000, 2997), ("Nepal", 1000, 2998)]


@pytest.mark.parametrize("name", ["parquet", "csv", "ndjson", "arrow", "tsv", "parts"])
def test_a_result_of_every_format(connection: flight_sql.Connection, jobs: dict[str, str], name: str) -> None:
    query = (
        f"""SELECT count(*), min(order_id), max(order_id), max(note) FROM jobs."{jobs[name]}" WHERE order_id > 1999"""
    )
    assert rows(connection, query) == [(1000, 2000, 2999, "note, 2999")]
    query = f"""SELECT note FROM jobs."{jobs[name]}" ORDER BY order_id LIMIT 2 OFFSET 1"""
    assert rows(connection, query) == [("note, 1001",), ("note, 1002",)]


def test_a_join_of_a_result_with_a_data_set(connection: flight_sql.Connection, jobs: dict[str, str]) -> None:
    query = f"""
        WITH late AS (SELECT * FROM jobs."{jobs["parquet"]}" WHERE order_id >= 2990)
        SELECT c."Capital", sum(late.order_id) AS total
        FROM late JOIN datasets."countries.parquet" AS c ON c.name = late.country
        GROUP BY 1 HAVING count(*) > 3 ORDER BY 2 DESC"""
    wanted = {country: sum(i for i in range(2990, 3000) if i % 3 == n) for n, country in enumerate(COUNTRIES)}
    assert rows(connection, query) == [("Thimphu", wanted["Bhutan"])]


def test_lines_and_functions_without_tables(connection: flight_sql.Connection, owner: Account) -> None:
    owner.upload("INFO a\nERROR b\nERROR c\n", "service.log")
    assert rows(connection, """SELECT line FROM "service.log" WHERE line LIKE 'ERROR%' ORDER BY 1""") == [
        ("ERROR b",),
        ("ERROR c",),
    ]
    assert rows(connection, "SELECT sum(value) FROM generate_series(1, 1000)") == [(500500,)]
    assert rows(connection, "SELECT 1 WHERE false") == []


def test_what_was_announced_is_what_comes(stack: Stack, owner: Account, countries: str, jobs: dict[str, str]) -> None:
    client = fl.connect(stack.flight_url)
    for query in (
        f'SELECT * FROM jobs."{jobs["csv"]}" LIMIT 3',
        f'SELECT *, NULL AS nothing, 1 AS one FROM datasets."{countries}"',
        f'SELECT a.name, b.name FROM "{countries}" a LEFT JOIN "{countries}" b ON a.n = b.n WHERE false',
        f'SELECT count(*) AS n, avg(n), array_agg(name), max("Capital") FROM "{countries}"',
        "SELECT now() AS t, DATE '2026-11-28' AS d, CAST(1.5 AS DECIMAL(10, 3)) AS x, [1, 2] AS l, 'a' AS s",
        "SELECT 1 AS a UNION ALL SELECT 2.5",
        "SELECT CASE WHEN true THEN NULL ELSE 'x' END AS maybe, arrow_cast('x', 'Utf8View') AS view",
    ):
        info = client.get_flight_info(statement(query), bearer(owner.token))
        (endpoint,) = info.endpoints
        assert endpoint.locations == []
        table = client.do_get(endpoint.ticket, bearer(owner.token)).read_all()
        assert table.schema.equals(info.schema, check_metadata=True), query
        assert pa.string_view() not in info.schema.types
        table.validate(full=True)
        schema = client.get_schema(statement(query), bearer(owner.token)).schema
        assert schema.equals(info.schema, check_metadata=True)


PARAMETERS = [
    ("order_id > ? AND country = ?", [2_990, "India"], 3),
    ("order_id > $1 AND order_id <> $1 + 1 AND country = $2", [2_990, "India"], 2),
    ("note = ?", ["note, 7"], 1),
    ("note = ?", ["'; DROP TABLE orders --"], 0),
    ("amount = ?", [0.25], 1),
    ("amount > ?", [decimal.Decimal("749.50")], 1),
    ("true = ?", [True], 3_000),
    ("? IS NULL", [None], 3_000),
    ("DATE '2026-11-28' = ?", [dt.date(2026, 11, 28)], 3_000),
    ("TIMESTAMP '2026-11-28T10:00:00.5' = ?", [dt.datetime.fromisoformat("2026-11-28T10:00:00.5")], 3_000),
    ("to_timestamp('2026-11-28T10:00:00Z') = ?", [dt.datetime(2026, 11, 28, 10, tzinfo=dt.UTC)], 3_000),
    ("order_id IN (?, ?, ?)", [-1, 5, 7], 2),
]


@pytest.mark.parametrize(("where", "values", "count"), PARAMETERS)
def test_parameters(connection: flight_sql.Connection, where: str, values: list[Any], count: int) -> None:
    assert rows(connection, f'SELECT count(*) FROM "orders.csv" WHERE {where}', values) == [(count,)]


def test_a_prepared_statement_is_executed_again_with_other_values(connection: flight_sql.Connection) -> None:
    with connection.cursor() as cursor:
        for limit in (1, 5, 0):
            cursor.execute('SELECT order_id FROM "orders.csv" ORDER BY order_id DESC LIMIT ?', [limit])
            assert [row[0] for row in cursor.fetchall()] == list(range(2_999, 2_999 - limit, -1))
        schema = cursor.adbc_prepare('SELECT note FROM "orders.csv" WHERE country = $1 AND order_id < $2')
        assert schema is not None
        assert schema.names == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "values", "said"),
    [
        ("SELECT ?", [], "1 parameters, 0 values"),
        ("SELECT 1", [5], "0 parameters, 1 values"),
        ("SELECT ? + $1", [1], "both kinds"),
        ("SELECT $name", [1], "numbered"),
        ("SELECT ?", [[1, 2]], "cannot be bound"),
    ],
)
def test_parameters_that_do_not_fit(
    connection: flight_sql.Connection, query: str, values: list[Any], said: str
) -> None:
    with pytest.raises(flight_sql.Error, match=said.replace("+", r"\+")):
        rows(connection, query, values)


def test_several_rows_of_parameters(stack: Stack, owner: Account, orders: str) -> None:
    """The statement runs once for each; their rows follow one another."""
    client, options = fl.connect(stack.flight_url), bearer(owner.token)
    query = f'SELECT order_id, country FROM datasets."{orders}" WHERE order_id = ? OR country = ? ORDER BY 1 LIMIT 2'
    action = fl.Action("CreatePreparedStatement", command("ActionCreatePreparedStatementRequest", (1, query)))
    (made,) = client.do_action(action, options)
    handle = fields(fields(made.body.to_pybytes())[2])[1]

    def execute(parameters: pa.Table) -> pa.Table:
        descriptor = fl.FlightDescriptor.for_command(command("CommandPreparedStatementQuery", (1, handle)))
        writer, reader = client.do_put(descriptor, parameters.schema, options)
        writer.write_table(parameters)
        writer.done_writing()
        answer = reader.read()
        writer.close()  # says why, if there was no answer
        bound = fields(answer.to_pybytes())[1]
        descriptor = fl.FlightDescriptor.for_command(command("CommandPreparedStatementQuery", (1, bound)))
        info = client.get_flight_info(descriptor, options)
        table = client.do_get(info.endpoints[0].ticket, options).read_all()
        assert table.schema == info.schema
        return table

    found = execute(pa.table({"a": [7, None, 9], "b": pa.array([None, "Nepal", None], pa.string())}))
    assert found["order_id"].to_pylist() == [7, 1, 4, 9]
    with pytest.raises(pa.ArrowInvalid, match="1001 rows of parameters"):
        execute(pa.table({"a": range(1001), "b": ["x"] * 1001}))
    with pytest.raises(pa.ArrowInvalid, match="0 rows of parameters"):
        execute(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}))


def test_pandas(connection: flight_sql.Connection, jobs: dict[str, str]) -> None:
    frame = pd.read_sql('SELECT country, sum(amount) AS total FROM "orders.csv" GROUP BY 1 ORDER BY 1', connection)
    assert list(frame.columns) == ["country", "total"]
    assert frame["country"].tolist() == ["Bhutan", "India", "Nepal"]
    assert float(frame["total"].sum()) == pytest.approx(sum(i / 4 for i in range(3_000)), abs=20)
    whole = pd.read_sql_table(jobs["parquet"], connection, schema="jobs")
    assert len(whole) == 2_000


def test_polars(connection: flight_sql.Connection) -> None:
    frame = pl.read_database('SELECT order_id, note FROM "orders.csv" WHERE order_id < 10', connection)
    assert frame.sort("order_id")["note"].to_list() == [f"note, {i}" for i in range(10)]
    options = {"parameters": [2_998]}
    frame = pl.read_database(
        'SELECT order_id FROM "orders.csv" WHERE order_id > ?', connection, execute_options=options
    )
    assert frame["order_id"].to_list() == [2_999]


def test_duckdb_takes_the_stream(connection: flight_sql.Connection) -> None:
    import duckdb

    with connection.cursor() as cursor:
        cursor.execute('SELECT country, amount FROM "orders.csv"')
        stream = cursor.fetch_record_batch()  # noqa: F841  # DuckDB finds it by its name
        counted = duckdb.sql("SELECT country, count(*) FROM stream GROUP BY 1 ORDER BY 1").fetchall()
    assert counted == [("Bhutan", 1000), ("India", 1000), ("Nepal", 1000)]


def test_log_in_with_a_password(stack: Stack, owner: Account, orders: str) -> None:
    options = {"username": owner.email, "password": owner.password}
    with flight_sql.connect(stack.flight_url, db_kwargs=options, autocommit=True) as connection:
        assert rows(connection, f'SELECT count(*) FROM "{orders}"') == [(3_000,)]


REFUSED = [
    'INSERT INTO datasets."orders.csv" VALUES (1)',
    'UPDATE datasets."orders.csv" SET amount = 0',
    'DELETE FROM datasets."orders.csv"',
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    'DROP TABLE datasets."orders.csv"',
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "SET datafusion.execution.batch_size = 1",
    "SHOW TABLES",
    "EXPLAIN SELECT 1",
    "BEGIN",
    "SELECT 1 INTO t",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE x",
]


@pytest.mark.parametrize("query", REFUSED)
def test_only_one_select_is_taken(connection: flight_sql.Connection, query: str) -> None:
    with pytest.raises(flight_sql.Error, match=r"one SELECT|not offered|wrong"):
        rows(connection, query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('s3://karyaksham/x')",
        "SELECT * FROM information_schema.tables",
    ],
)
def test_nothing_but_tables_is_read(connection: flight_sql.Connection, query: str) -> None:
    with pytest.raises(flight_sql.Error, match=r"There is no|cannot be read|wrong|not offered"):
        rows(connection, query)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('SELECT * FROM "order.csv"', r"no table `order\.csv`.* did you mean `orders\.csv`\?"),
        ("SELECT * FROM datasets.orders.csv", r'no workspace `datasets`.*datasets\."orders\.csv"'),
        ('SELECT * FROM tables."orders.csv"', r"no schema `tables`.*`datasets` and `jobs`"),
        ('SELECT * FROM jobs."orders.csv"', r"Several tables are named `jobs\.orders\.csv`: use the id, e\.g\. jobs\."),
        ('SELECT Amount FROM "orders.csv"', r"no column `Amount` here; did you mean `amount`\?"),
        ('SELECT nosuch(1) FROM "orders.csv"', r"nosuch"),
        ('SELECT country FRM "orders.csv" x', r"cannot be read: .*Line: 1"),
        ('SELECT country + 1 FROM "orders.csv"', r"country|Utf8|cast|coerce|failed"),
        ('SELECT 1 / (order_id - order_id) FROM "orders.csv"', r"division by zero.*nullif"),
        ('SELECT CAST(note AS INT) FROM "orders.csv"', r"failed on a value.*note, "),
    ],
)
def test_errors_say_what_and_how(
    connection: flight_sql.Connection, jobs: dict[str, str], query: str, said: str
) -> None:
    with pytest.raises(flight_sql.Error, match=f"(?s){said}"):
        rows(connection, query)


def test_a_row_that_cannot_be_read_is_named(owner: Account, connection: flight_sql.Connection) -> None:
    text = "a,b\n" + "1,2\n" * 50_000 + "1,2,3\n"
    dataset = owner.upload(text, "ragged.csv")
    with pytest.raises(flight_sql.Error, match="50002"):
        rows(connection, f'SELECT sum(a) FROM "{dataset}"')


def test_what_is_not_offered_is_unimplemented(stack: Stack, owner: Account) -> None:
    client = fl.connect(stack.flight_url)
    unimplemented = pytest.raises((pa.ArrowNotImplementedError, NotImplementedError), match="not offered")
    for name in ("CommandGetPrimaryKeys", "CommandGetXdbcTypeInfo", "CommandStatementSubstraitPlan"):
        with unimplemented:
            client.get_flight_info(fl.FlightDescriptor.for_command(command(name)), bearer(owner.token))
    descriptor = fl.FlightDescriptor.for_command(command("CommandStatementUpdate", (1, "DROP TABLE x")))
    writer, _ = client.do_put(descriptor, pa.schema([("a", pa.int64())]), bearer(owner.token))
    with unimplemented:
        writer.close()
    for name in ("BeginTransaction", "CancelQuery", "SetSessionOptions"):
        with unimplemented:
            list(client.do_action(fl.Action(name, b""), bearer(owner.token)))
    names = {action.type for action in client.list_actions(bearer(owner.token))}
    assert {"CreatePreparedStatement", "ClosePreparedStatement", "CloseSession"} <= names
    (closed,) = client.do_action(fl.Action("CloseSession", b""), bearer(owner.token))
    assert closed.body.to_pybytes() == b"\x08\x01"


@pytest.mark.parametrize(
    ("name", "body"),
    [("CreatePreparedStatement", b""), ("CreatePreparedStatement", b"\xff" * 9), ("ClosePreparedStatement", b"x")],
)
def test_broken_messages_are_told_so(stack: Stack, owner: Account, name: str, body: bytes) -> None:
    client = fl.connect(stack.flight_url)
    with pytest.raises(pa.ArrowInvalid, match="body is not"):
        list(client.do_action(fl.Action(name, body), bearer(owner.token)))
    broken = command("TicketStatementQuery", (1, b'{"v":1,"sql":'))
    with pytest.raises(pa.ArrowInvalid, match="handle is damaged"):
        client.do_get(fl.Ticket(broken), bearer(owner.token)).read_all()
