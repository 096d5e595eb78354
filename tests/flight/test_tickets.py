"""A ticket opens what was signed, until it expires, and nothing else."""

from __future__ import annotations

import base64
import json
import time
from uuid import uuid4

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from graph.core.keys import KeyRing, generate_signing_key
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from tests.flight.conftest import WORKSPACE, Server
from tests.flight.test_do_get import parquet, pull


@pytest.fixture(scope="module")
def stored(server: Server) -> TicketFile:
    return server.put(parquet(pa.table({"n": [1, 2, 3]})))


def refusal(server: Server, ticket: str | bytes) -> str:
    """The message of the refusal; fails when the ticket opens anything."""
    with server.client() as client, pytest.raises(fl.FlightUnauthenticatedError) as caught:
        client.do_get(fl.Ticket(ticket)).read_all()
    return str(caught.value)


def test_tampered_foreign_and_broken_tickets_are_refused(server: Server, stored: TicketFile) -> None:
    good = server.ticket([stored])
    body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["files"][0]["key"] = f"w/{WORKSPACE}/uploads/another/source"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    other = Settings.model_validate({**server.settings.model_dump(), "signing_key": generate_signing_key()})
    foreign = TicketClaims("job", uuid4(), WORKSPACE, "parquet", [stored], int(time.time()) + 60)
    for ticket in (
        "",
        "hello",
        body,
        f"{body}.",
        f"{forged}.{signature}",
        f"{body}.{signature[:-4]}AAAA",
        sign_ticket(foreign, KeyRing.from_settings(other)),
        b"\xff\xfe\x00",
        good.upper(),
    ):
        assert "The ticket is not valid here" in refusal(server, ticket)
    assert pull(server, good).num_rows == 3


def test_an_expired_ticket_says_so(server: Server, stored: TicketFile) -> None:
    assert "expired" in refusal(server, server.ticket([stored], exp=int(time.time()) - 1))


def test_a_ticket_cannot_reach_into_another_workspace(server: Server, stored: TicketFile) -> None:
    assert "not valid" in refusal(server, server.ticket([stored], workspace=uuid4()))


@pytest.mark.parametrize(
    ("suffix", "part"),
    [(";file=1", "there is no file 1"), (";file=0;rowGroups=0-9", "the file has 1"), (";key=x", "not understood")],
)
def test_suffixes_that_do_not_fit_are_named(server: Server, stored: TicketFile, suffix: str, part: str) -> None:
    with server.client() as client, pytest.raises(pa.ArrowInvalid, match=part):
        client.do_get(fl.Ticket(server.ticket([stored]) + suffix)).read_all()


def test_paths_need_a_token_and_an_api(server: Server) -> None:
    descriptor = fl.FlightDescriptor.for_path("jobs", str(uuid4()))
    with server.client() as client:
        with pytest.raises(fl.FlightUnauthenticatedError, match="createApiToken"):
            client.get_flight_info(descriptor)
        options = fl.FlightCallOptions(headers=[(b"authorization", b"Bearer kar_whatever")])
        # This server's API is not running: that is said, not hidden behind a refusal.
        with pytest.raises(fl.FlightUnavailableError, match="The API cannot be reached"):
            client.get_flight_info(descriptor, options)
        with pytest.raises(fl.FlightUnavailableError, match="The API cannot be reached"):
            client.authenticate_basic_token("ada@example.org", "password")


def test_what_is_not_offered_says_what_is(server: Server) -> None:
    options = fl.FlightCallOptions(headers=[(b"authorization", b"Bearer kar_whatever")])
    with server.client() as client:
        with pytest.raises(
            NotImplementedError, match=r"use Flight SQL, a JSON object.*, or the path \[\"jobs\", <job id>\]"
        ):
            client.get_flight_info(fl.FlightDescriptor.for_command(b"SELECT 1"), options)
        with pytest.raises(pa.ArrowInvalid, match="There are no tables under 'files'"):
            client.get_flight_info(fl.FlightDescriptor.for_path("files", "x"), options)
        with pytest.raises(NotImplementedError, match="'Reboot'"):
            list(client.do_action(fl.Action("Reboot", b""), options))
        with pytest.raises(fl.FlightUnauthenticatedError, match="createApiToken"):
            list(client.do_action(fl.Action("Reboot", b"")))
