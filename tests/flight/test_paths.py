"""Tables by path and token, on the whole service: all that a client was given is an address and a token."""

from __future__ import annotations

import base64
import concurrent.futures
import gzip
import io
import json
import time
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pyarrow.parquet as pq
import pytest

from tests.stack import Account, Stack

CSV = "order_id,country,amount,note\n" + "".join(
    f'{i},{"India" if i % 3 else "Nepal"},{i / 4:.2f},"note, {i}"\n' for i in range(30_000)
)
MAKE_TOKEN = """mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) {
  __typename ... on CreateApiTokenSuccess { token apiToken { id } } ... on Error { code message path } } }"""
REVOKE = """mutation($i: RevokeApiTokenInput!) { revokeApiToken(input: $i) {
  __typename ... on Error { code message path } } }"""


def bearer(token: str | None) -> fl.FlightCallOptions:
    """Call options with a token."""
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])


def api_token(account: Account, *scopes: str) -> dict[str, Any]:
    """Make an API token: {token, apiToken: {id}}."""
    made = account.gql(MAKE_TOKEN, {"i": {"name": "flight", "scopes": list(scopes or ("READ",))}})
    answer: dict[str, Any] = made["createApiToken"]
    return answer


def path(kind: str, table: str) -> fl.FlightDescriptor:
    """The descriptor of a table."""
    return fl.FlightDescriptor.for_path(kind, table)


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Owner of tables")


@pytest.fixture(scope="module")
def dataset(owner: Account) -> str:
    return owner.upload(CSV, "orders.csv")


@pytest.fixture(scope="module")
def jobs(owner: Account, dataset: str) -> dict[str, dict[str, Any]]:
    """One finished job for each format."""
    steps = [{"filter": {"where": "country = 'India'"}}]
    started = {
        written: owner.start_job({"version": 1, "steps": steps, "output": {"format": written}}, input=dataset)
        for written in ("parquet", "csv", "ndjson")
    }
    ended = {written: owner.wait_job(job) for written, job in started.items()}
    assert {job["status"] for job in ended.values()} == {"SUCCEEDED"}, ended
    return ended


@pytest.fixture
def client(stack: Stack) -> fl.FlightClient:
    return fl.connect(stack.flight_url)


def pull(client: fl.FlightClient, info: fl.FlightInfo) -> pa.Table:
    """All endpoints of a table, in order."""
    return pa.concat_tables([client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints])


@pytest.mark.parametrize("written", ["parquet", "csv", "ndjson"])
def test_a_job_is_a_table(
    client: fl.FlightClient, owner: Account, jobs: dict[str, dict[str, Any]], written: str
) -> None:
    job = jobs[written]
    info = client.get_flight_info(path("jobs", job["id"]), bearer(owner.token))
    assert info.total_records == 20_000
    assert info.total_bytes == job["result"]["sizeBytes"]
    assert info.descriptor.path == [b"jobs", job["id"].encode()]
    assert info.schema.names == ["order_id", "country", "amount", "note"]
    for endpoint in info.endpoints:
        assert endpoint.locations == []
        assert endpoint.expiration_time is not None
        # Nothing but the ticket is needed from here on, and the schema is the one that was announced.
        assert client.do_get(endpoint.ticket).schema.equals(info.schema, check_metadata=True)
    assert client.get_schema(path("jobs", job["id"]), bearer(owner.token)).schema.equals(info.schema)
    table = pull(client, info)
    wanted = [i for i in range(30_000) if i % 3]
    assert table["order_id"].to_pylist() == wanted
    assert table["note"].to_pylist() == [f"note, {i}" for i in wanted]
    assert [float(amount) for amount in table["amount"].to_pylist()] == pytest.approx([i / 4 for i in wanted], abs=0.01)


def test_a_plain_uuid_names_a_table_too(client: fl.FlightClient, owner: Account, dataset: str) -> None:
    plain = base64.b64decode(dataset).decode().partition(":")[2]
    assert client.get_flight_info(path("datasets", plain), bearer(owner.token)).schema.names[0] == "order_id"


def test_the_ticket_of_graphql_opens_the_result(
    client: fl.FlightClient, stack: Stack, jobs: dict[str, dict[str, Any]]
) -> None:
    flight = jobs["parquet"]["result"]["flight"]
    assert flight["location"] == stack.flight_url
    assert client.do_get(fl.Ticket(flight["ticket"])).read_all().num_rows == 20_000


def test_a_data_set_is_a_table_in_the_format_it_was_uploaded_in(
    client: fl.FlightClient, owner: Account, dataset: str
) -> None:
    info = client.get_flight_info(path("datasets", dataset), bearer(owner.token))
    table = pull(client, info)
    assert table.schema.equals(info.schema)
    assert table.num_rows == 30_000
    assert table.schema.field("order_id").type == pa.int64()


def test_an_uploaded_parquet_file_is_pulled_in_parallel_parts(client: fl.FlightClient, owner: Account) -> None:
    table = pa.table({"n": pa.array(range(100_000)), "word": [f"w{i}" for i in range(100_000)]})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=2_500)
    info = client.get_flight_info(path("datasets", owner.upload(out.getvalue(), "n.parquet")), bearer(owner.token))
    assert info.ordered
    assert 2 <= len(info.endpoints) <= 16
    assert info.total_records == 100_000
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda endpoint: client.do_get(endpoint.ticket).read_all(), info.endpoints))
    assert pa.concat_tables(parts).equals(table)


def test_a_compressed_upload_is_a_table(client: fl.FlightClient, owner: Account) -> None:
    dataset = owner.upload(gzip.compress(CSV.encode()), "orders.csv.gz")
    table = pull(client, client.get_flight_info(path("datasets", dataset), bearer(owner.token)))
    assert table["note"].to_pylist() == [f"note, {i}" for i in range(30_000)]


@pytest.mark.parametrize("output", [{"format": "tsv"}, {"format": "csv", "compression": "zstd", "delimiter": ";"}])
def test_results_in_other_dialects_are_tables(
    client: fl.FlightClient, owner: Account, dataset: str, output: dict[str, str]
) -> None:
    job = owner.run_job({"version": 1, "steps": [{"limit": {"rows": 500}}], "output": output}, input=dataset)
    table = pull(client, client.get_flight_info(path("jobs", job["id"]), bearer(owner.token)))
    assert table["note"].to_pylist() == [f"note, {i}" for i in range(500)]


def test_results_without_rows_and_with_nulls(client: fl.FlightClient, owner: Account) -> None:
    dataset = owner.upload('a,b,c\n1,,x\n2,"",\n', "nulls.csv")
    for written in ("parquet", "csv", "ndjson"):
        for where, rows in (("a > 9", 0), ("a > 0", 2)):
            steps = [{"filter": {"where": where}}]
            job = owner.run_job({"version": 1, "steps": steps, "output": {"format": written}}, input=dataset)
            info = client.get_flight_info(path("jobs", job["id"]), bearer(owner.token))
            table = pull(client, info)
            assert table.schema.equals(info.schema)
            assert table.num_rows == rows
            assert table["a"].to_pylist() == [1, 2][:rows]
            assert table["c"].to_pylist() == ["x", None][:rows]


def test_list_flights_shows_what_the_token_may_see(
    client: fl.FlightClient, stack: Stack, owner: Account, dataset: str, jobs: dict[str, dict[str, Any]]
) -> None:
    infos = list(client.list_flights(options=bearer(owner.token)))
    seen = {tuple(part.decode() for part in info.descriptor.path): info for info in infos}
    assert {("datasets", dataset), *(("jobs", job["id"]) for job in jobs.values())} <= set(seen)
    info = seen["datasets", dataset]
    assert info.schema.names == ["order_id", "country", "amount", "note"]
    assert json.loads(info.app_metadata)["name"] == "orders.csv"
    assert pull(client, info).num_rows == 30_000
    assert list(client.list_flights(options=bearer(stack.register().token))) == []


def test_log_in_by_handshake(client: fl.FlightClient, owner: Account, dataset: str) -> None:
    header = client.authenticate_basic_token(owner.email, owner.password)
    assert header[0] == b"authorization"
    info = client.get_flight_info(path("datasets", dataset), fl.FlightCallOptions(headers=[header]))
    assert pull(client, info).num_rows == 30_000


def test_an_api_token_is_taken_as_bearer_and_as_password(client: fl.FlightClient, owner: Account, dataset: str) -> None:
    token = api_token(owner)["token"]
    assert client.authenticate_basic_token("token", token) == (b"authorization", f"Bearer {token}".encode())
    assert client.get_flight_info(path("datasets", dataset), bearer(token)).total_bytes == len(CSV)


def test_old_clients_that_send_credentials_in_the_handshake_itself(stack: Stack, owner: Account, dataset: str) -> None:
    class Handler(fl.ClientAuthHandler):
        """What pyarrow's own `authenticate` speaks."""

        token = b""

        def authenticate(self, outgoing: Any, incoming: Any) -> None:
            outgoing.write(fl.BasicAuth(owner.email, owner.password).serialize())
            self.token = incoming.read()

        def get_token(self) -> bytes:
            return self.token

    handler = Handler()
    with fl.connect(stack.flight_url) as client:
        client.authenticate(handler)
        info = client.get_flight_info(path("datasets", dataset), bearer(handler.token.decode()))
        assert info.total_bytes == len(CSV)


@pytest.mark.parametrize(
    ("user", "password"), [("", "wrong"), ("nobody@example.org", "x"), ("token", "kar_" + "A" * 43)]
)
def test_wrong_credentials_are_refused(client: fl.FlightClient, owner: Account, user: str, password: str) -> None:
    with pytest.raises(fl.FlightUnauthenticatedError):
        client.authenticate_basic_token(user or owner.email, password)


@pytest.mark.parametrize("token", ["", "nonsense", "kar_" + "A" * 43, "eyJhbGciOiJub25lIn0.e30."])
def test_tokens_that_are_none_are_refused(client: fl.FlightClient, dataset: str, token: str) -> None:
    with pytest.raises(fl.FlightUnauthenticatedError):
        client.get_flight_info(path("datasets", dataset), bearer(token))
    with pytest.raises(fl.FlightUnauthenticatedError):
        list(client.list_flights(options=bearer(token)))


def test_a_revoked_token_opens_nothing_more(client: fl.FlightClient, owner: Account, dataset: str) -> None:
    made = api_token(owner)
    client.get_flight_info(path("datasets", dataset), bearer(made["token"]))
    owner.gql(REVOKE, {"i": {"id": made["apiToken"]["id"]}})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            client.get_flight_info(path("datasets", dataset), bearer(made["token"]))
        except fl.FlightUnauthenticatedError:
            return
        time.sleep(0.2)
    pytest.fail("the revoked token still opens tables after a minute")


def test_tables_of_others_are_as_if_absent(
    client: fl.FlightClient, stack: Stack, dataset: str, jobs: dict[str, dict[str, Any]]
) -> None:
    stranger = stack.register()
    absent = base64.b64encode(f"Dataset:{uuid.uuid4()}".encode()).decode()
    said = []
    for table in (dataset, absent):
        with pytest.raises(KeyError) as caught:
            client.get_flight_info(path("datasets", table), bearer(stranger.token))
        said.append(str(caught.value).replace(table, "…"))
    assert said[0] == said[1]
    with pytest.raises(KeyError):
        client.get_flight_info(path("jobs", jobs["csv"]["id"]), bearer(stranger.token))


@pytest.mark.parametrize("table", ["", "../users", "x/../../healthz", "a?b=c", "नमस्ते", "a" * 500, "%2e%2e%2f"])
def test_ids_that_are_none_are_not_found(client: fl.FlightClient, owner: Account, table: str) -> None:
    with pytest.raises(KeyError, match="There is no"):
        client.get_flight_info(path("jobs", table), bearer(owner.token))


def test_a_failed_job_says_that_it_has_no_result(client: fl.FlightClient, owner: Account, dataset: str) -> None:
    steps = [{"derive": {"columns": [{"name": "x", "expr": "1 / (order_id - order_id)"}]}}]
    job = owner.wait_job(owner.start_job({"version": 1, "steps": steps}, input=dataset))
    assert job["status"] == "FAILED", job
    with pytest.raises(pa.ArrowException, match=r"(?i)fail"):
        client.get_flight_info(path("jobs", job["id"]), bearer(owner.token))


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_snippets_work_as_printed(jobs: dict[str, dict[str, Any]], library: str) -> None:
    names: dict[str, Any] = {}
    exec(jobs["parquet"]["result"]["flight"]["snippets"][library], names)
    assert len(names["df"]) == 20_000
