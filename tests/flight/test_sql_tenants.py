"""Flight SQL and who may see what: catalogs are workspaces, and each call's own token decides."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import httpx
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.flight.sql_client import bearer, command, connect, rows, statement
from tests.processes import PATIENCE
from tests.stack import Account, Stack

MAKE_TOKEN = """mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) {
  __typename ... on CreateApiTokenSuccess { token apiToken { id } } ... on Error { code message } } }"""
REVOKE = "mutation($i: RevokeApiTokenInput!) { revokeApiToken(input: $i) { __typename ... on Error { code message } } }"
MAKE_WORKSPACE = """mutation($i: CreateWorkspaceInput!) { createWorkspace(input: $i) {
  __typename ... on CreateWorkspaceSuccess { workspace { id } } ... on Error { code message } } }"""


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Owner")


@pytest.fixture(scope="module")
def secret(owner: Account) -> str:
    return owner.upload("code,amount\nalpha,1\nbeta,2\n", "secret.csv")


@pytest.fixture
def stranger(stack: Stack) -> Account:
    return stack.register("Stranger")


def said(connection: flight_sql.Connection, query: str) -> str:
    """What a refused statement is told, without the name that it asked for."""
    with pytest.raises(flight_sql.Error) as caught:
        rows(connection, query)
    return re.sub(r"`[^`]*`", "…", str(caught.value).partition("Vendor code")[0])


def test_tables_of_others_are_as_if_absent(stack: Stack, owner: Account, secret: str, stranger: Account) -> None:
    with connect(stack.flight_url, stranger.token) as connection:
        absent = said(connection, 'SELECT * FROM datasets."nothing.csv"')
        assert "there are none yet" in absent
        assert said(connection, 'SELECT * FROM datasets."secret.csv"') == absent
        stranger.upload("a\n1\n", "mine.csv")
        told = said(connection, f'SELECT * FROM datasets."{secret}"')
        assert "secret" not in told
        assert "alpha" not in told
        with pytest.raises(flight_sql.Error, match=r"no workspace `Owner.*` that you may see"):
            rows(connection, 'SELECT * FROM "Owner\'s workspace".datasets."secret.csv"')


def test_a_statement_of_another_is_no_way_in(stack: Stack, owner: Account, secret: str, stranger: Account) -> None:
    client = fl.connect(stack.flight_url)
    info = client.get_flight_info(statement('SELECT * FROM "secret.csv"'), bearer(owner.token))
    ticket = info.endpoints[0].ticket
    assert client.do_get(ticket, bearer(owner.token)).read_all().num_rows == 2
    with pytest.raises(KeyError, match="There is no data set"):
        client.do_get(ticket, bearer(stranger.token)).read_all()
    for options in (fl.FlightCallOptions(), bearer("nonsense")):
        with pytest.raises(fl.FlightUnauthenticatedError):
            client.do_get(ticket, options).read_all()


def test_no_command_without_a_token(stack: Stack) -> None:
    client = fl.connect(stack.flight_url)
    for name in ("CommandGetSqlInfo", "CommandGetTableTypes", "CommandGetCatalogs", "CommandGetTables"):
        descriptor = fl.FlightDescriptor.for_command(command(name))
        for options in (fl.FlightCallOptions(), bearer("kar_" + "A" * 43)):
            with pytest.raises(fl.FlightUnauthenticatedError):
                client.get_flight_info(descriptor, options)


def objects(connection: flight_sql.Connection, **filters: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """What a client's browser of tables shows: catalog → schema → table → columns."""
    listed = connection.adbc_get_objects(**filters).read_all().to_pylist()
    return {
        catalog["catalog_name"]: {
            schema["db_schema_name"]: {
                table["table_name"]: [column["column_name"] for column in table["table_columns"] or []]
                for table in schema["db_schema_tables"] or []
            }
            for schema in catalog["catalog_db_schemas"] or []
        }
        for catalog in listed
    }


def test_workspaces_are_catalogs(stack: Stack, owner: Account, secret: str, stranger: Account) -> None:
    with connect(stack.flight_url, owner.token) as connection:
        info = connection.adbc_get_info()
        assert info["vendor_name"] == "Karyaksham"
        assert connection.adbc_get_table_types() == ["TABLE"]
        found = objects(connection)
        ((name, schemas),) = found.items()
        assert set(schemas) == {"jobs", "datasets"}
        assert schemas["datasets"] == {secret: ["code", "amount"], "secret.csv": ["code", "amount"]}
        assert objects(connection, depth="tables", table_name_filter="sec%") == {
            name: {"jobs": {}, "datasets": {"secret.csv": []}}
        }
        assert objects(connection, depth="catalogs") == {name: {}}
        schema = connection.adbc_get_table_schema("secret.csv", db_schema_filter="datasets")
        assert schema.names == ["code", "amount"]
        query = f'SELECT count(*) FROM "{name}".datasets."secret.csv"'
        assert rows(connection, query) == [(2,)]
    with connect(stack.flight_url, stranger.token) as connection:
        assert name not in objects(connection)
        assert "secret.csv" not in str(objects(connection))


def test_a_member_joins_tables_of_two_workspaces(stack: Stack, owner: Account, secret: str) -> None:
    made = owner.gql(MAKE_WORKSPACE, {"i": {"name": "Shared numbers"}})["createWorkspace"]["workspace"]["id"]
    http = httpx.Client(timeout=PATIENCE, headers={"X-Workspace": made})
    shared = dataclasses.replace(owner, http=http)
    shared.upload("code,rate\nalpha,10\nbeta,20\n", "rates.csv")
    query = """SELECT s.code, s.amount * r.rate AS product FROM datasets."secret.csv" s
        JOIN "Shared numbers".datasets."rates.csv" r ON r.code = s.code ORDER BY 1"""
    with connect(stack.flight_url, owner.token) as connection:
        assert rows(connection, query) == [("alpha", 10), ("beta", 40)]
        assert "Shared numbers" in objects(connection, depth="catalogs")
    # by header, the other workspace is where names are looked up
    with connect(stack.flight_url, owner.token, **{"x-workspace": made}) as connection:
        assert rows(connection, 'SELECT sum(rate) FROM "rates.csv"') == [(30,)]
        assert "did you mean" in said(connection, 'SELECT * FROM "rate.csv"')
    # an API token opens the one workspace that it was made in
    token = owner.gql(MAKE_TOKEN, {"i": {"name": "sql", "scopes": ["READ"]}})["createApiToken"]["token"]
    with connect(stack.flight_url, token) as connection:
        assert list(objects(connection, depth="catalogs")) != []
        assert "Shared numbers" not in objects(connection, depth="catalogs")
        with pytest.raises(flight_sql.Error, match="no workspace `Shared numbers`"):
            rows(connection, query)


def test_a_revoked_token_runs_nothing_more(stack: Stack, owner: Account, secret: str) -> None:
    made = owner.gql(MAKE_TOKEN, {"i": {"name": "sql", "scopes": ["READ"]}})["createApiToken"]
    client = fl.connect(stack.flight_url)
    ticket = client.get_flight_info(statement('SELECT * FROM "secret.csv"'), bearer(made["token"])).endpoints[0].ticket
    owner.gql(REVOKE, {"i": {"id": made["apiToken"]["id"]}})
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            client.do_get(ticket, bearer(made["token"])).read_all()
        except fl.FlightUnauthenticatedError:
            return
        time.sleep(0.1)
    pytest.fail("a statement still runs with a revoked token")


def test_names_that_are_hostile_are_only_names(stack: Stack, owner: Account, secret: str) -> None:
    with connect(stack.flight_url, owner.token) as connection:
        for name in ("../users", "a?name=secret.csv", "x&name=secret.csv", "a\x00b", "नमस्ते", "%", "x" * 2_000):
            with pytest.raises(flight_sql.Error, match=r"There is no table|cannot be read"):
                rows(connection, f'SELECT * FROM datasets."{name}"')


def test_a_table_is_what_it_was_when_its_columns_were_told(stack: Stack, owner: Account) -> None:
    client = fl.connect(stack.flight_url)
    owner.upload("a\n1\n", "twice.csv")
    ticket = client.get_flight_info(statement('SELECT * FROM "twice.csv"'), bearer(owner.token)).endpoints[0].ticket
    owner.upload("b,c\nx,y\n", "twice.csv")
    assert client.do_get(ticket, bearer(owner.token)).read_all() == pa.table({"a": [1]})
    with pytest.raises(pa.ArrowInvalid, match="Several tables are named"):
        client.get_flight_info(statement('SELECT * FROM "twice.csv"'), bearer(owner.token))
