"""Pull mode: pipelines that run for one client, whose rows are stored nowhere."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.flight.raw import poll
from tests.flight.test_paths import api_token, bearer
from tests.flight.test_sql_server import flight_server
from tests.stack import Account, Stack

MIB = 1024 * 1024
COUNTRIES = ("India", "Nepal", "Bhutan")
CSV = "order_id,country,amount\n" + "".join(f"{i},{COUNTRIES[i % 3]},{i / 4:.2f}\n" for i in range(30_000))
AUDIT = """query { auditLog(first: 100, action: "pipeline.pull") {
  edges { node { actorEmail objectId data } } } }"""


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Puller")


@pytest.fixture(scope="module")
def orders(owner: Account) -> str:
    return owner.upload(CSV, "orders.csv")


@pytest.fixture
def client(stack: Stack) -> fl.FlightClient:
    return fl.connect(stack.flight_url)


def order(spec: dict[str, Any], **inputs: str) -> fl.FlightDescriptor:
    """The descriptor of a pipeline, with inputs as runJob takes them."""
    named = [{"name": name, "datasetId": dataset} for name, dataset in inputs.items()]
    return fl.FlightDescriptor.for_command(json.dumps({"spec": spec, "inputs": named}))


def run(client: fl.FlightClient, account: Account, descriptor: fl.FlightDescriptor) -> pa.Table:
    """The rows of a pipeline; what FlightInfo promised is what comes."""
    info = client.get_flight_info(descriptor, bearer(account.token))
    (endpoint,) = info.endpoints
    table = client.do_get(endpoint.ticket).read_all()
    assert table.schema == info.schema
    assert (info.total_records, info.total_bytes) == (-1, -1)
    return table


def test_a_pipeline_runs_without_storing_anything(client: fl.FlightClient, owner: Account, orders: str) -> None:
    steps = [
        {"filter": {"where": "country = 'India'"}},
        {"derive": {"columns": [{"name": "m", "expr": "order_id % 7"}]}},
    ]
    table = run(client, owner, order({"version": 1, "steps": steps}, input=orders))
    assert table["order_id"].to_pylist() == list(range(0, 30_000, 3))
    assert table["m"].to_pylist() == [i % 7 for i in range(0, 30_000, 3)]
    assert owner.gql("query { jobs(first: 1) { edges { node { id } } } }")["jobs"]["edges"] == []


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"aggregate": {"groupBy": ["country"], "aggregates": [{"name": "n", "expr": "count(*)"}]}}],
        [{"sort": {"by": [{"column": "amount", "descending": True}]}}, {"limit": {"rows": 10}}],
        [{"filter": {"where": "amount < 0"}}],
        [{"sql": {"query": "SELECT country, max(amount) AS a FROM input GROUP BY country"}}],
    ],
)
def test_it_is_what_a_job_makes(
    client: fl.FlightClient, owner: Account, orders: str, steps: list[dict[str, Any]]
) -> None:
    spec = {"version": 1, "steps": steps}
    pulled = run(client, owner, order(spec, input=orders))
    job = owner.start_job(spec, input=orders)
    assert owner.wait_job(job)["status"] == "SUCCEEDED"
    info = client.get_flight_info(fl.FlightDescriptor.for_path("jobs", job), bearer(owner.token))
    stored = pa.concat_tables([client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints])
    key = [(name, "ascending") for name in pulled.column_names]
    assert pulled.sort_by(key).equals(stored.sort_by(key).cast(pulled.schema))


def test_inputs_by_name_joins_and_stored_pipelines(client: fl.FlightClient, owner: Account, orders: str) -> None:
    capitals = owner.upload("name,capital\nIndia,New Delhi\nNepal,Kathmandu\n", "capitals.csv")
    join = {"input": "capitals", "how": "inner", "on": [{"left": "country", "right": "name"}]}
    spec = {"version": 1, "steps": [{"join": join}, {"limit": {"rows": 2}}]}
    command = {"spec": spec, "inputs": {"input": orders, "capitals": capitals}}
    table = run(client, owner, fl.FlightDescriptor.for_command(json.dumps(command)))
    assert table["capital"].to_pylist() == ["New Delhi", "Kathmandu"]
    made = owner.gql(
        """mutation($i: CreatePipelineInput!) { createPipeline(input: $i) {
        ... on CreatePipelineSuccess { pipeline { id } } } }""",
        {"i": {"name": "three", "spec": {"version": 1, "steps": [{"limit": {"rows": 3}}]}}},
    )
    command = {"pipelineId": made["createPipeline"]["pipeline"]["id"], "inputs": {"input": orders}}
    assert run(client, owner, fl.FlightDescriptor.for_command(json.dumps(command))).num_rows == 3


def test_a_ticket_is_good_for_one_read_which_is_written_down(
    stack: Stack, client: fl.FlightClient, owner: Account, orders: str
) -> None:
    info = client.get_flight_info(order({"version": 1, "steps": []}, input=orders), bearer(owner.token))
    ticket = info.endpoints[0].ticket
    assert info.endpoints[0].expiration_time is not None
    before = reads(stack, orders)
    assert client.do_get(ticket).read_all().num_rows == 30_000
    with pytest.raises(pa.ArrowInvalid, match="used already"):
        client.do_get(ticket).read_all()
    after = reads(stack, orders)
    assert len(after) == len(before) + 1
    assert after[0]["data"]["inputs"] == [{"name": "input", "datasetId": orders}]
    assert after[0]["actorEmail"] is not None


def reads(stack: Stack, dataset: str) -> list[dict[str, Any]]:
    """Rows of the audit log about pulls of a data set, newest first."""
    edges = stack.admin().gql(AUDIT)["auditLog"]["edges"]
    return [edge["node"] for edge in edges if edge["node"]["objectId"] == dataset]


def test_what_became_of_all_rows_is_said_at_the_end(client: fl.FlightClient, owner: Account) -> None:
    dirty = owner.upload("a,b\n" + "1,2\n" * 5_000 + "1,2,3\n" + "1,2\n" * 10, "dirty.csv")
    spec: dict[str, Any] = {"version": 1, "steps": [{"limit": {"rows": 100_000}}]}
    # nothing is lost silently: there is no place for rejects, so that they must be asked for
    info = client.get_flight_info(order(spec, input=dirty), bearer(owner.token))
    with pytest.raises(pa.ArrowException, match="5002"):
        client.do_get(info.endpoints[0].ticket).read_all()
    info = client.get_flight_info(order(spec | {"onBadRow": "reject"}, input=dirty), bearer(owner.token))
    chunks = list(client.do_get(info.endpoints[0].ticket))
    assert sum(chunk.data.num_rows for chunk in chunks) == 5_010
    counts = json.loads(chunks[-1].app_metadata.to_pybytes())
    assert counts == {"rowsIn": 5_011, "rowsOut": 5_010, "rowsFiltered": 0, "rowsRejected": 1}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{", "no JSON"),
        ('{"spec": {"version": 1, "steps": []}}', "Give `inputs`"),
        ('{"inputs": []}', "pipelineId or spec"),
        ('{"spec": [], "inputs": []}', "must be an object"),
        ('{"spec": {}, "inputs": [], "output": 1}', "`output` is not known"),
        ('{"spec": {"version": 1, "steps": []}, "inputs": {"input": "x"}}', "no id of a data set"),
    ],
)
def test_what_is_no_order_is_told_so(client: fl.FlightClient, owner: Account, command: str, said: str) -> None:
    with pytest.raises(pa.ArrowInvalid, match=said):
        client.get_flight_info(fl.FlightDescriptor.for_command(command), bearer(owner.token))


def test_it_is_checked_as_a_job_is(client: fl.FlightClient, owner: Account, orders: str) -> None:
    wrong = order({"version": 1, "steps": [{"filter": {"where": "nosuch = 1"}}]}, input=orders)
    for call in (client.get_flight_info, client.get_schema):
        with pytest.raises(pa.ArrowInvalid, match=r"steps\[0\]\.filter\.where.*nosuch"):
            call(wrong, bearer(owner.token))
    good = order({"version": 1, "steps": [{"select": {"columns": ["country"]}}]}, input=orders)
    assert client.get_schema(good, bearer(owner.token)).schema.names == ["country"]


def test_only_own_data_sets_are_read(stack: Stack, client: fl.FlightClient, owner: Account, orders: str) -> None:
    descriptor = order({"version": 1, "steps": []}, input=orders)
    stranger = stack.register("Stranger")
    with pytest.raises(KeyError, match="does not exist, or is not in a workspace of yours"):
        client.get_flight_info(descriptor, bearer(stranger.token))
    for token in (None, "nonsense"):
        with pytest.raises(fl.FlightUnauthenticatedError):
            client.get_flight_info(descriptor, bearer(token))
    assert client.get_flight_info(descriptor, bearer(api_token(owner, "READ")["token"])).schema.names[0] == "order_id"


def test_a_data_set_that_was_deleted_is_not_read(client: fl.FlightClient, owner: Account) -> None:
    dataset = owner.upload("a\n1\n", "short-lived.csv")
    info = client.get_flight_info(order({"version": 1, "steps": []}, input=dataset), bearer(owner.token))
    owner.gql("mutation($i: DeleteDatasetInput!) { deleteDataset(input: $i) { __typename } }", {"i": {"id": dataset}})
    with pytest.raises(pa.ArrowInvalid, match="was deleted"):
        client.do_get(info.endpoints[0].ticket).read_all()


def test_polling_is_told_at_once(stack: Stack, owner: Account, orders: str) -> None:
    answer = poll(stack.flight_url, order({"version": 1, "steps": []}, input=orders), owner.token)
    assert answer.progress == 1.0
    assert answer.descriptor is None
    assert answer.expires


# Three columns of some hundred bytes: 40 million rows of a cross join, which no client waits for.
ENDLESS = {
    "version": 1,
    "steps": [{"sql": {"query": "SELECT a.*, repeat(b.country, 50) AS x FROM input a CROSS JOIN input b"}}],
}


def test_rows_come_while_the_engine_works_and_it_ends_with_the_client(
    stack: Stack, owner: Account, orders: str, tmp_path: Path
) -> None:
    with flight_server(stack, tmp_path, FLIGHT_SQL_MAX_STATEMENTS="1") as location:
        for _ in range(2):
            client = fl.connect(location)
            info = client.get_flight_info(order(ENDLESS, input=orders), bearer(owner.token))
            reader = client.do_get(info.endpoints[0].ticket)
            # 300 GB wait behind these: they come although the engine is far from the end
            assert sum(reader.read_chunk().data.num_rows for _ in range(20)) > 0
            reader.cancel()
            del reader
            client.close()
        # the one turn of the server is free again
        client = fl.connect(location)
        table = run(client, owner, order({"version": 1, "steps": [{"limit": {"rows": 1}}]}, input=orders))
        assert table.num_rows == 1


def test_a_client_that_does_not_read_stops_the_engine(
    stack: Stack, owner: Account, orders: str, tmp_path: Path
) -> None:
    with flight_server(stack, tmp_path) as location:
        client = fl.connect(location)
        info = client.get_flight_info(order(ENDLESS, input=orders), bearer(owner.token))
        reader = client.do_get(info.endpoints[0].ticket)
        assert reader.read_chunk().data.num_rows > 0
        # 300 GB wait: what is held is some batches of the engine's and the messages on their way
        before = resident(location)
        worked, still = worked_for(location), 0
        while still < 5:
            time.sleep(0.2)
            assert resident(location) - before < 200 * MIB
            worked, last = worked_for(location), worked
            still = still + 1 if worked - last <= 2 else 0
        assert reader.read_chunk().data.num_rows > 0
        reader.cancel()


def resident(location: str) -> int:
    """Memory in bytes of the server that was started for this port."""
    return int((process_of(location) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def worked_for(location: str) -> int:
    """Hundredths of a second that it had of the processor."""
    fields = (process_of(location) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def process_of(location: str) -> Path:
    """Where the system tells about the server that was started for this port."""
    mark = f"FLIGHT_PORT={location.rpartition(':')[2]}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                return process
    raise AssertionError(f"no server for {location}")
