"""TLS with own certificates, limits by token and workspace, and the audit of reads in the log."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.certificates import Identity, make_identity
from tests.flight.conftest import Server, free_port, spawn_flight, wait_for_port
from tests.flight.test_do_get import parquet
from tests.processes import PATIENCE


@contextmanager
def another(server: Server, log: Path, **settings: str) -> Iterator[int]:
    """A Flight server of the same keys and storage with other settings; its port."""
    port = free_port()
    changed = server.settings.model_copy(update={"flight_port": port})
    with log.open("wb") as out:
        process = spawn_flight(changed, out, **settings)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()


@pytest.fixture(scope="module")
def ticket(server: Server) -> fl.Ticket:
    return fl.Ticket(server.ticket([server.put(parquet(pa.table({"n": range(1000)})))]))


@pytest.mark.parametrize("by_file", [False, True])
def test_tls_with_own_certificates(server: Server, ticket: fl.Ticket, tmp_path: Path, by_file: bool) -> None:
    authority = make_identity("authority")
    own = make_identity("flight", authority)
    settings = {"FLIGHT_TLS_CERT": own.certificate.decode(), "FLIGHT_TLS_KEY": own.key.decode()}
    if by_file:
        for name, text in list(settings.items()):
            (tmp_path / name).write_text(text)
            settings[f"{name}_FILE"] = str(tmp_path / name)
            del settings[name]
    with another(server, tmp_path / "log", **settings) as port:
        with fl.connect(f"grpc+tls://127.0.0.1:{port}", tls_root_certs=authority.certificate) as client:
            assert client.do_get(ticket).read_all().num_rows == 1000
        stranger = make_identity("stranger")
        for location, options in (
            (f"grpc+tls://127.0.0.1:{port}", {"tls_root_certs": stranger.certificate}),
            (f"grpc://127.0.0.1:{port}", {}),
        ):
            with fl.connect(location, **options) as client, pytest.raises(fl.FlightUnavailableError):
                client.do_get(ticket, fl.FlightCallOptions(timeout=PATIENCE)).read_all()


def test_mutual_tls_refuses_clients_without_a_certificate(server: Server, ticket: fl.Ticket, tmp_path: Path) -> None:
    authority = make_identity("authority")
    own = make_identity("flight", authority)
    clients = make_identity("clients")
    known = make_identity("analyst", clients)
    foreign = make_identity("foreign", make_identity("others"))
    settings = {
        "FLIGHT_TLS_CERT": own.certificate.decode(),
        "FLIGHT_TLS_KEY": own.key.decode(),
        "FLIGHT_TLS_CLIENT_CA": clients.certificate.decode(),
    }
    with another(server, tmp_path / "log", **settings) as port:
        location = f"grpc+tls://127.0.0.1:{port}"
        options = {"tls_root_certs": authority.certificate}
        with fl.connect(location, cert_chain=known.certificate, private_key=known.key, **options) as client:
            assert client.do_get(ticket).read_all().num_rows == 1000
        for identity in (None, foreign):
            own_options = {"cert_chain": identity.certificate, "private_key": identity.key} if identity else {}
            with fl.connect(location, **options, **own_options) as client, pytest.raises(fl.FlightUnavailableError):
                client.do_get(ticket, fl.FlightCallOptions(timeout=PATIENCE)).read_all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"FLIGHT_TLS_KEY": "x"}, "needs both"),
        ({"FLIGHT_TLS_CLIENT_CA": "x"}, "needs both"),
        ({"FLIGHT_TLS_CERT": "x", "FLIGHT_TLS_KEY": "y"}, "FLIGHT_TLS_CERT holds no certificate"),
    ],
)
def test_half_of_tls_does_not_start(server: Server, tmp_path: Path, settings: dict[str, str], says: str) -> None:
    changed = server.settings.model_copy(update={"flight_port": free_port()})
    with (tmp_path / "log").open("wb") as out:
        process = spawn_flight(changed, out, **settings)
    assert process.wait(PATIENCE) == 2
    assert says in (tmp_path / "log").read_text()


def test_a_token_may_call_so_often_a_minute(server: Server, ticket: fl.Ticket, tmp_path: Path) -> None:
    def call(client: fl.FlightClient, token: str) -> str:
        """Why the call is refused: this server's API is not there, so it is always."""
        headers = [(b"authorization", f"Bearer {token}".encode())]
        with pytest.raises((pa.ArrowException, OSError)) as caught:
            client.get_schema(fl.FlightDescriptor.for_path("jobs", "x"), fl.FlightCallOptions(headers=headers))
        return str(caught.value)

    with (
        another(server, tmp_path / "log", FLIGHT_CALLS_PER_MINUTE="2") as port,
        fl.connect(f"grpc://127.0.0.1:{port}") as client,
    ):
        said = [call(client, "one") for _ in range(40)]
        assert "API cannot be reached" in said[0]
        assert any("More than 2 calls a minute" in text for text in said)
        assert "API cannot be reached" in call(client, "another")
        # A ticket needs no token, and so is not counted.
        for _ in range(5):
            assert client.do_get(ticket).read_all().num_rows == 1000


def test_a_workspace_gets_its_share_of_streams(server: Server, tmp_path: Path) -> None:
    table = pa.table({"s": ["x" * 100_000] * 500})
    big = fl.Ticket(server.ticket([server.put(parquet(table, row_group_size=10))]))
    with (
        another(server, tmp_path / "log", FLIGHT_MAX_STREAMS_PER_WORKSPACE="2") as port,
        fl.connect(f"grpc://127.0.0.1:{port}") as client,
    ):
        open_streams = [client.do_get(big) for _ in range(2)]
        for stream in open_streams:
            stream.read_chunk()
        with pytest.raises(pa.ArrowException, match="2 streams of this workspace"):
            client.do_get(big).read_all()
        for stream in open_streams:
            stream.cancel()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                assert client.do_get(big).read_all().num_rows == 500
                break
            except pa.ArrowException:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def test_a_token_gets_its_share_of_streams(server: Server, tmp_path: Path) -> None:
    table = pa.table({"s": ["x" * 100_000] * 500})
    big = fl.Ticket(server.ticket([server.put(parquet(table, row_group_size=10))]))

    def options(token: str) -> fl.FlightCallOptions:
        return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])

    with (
        another(server, tmp_path / "log", FLIGHT_MAX_STREAMS_PER_TOKEN="1") as port,
        fl.connect(f"grpc://127.0.0.1:{port}") as client,
    ):
        held = client.do_get(big, options("one"))
        held.read_chunk()
        with pytest.raises(pa.ArrowException, match="1 streams for this token"):
            client.do_get(big, options("one")).read_all()
        for others in (options("another"), fl.FlightCallOptions()):
            assert client.do_get(big, others).read_all().num_rows == 500
        held.cancel()


def test_certificates_are_read_again_when_their_files_change(server: Server, ticket: fl.Ticket, tmp_path: Path) -> None:
    first, second = (make_identity(name) for name in ("first", "second"))
    files = {name: tmp_path / name for name in ("FLIGHT_TLS_CERT", "FLIGHT_TLS_KEY")}

    def write(identity: Identity) -> None:
        files["FLIGHT_TLS_CERT"].write_bytes(identity.certificate)
        files["FLIGHT_TLS_KEY"].write_bytes(identity.key)

    def rows(port: int, root: Identity) -> int:
        with fl.connect(f"grpc+tls://127.0.0.1:{port}", tls_root_certs=root.certificate) as client:
            return int(client.do_get(ticket, fl.FlightCallOptions(timeout=PATIENCE)).read_all().num_rows)

    def eventually(port: int, root: Identity) -> int:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return rows(port, root)
            except fl.FlightUnavailableError:
                assert time.monotonic() < deadline
                time.sleep(0.2)

    write(make_identity("flight", first))
    settings = {f"{name}_FILE": str(file) for name, file in files.items()}
    log = tmp_path / "log"
    with another(server, log, **settings) as port:
        assert rows(port, first) == 1000
        with fl.connect(f"grpc+tls://127.0.0.1:{port}", tls_root_certs=first.certificate) as kept:
            assert kept.do_get(ticket).read_all().num_rows == 1000
            two = make_identity("flight", second)
            # a certificate without its key leaves the old ones in place
            files["FLIGHT_TLS_CERT"].write_bytes(two.certificate)
            deadline = time.monotonic() + PATIENCE
            while "the old ones stay" not in log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert rows(port, first) == 1000
            files["FLIGHT_TLS_KEY"].write_bytes(two.key)
            assert eventually(port, second) == 1000
            # a connection that stands lives on
            assert kept.do_get(ticket).read_all().num_rows == 1000
        with pytest.raises(fl.FlightUnavailableError):
            rows(port, first)


def test_each_read_is_in_the_log(server: Server, ticket: fl.Ticket, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with another(server, log) as port, fl.connect(f"grpc://127.0.0.1:{port}") as client:
        client.do_get(ticket, fl.FlightCallOptions(headers=[(b"x-request-id", b"r-1")])).read_all()
        with pytest.raises(fl.FlightUnauthenticatedError):
            client.do_get(fl.Ticket(b"nonsense")).read_all()
    calls = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "flight_call"]
    good, bad = calls
    assert good["method"] == "DoGet"
    assert good["workspace_id"] == "01900000-0000-7000-8000-000000000001"
    assert (good["peer"], good["request_id"]) == ("127.0.0.1", "r-1")
    assert good["table"].startswith("jobs/")
    assert good["sent_bytes"] >= 8000
    assert bad["code"] == "Unauthenticated"
    assert ticket.ticket.decode() not in log.read_text()
