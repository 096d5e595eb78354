"""PollFlightInfo and the actions: a job followed, cancelled, downloaded, and tickets renewed, by the protocol alone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import grpc
import httpx
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from graph.core.keys import KeyRing
from graph.core.settings import Settings
from tests.flight.raw import call, fields, nested, poll
from tests.flight.test_paths import api_token, bearer, path, pull
from tests.processes import PATIENCE, descendants
from tests.stack import Account, Stack

SPEC: dict[str, Any] = {"version": 1, "steps": [], "output": {"format": "parquet"}}
CSV = "n,s\n" + "".join(f"{i},x{i}\n" for i in range(5_000))
CANCELLED, CANCELLING, NOT_CANCELLABLE = 1, 2, 3


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Account:
    return stack.register("Owner of tables")


@pytest.fixture(scope="module")
def dataset(owner: Account) -> str:
    return owner.upload(CSV, "orders.csv")


@pytest.fixture(scope="module")
def finished(owner: Account, dataset: str) -> str:
    return str(owner.run_job(SPEC, input=dataset)["id"])


@pytest.fixture
def client(stack: Stack) -> fl.FlightClient:
    return fl.connect(stack.flight_url)


@pytest.fixture
def waiting(stack: Stack, owner: Account, dataset: str) -> Iterator[str]:
    """A job that waits, since the worker stands still."""
    worker = stack.pid("worker-1")
    frozen = {worker, *descendants(worker)}
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield owner.start_job(SPEC, input=dataset)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)


def act(client: fl.FlightClient, name: str, body: bytes, token: str | None) -> list[bytes]:
    """Bodies of an action's results."""
    return [result.body.to_pybytes() for result in client.do_action(fl.Action(name, body), bearer(token))]


def cancel_info(client: fl.FlightClient, info: bytes, token: str | None) -> int:
    """The status that CancelFlightInfo answers with."""
    [answer] = act(client, "CancelFlightInfo", nested(1, info), token)
    status = dict(fields(answer))[1]
    assert isinstance(status, int)
    return status


def test_a_job_is_followed_to_its_table(stack: Stack, owner: Account, dataset: str, client: fl.FlightClient) -> None:
    answer = poll(stack.flight_url, path("jobs", owner.start_job(SPEC, input=dataset)), owner.token)
    deadline = time.monotonic() + PATIENCE
    while answer.descriptor is not None and time.monotonic() < deadline:
        assert answer.progress is None or 0 <= answer.progress <= 1
        answer = poll(stack.flight_url, answer.descriptor, owner.token)
    assert (answer.descriptor, answer.progress, answer.expires) == (None, 1.0, True)
    info = fl.FlightInfo.deserialize(answer.info)
    assert info.total_records == 5_000
    assert pull(client, info)["s"].to_pylist()[-1] == "x4999"


def test_a_waiting_job_has_no_endpoints_and_can_be_cancelled(
    stack: Stack, owner: Account, client: fl.FlightClient, waiting: str
) -> None:
    answer = poll(stack.flight_url, path("jobs", waiting), owner.token)
    assert answer.descriptor is not None
    assert [part.decode() for part in answer.descriptor.path][:2] == ["jobs", waiting]
    # The next poll waits for news, and has none: the answer is the same.
    again = poll(stack.flight_url, answer.descriptor, owner.token)
    assert again.descriptor == answer.descriptor
    found = dict(fields(answer.info))
    assert 3 not in found
    assert json.loads(found[7]) == {"status": "PENDING"}  # type: ignore[arg-type]
    reader = api_token(owner, "READ")["token"]
    with pytest.raises(fl.FlightUnauthorizedError, match="write"):
        cancel_info(client, answer.info, reader)
    assert cancel_info(client, answer.info, owner.token) == CANCELLED
    with pytest.raises(grpc.RpcError) as caught:
        poll(stack.flight_url, answer.descriptor, owner.token)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "cancelled" in caught.value.details()


def test_a_failed_job_is_a_clear_error(stack: Stack, owner: Account, dataset: str) -> None:
    steps = [{"derive": {"columns": [{"name": "x", "expr": "1 / (n - n)"}]}}]
    job = owner.wait_job(owner.start_job({"version": 1, "steps": steps}, input=dataset))
    with pytest.raises(grpc.RpcError) as caught:
        poll(stack.flight_url, path("jobs", job["id"]), owner.token)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert job["error"]["message"] in caught.value.details()


def test_polling_knows_data_sets_and_refuses_the_rest(stack: Stack, owner: Account, dataset: str) -> None:
    assert poll(stack.flight_url, path("datasets", dataset), owner.token).descriptor is None
    stranger = stack.register()
    for descriptor, token, code in (
        (path("datasets", dataset), stranger.token, grpc.StatusCode.NOT_FOUND),
        (path("datasets", dataset), None, grpc.StatusCode.UNAUTHENTICATED),
        (fl.FlightDescriptor.for_path("datasets", dataset, "x"), owner.token, grpc.StatusCode.INVALID_ARGUMENT),
        (fl.FlightDescriptor.for_path("jobs"), owner.token, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            poll(stack.flight_url, descriptor, token)
        assert caught.value.code() == code, descriptor


def test_actions_are_listed(client: fl.FlightClient) -> None:
    listed = {action.type: action.description for action in client.list_actions()}
    of_sql = {"CreatePreparedStatement", "ClosePreparedStatement", "CloseSession"}
    assert set(listed) == {"CancelFlightInfo", "RenewFlightEndpoint", "DownloadUrls", "CancelJob"} | of_sql
    assert all(listed.values())


@pytest.mark.parametrize("kind", ["jobs", "datasets"])
def test_downloads_of_a_table(client: fl.FlightClient, owner: Account, dataset: str, finished: str, kind: str) -> None:
    table = finished if kind == "jobs" else dataset
    [file] = [json.loads(body) for body in act(client, "DownloadUrls", f"{kind}/{table}".encode(), owner.token)]
    assert file["format"] == ("parquet" if kind == "jobs" else "csv")
    assert datetime.fromisoformat(file["expiresAt"]).tzinfo is not None
    body = httpx.get(file["url"]).content
    assert len(body) == file["sizeBytes"]
    assert body.startswith(b"PAR1" if kind == "jobs" else b"n,s\n")


def test_finished_tables_cannot_be_cancelled(
    client: fl.FlightClient, owner: Account, dataset: str, finished: str
) -> None:
    for kind, table in (("jobs", finished), ("datasets", dataset)):
        info = client.get_flight_info(path(kind, table), bearer(owner.token))
        assert cancel_info(client, info.serialize(), owner.token) == NOT_CANCELLABLE
    with pytest.raises(pa.ArrowException, match="already ended"):
        act(client, "CancelJob", f"jobs/{finished}".encode(), owner.token)


def test_a_job_is_cancelled_by_its_id(client: fl.FlightClient, owner: Account, waiting: str) -> None:
    assert act(client, "CancelJob", f"jobs/{waiting}".encode(), owner.token) == [b'{"status":"CANCELLED"}']


def test_others_can_neither_cancel_nor_download(
    stack: Stack, client: fl.FlightClient, dataset: str, waiting: str
) -> None:
    stranger = stack.register()
    for name, body in (("CancelJob", f"jobs/{waiting}"), ("DownloadUrls", f"datasets/{dataset}")):
        with pytest.raises(KeyError, match="There is no"):
            act(client, name, body.encode(), stranger.token)


def renew(client: fl.FlightClient, endpoint: fl.FlightEndpoint, token: str | None) -> fl.FlightEndpoint:
    [answer] = act(client, "RenewFlightEndpoint", nested(1, endpoint.serialize()), token)
    return fl.FlightEndpoint.deserialize(answer)


def test_an_endpoint_is_renewed_also_when_it_has_expired(
    stack: Stack, client: fl.FlightClient, owner: Account, finished: str
) -> None:
    [endpoint] = client.get_flight_info(path("jobs", finished), bearer(owner.token)).endpoints
    old = KeyRing.from_settings(Settings.model_validate({k.lower(): v for k, v in stack.environment.items()}))
    expired = fl.FlightEndpoint(fl.Ticket(resigned(endpoint.ticket.ticket, old, exp=1_000_000_000)), [])
    with pytest.raises(fl.FlightUnauthenticatedError, match="expired"):
        client.do_get(expired.ticket).read_all()
    fresh = renew(client, expired, owner.token)
    assert fresh.expiration_time is not None
    assert fresh.locations == []
    # The part of the table is the same.
    assert fresh.ticket.ticket.partition(b";")[2] == endpoint.ticket.ticket.partition(b";")[2] != b""
    assert client.do_get(fresh.ticket).read_all().num_rows == 5_000
    with pytest.raises(KeyError, match="There is no"):
        renew(client, expired, stack.register().token)
    forged = fl.FlightEndpoint(fl.Ticket(endpoint.ticket.ticket[:-20] + b"A" * 20), [])
    with pytest.raises(pa.ArrowException):
        renew(client, forged, owner.token)


def resigned(ticket: bytes, keys: KeyRing, **changes: Any) -> bytes:
    """The ticket with other claims, signed by the stack's own key."""
    from dataclasses import replace

    from graph.core.tickets import sign_ticket, verify_ticket

    signed, _, suffix = ticket.decode().partition(";")
    text = sign_ticket(replace(verify_ticket(signed, keys), **changes), keys)
    return f"{text};{suffix}".encode()


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("Nonsense", b"", "ListActions"),
        ("CancelFlightInfo", b"\xff\xff", "not the message"),
        ("CancelFlightInfo", b"", "names no table"),
        ("RenewFlightEndpoint", b"", "not valid"),
        ("DownloadUrls", b"abc", "jobs/<id>"),
        ("CancelJob", b"datasets/x", "Only jobs"),
    ],
)
def test_actions_that_are_none(client: fl.FlightClient, owner: Account, name: str, body: bytes, says: str) -> None:
    with pytest.raises((pa.ArrowException, NotImplementedError), match=says):
        act(client, name, body, owner.token)


def test_a_raw_call_without_a_descriptor_is_refused(stack: Stack, owner: Account) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(stack.flight_url, "PollFlightInfo", b"", owner.token)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
