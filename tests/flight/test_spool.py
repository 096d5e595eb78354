"""The Flight server's spool: tables that are pulled again, clients that do not keep up, and exactly the same rows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.flight.conftest import Server, free_port
from tests.flight.test_do_get import parquet
from tests.flight.test_security import another
from tests.flight.test_watching import samples
from tests.processes import PATIENCE

# more streams than are decoded at one time: two a core
CROWD = 2 * (os.cpu_count() or 1) + 20
ROWS = 60_000
GROUP = 20_000


class Spooling:
    """A Flight server of its own, with its metrics."""

    def __init__(self, port: int, metrics: int) -> None:
        self.location = f"grpc://127.0.0.1:{port}"
        self._metrics = metrics

    def count(self, name: str) -> float:
        """One of its metrics."""
        return samples(self._metrics)[f"karyaksham_flight_{name}",]

    def pull(self, ticket: str) -> pa.Table:
        """The whole table, by a connection of its own."""
        with fl.connect(self.location) as client:
            return client.do_get(fl.Ticket(ticket)).read_all()

    def wait(self, name: str, least: float, most: float = float("inf")) -> None:
        """Wait until a metric is in these bounds."""
        deadline = time.monotonic() + PATIENCE
        while not least <= (found := self.count(name)) <= most:
            assert time.monotonic() < deadline, f"{name} is {found}"
            time.sleep(0.05)


@contextlib.contextmanager
def spooling(server: Server, folder: Path, limit: int) -> Iterator[Spooling]:
    """A server whose spool has so many bytes."""
    metrics, spool = free_port(), folder / "spool"
    spool.mkdir()
    settings = {"FLIGHT_METRICS_PORT": metrics, "FLIGHT_SPOOL_LIMIT_BYTES": limit, "SPILL_DIR": spool}
    with another(server, folder / "log", **{name: str(value) for name, value in settings.items()}) as port:
        yield Spooling(port, metrics)
        # Files of the spool have no names: a server that is killed leaves none behind.
        assert list(spool.iterdir()) == []


@lru_cache
def table(seed: int) -> pa.Table:
    """Numbers, texts, nulls and lists; about 20 MB."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 1 << 60, ROWS)
    texts = [None if n % 7 == 0 else f"{n:x}" * 20 for n in numbers.tolist()]
    lists = [[seed, i] if i % 3 else None for i in range(ROWS)]
    return pa.table({"n": numbers, "s": pa.array(texts), "l": pa.array(lists, pa.list_(pa.int64()))})


@pytest.fixture(scope="module")
def tickets(server: Server) -> list[str]:
    """A ticket for each such table, in three row groups."""
    return [server.ticket([server.put(parquet(table(seed), row_group_size=GROUP))]) for seed in range(CROWD)]


def ipc(rows: pa.Table) -> bytes:
    """The table as an Arrow file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=GROUP)
    body: bytes = sink.getvalue().to_pybytes()
    return body


@pytest.mark.parametrize("written", ["parquet", "arrow"])
def test_a_table_that_is_pulled_a_third_time_is_not_decoded_again(server: Server, tmp_path: Path, written: str) -> None:
    rows = table(1)
    body = parquet(rows, row_group_size=GROUP) if written == "parquet" else ipc(rows)
    ticket = server.ticket([server.put(body)], written=written)
    with spooling(server, tmp_path, 1 << 30) as running:
        assert running.pull(ticket).equals(rows)
        assert running.count("spooled_bytes") == 0, "most are pulled once: nothing is written for those"
        assert running.pull(ticket).equals(rows)
        assert running.count("spooled_bytes") >= rows.nbytes
        assert running.count("replayed_bytes_total") == 0
        assert running.pull(ticket).equals(rows)
        assert running.count("replayed_bytes_total") >= rows.nbytes


def test_a_part_that_was_pulled_is_part_of_the_whole(server: Server, tickets: list[str], tmp_path: Path) -> None:
    ticket, rows = tickets[2], table(2)
    with spooling(server, tmp_path, 1 << 30) as running:
        for _ in range(3):
            assert running.pull(f"{ticket};file=0;rowGroups=1-1").equals(rows.slice(GROUP, GROUP))
        before = running.count("replayed_bytes_total")
        assert running.pull(ticket).equals(rows)
        assert running.count("replayed_bytes_total") == 2 * before


# none; so little that no row group fits and all ends in the middle of one; enough
@pytest.mark.parametrize("limit", [0, 32 << 20, 1 << 30])
@pytest.mark.parametrize("same", [True, False])
def test_many_slow_clients_get_all_rows_in_order(
    server: Server, tickets: list[str], tmp_path: Path, limit: int, same: bool
) -> None:
    tickets = tickets[:1] * CROWD if same else tickets
    with spooling(server, tmp_path, limit) as running, contextlib.ExitStack() as opened:
        clients = [opened.enter_context(fl.connect(running.location)) for _ in tickets]
        readers = [client.do_get(fl.Ticket(ticket)) for client, ticket in zip(clients, tickets, strict=True)]
        first = [reader.read_chunk().data for reader in readers]
        if limit:
            running.wait("spooled_bytes", 1)
        else:
            assert running.count("spooled_bytes") == 0

        def rest(number: int) -> pa.Table:
            batches = [first[number], *(chunk.data for chunk in readers[number])]
            return pa.Table.from_batches(batches)

        with ThreadPoolExecutor(CROWD) as pool:
            for number, got in enumerate(pool.map(rest, range(CROWD))):
                assert got.equals(table(0 if same else number)), f"client {number}"
        if limit:
            assert running.count("replayed_bytes_total") > 0


def test_clients_that_vanish_free_the_disk(server: Server, tickets: list[str], tmp_path: Path) -> None:
    with spooling(server, tmp_path, 1 << 30) as running:
        clients = [fl.connect(running.location) for _ in tickets]
        readers = [client.do_get(fl.Ticket(ticket)) for client, ticket in zip(clients, tickets, strict=True)]
        for reader in readers:
            reader.read_chunk()
        running.wait("spooled_bytes", 1)
        for client, reader in zip(clients, readers, strict=True):
            reader.cancel()
            client.close()
        running.wait("spooled_bytes", 0, 0)
        running.wait("streams", 0, 0)


def test_a_folder_that_takes_no_file_costs_only_speed(server: Server, tickets: list[str], tmp_path: Path) -> None:
    metrics = free_port()
    log = tmp_path / "log"
    settings = {"FLIGHT_METRICS_PORT": str(metrics), "SPILL_DIR": "/proc"}
    with another(server, log, **settings) as port:
        running, ticket = Spooling(port, metrics), tickets[3]
        for _ in range(3):
            assert running.pull(ticket).equals(table(3))
        assert running.count("replayed_bytes_total") == 0
    assert log.read_text().count("cannot be used, streams go without") == 1


def test_a_large_arrow_file_is_kept_part_by_part(server: Server, tmp_path: Path) -> None:
    """Larger than one part of the spool may be; also when a pull that was left halfway kept only its first parts."""
    rows = pa.table({"n": np.arange(12_000_000)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=250_000)
    ticket = server.ticket([server.put(sink.getvalue().to_pybytes())], "arrow")
    part = 34 << 20
    with spooling(server, tmp_path, 8 * part) as running:
        assert running.pull(ticket).equals(rows)
        assert running.count("spooled_bytes") == 0
        with fl.connect(running.location) as client:
            reader, read = client.do_get(fl.Ticket(ticket)), 0
            while read < part:
                read += reader.read_chunk().data.nbytes
            reader.cancel()
        running.wait("streams", 0, 0)
        kept = running.count("spooled_bytes")
        assert part * 3 / 4 < kept < rows.nbytes * 3 / 4
        assert running.pull(ticket).equals(rows)
        assert kept * 0.9 < running.count("replayed_bytes_total") < rows.nbytes * 3 / 4
        assert running.count("spooled_bytes") > rows.nbytes
        before = running.count("replayed_bytes_total")
        assert running.pull(ticket).equals(rows)
        assert running.count("replayed_bytes_total") - before >= rows.nbytes
