"""Streams under stress: clients that stop or vanish, objects that are gone or damaged, storage that is down."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from graph.core.keys import KeyRing
from tests.flight.conftest import Server, free_port, spawn_flight, start_flight
from tests.flight.test_do_get import parquet, pull
from tests.processes import PATIENCE

MIB = 1024 * 1024


def resident(process: subprocess.Popen[bytes]) -> int:
    """Memory of the process in bytes."""
    line = next(x for x in Path(f"/proc/{process.pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def big(server: Server) -> str:
    """A ticket for 400 MB of Arrow in row groups of 8 MB, stored in a few MB."""
    rows = 25_000
    table = pa.table({"n": pa.array(range(rows)), "s": pa.array([f"{i % 10}" * 300 for i in range(rows)])})
    body = parquet(pa.concat_tables([table] * 50), row_group_size=rows)
    return server.ticket([server.put(body)])


def test_a_client_that_does_not_read_holds_the_stream_back(server: Server, big: str) -> None:
    before = resident(server.process)
    with server.client() as client:
        readers = [client.do_get(fl.Ticket(big)) for _ in range(8)]
        for reader in readers:
            reader.read_chunk()
        time.sleep(1)
        # Eight streams of 400 MB, none of them read: what is held is channels, windows and one row group each.
        held = resident(server.process) - before
        assert held < 8 * 64 * MIB, f"{held / MIB:.0f} MiB"
        assert sum(chunk.data.num_rows for chunk in readers[0]) > 0
        for reader in readers[1:]:
            reader.cancel()


def test_clients_that_vanish_free_their_slots(server: Server, big: str, tmp_path: Path) -> None:
    # A server of its own with room for few streams would refuse the later ones if the earlier leaked.
    before = threads(server.process)
    for _ in range(3):
        clients = [server.client() for _ in range(20)]
        for client in clients:
            client.do_get(fl.Ticket(big)).read_chunk()
            client.close()
    with server.client() as client:
        for _ in range(200):
            reader = client.do_get(fl.Ticket(big))
            reader.read_chunk()
            reader.cancel()
    deadline = time.monotonic() + PATIENCE
    while threads(server.process) > before + 40 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert threads(server.process) <= before + 40
    assert pull(server, big).num_rows == 50 * 25_000


def threads(process: subprocess.Popen[bytes]) -> int:
    """Threads of the process."""
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


def test_a_deleted_object_is_not_found_without_its_key(server: Server) -> None:
    stored = server.put(parquet(pa.table({"n": [1]})))
    ticket = server.ticket([stored])
    server.bucket.client.delete_object(Bucket=server.bucket.name, Key=stored.key)
    with pytest.raises(KeyError, match="was deleted") as caught:
        pull(server, ticket)
    assert stored.key not in str(caught.value)


@pytest.mark.parametrize("what", ["no parquet at all", "cut", "flipped footer", "flipped pages", "empty"])
def test_a_damaged_file_is_an_error_and_not_the_end_of_the_server(server: Server, what: str) -> None:
    good = parquet(pa.table({"n": range(100_000), "s": [f"{i}" for i in range(100_000)]}))
    bodies = {
        "no parquet at all": b"id,amount\n1,2\n" * 100,
        "cut": good[: len(good) // 2],
        "flipped footer": good[:-200] + bytes(b ^ 0x55 for b in good[-200:-8]) + good[-8:],
        "flipped pages": good[:4] + bytes(b ^ 0x55 for b in good[4:2000]) + good[2000:],
        "empty": b"",
    }
    with pytest.raises((pa.ArrowException, fl.FlightError)) as caught:
        pull(server, server.ticket([server.put(bodies[what])]))
    assert "Parquet" in str(caught.value) or "damaged" in str(caught.value)
    assert server.process.poll() is None


def test_storage_that_is_down_is_said(server: Server, tmp_path: Path) -> None:
    stored = server.put(parquet(pa.table({"n": [1]})))
    changes = {"s3_endpoint_url": f"http://127.0.0.1:{free_port()}", "flight_port": free_port()}
    settings = server.settings.model_copy(update=changes)
    process = start_flight(settings, tmp_path / "log")
    try:
        location = f"grpc://127.0.0.1:{settings.flight_port}"
        other = Server(process, location, settings, KeyRing.from_settings(settings), server.bucket)
        with pytest.raises(fl.FlightUnavailableError, match="storage did not answer"):
            pull(other, server.ticket([stored]))
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_taken_port_ends_the_server_with_a_sentence(server: Server, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as out:
        process = spawn_flight(server.settings, out)
        assert process.wait(PATIENCE) == 2
    said = (tmp_path / "log").read_text()
    assert f"cannot listen on 127.0.0.1:{server.settings.flight_port}" in said
    assert "Traceback" not in said


def test_open_streams_end_in_order_when_the_server_stops(server: Server, big: str, tmp_path: Path) -> None:
    settings = server.settings.model_copy(update={"flight_port": free_port()})
    process = start_flight(settings, tmp_path / "log")
    location = f"grpc://127.0.0.1:{settings.flight_port}"
    with fl.connect(location) as client:
        reader = client.do_get(fl.Ticket(big))
        rows = reader.read_chunk().data.num_rows
        process.terminate()
        time.sleep(0.3)
        assert process.poll() is None
        assert rows + sum(chunk.data.num_rows for chunk in reader) == 50 * 25_000
    assert process.wait(PATIENCE) == 0
    said = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert said[-1]["event"] == "flight_stopped"
    assert said[-1]["drained"] is True


def test_a_client_that_never_reads_does_not_keep_the_server_from_stopping(
    server: Server, big: str, tmp_path: Path
) -> None:
    settings = server.settings.model_copy(update={"flight_port": free_port()})
    process = start_flight(settings, tmp_path / "log")
    with fl.connect(f"grpc://127.0.0.1:{settings.flight_port}") as client:
        reader = client.do_get(fl.Ticket(big))
        reader.read_chunk()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        with pytest.raises(pa.ArrowException):
            reader.read_all()


def test_a_far_client_gets_the_end_of_its_stream_from_a_server_that_stops(
    server: Server, big: str, tmp_path: Path
) -> None:
    # What lies in buffers on the way when the server has sent all must still arrive, although the client goes on to
    # acknowledge meanwhile: a socket that is closed with unread bytes throws away what it sent.
    settings = server.settings.model_copy(update={"flight_port": free_port()})
    process = start_flight(settings, tmp_path / "log")
    part = f"{big};file=0;rowGroups=0-9"
    with slow_line(settings.flight_port, 30 * MIB) as port, fl.connect(f"grpc://127.0.0.1:{port}") as client:
        reader = client.do_get(fl.Ticket(part))
        rows = reader.read_chunk().data.num_rows
        process.terminate()
        assert rows + sum(chunk.data.num_rows for chunk in reader) == 10 * 25_000
    assert process.wait(PATIENCE) == 0
    assert json.loads((tmp_path / "log").read_text().splitlines()[-1])["drained"] is True


@contextlib.contextmanager
def slow_line(to: int, bytes_per_second: int) -> Iterator[int]:
    """A port whose connections reach the other one; what comes back takes its time."""

    def forward(source: socket.socket, sink: socket.socket, pause: float) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(MIB):
                sink.sendall(block)
                time.sleep(pause * len(block))
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", to))
                threading.Thread(target=forward, args=(near, far, 0), daemon=True).start()
                threading.Thread(target=forward, args=(far, near, 1 / bytes_per_second), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
