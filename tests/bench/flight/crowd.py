"""Many clients at once, and a stream longer than any memory: what the Flight server holds meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from graph.core.keys import KeyRing
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket
from tests.flight.conftest import WORKSPACE, bucket_of, free_port, start_flight
from tests.stack import Stack, clean_environment, settings_of

ROOT = Path(__file__).resolve().parents[3]
CLIENT = [sys.executable, "-m", "tests.bench.flight.client"]
CLIENTS = 50
PROCESSES = 5
HOLD_SECONDS = 20.0
LONG_BYTES = 50 * 10**9


class Objects:
    """Objects in a stack's storage with tickets for them, and Flight servers beside the stack's own."""

    def __init__(self, running: Stack) -> None:
        self._settings: Settings = settings_of(running.environment)
        self._keys = KeyRing.from_settings(self._settings)
        self._bucket = bucket_of(self._settings)

    def put(self, path: Path) -> TicketFile:
        """Store a file."""
        return self._bucket.put(f"w/{WORKSPACE}/jobs/{uuid4()}/1-1/{path.name}", path)

    def ticket(self, files: list[TicketFile], written: str = "parquet") -> bytes:
        """A ticket that lives for the whole bench."""
        expiry = int(time.time()) + 36_000
        claims = TicketClaims(kind="job", id=uuid4(), workspace=WORKSPACE, format=written, files=files, exp=expiry)
        return sign_ticket(claims, self._keys).encode()

    def as_arrow(self, parquet: Path, folder: Path) -> bytes:
        """A ticket for the same table, stored as an Arrow file of batches as large as the engine writes them."""
        path = folder / "table.arrow"
        source = pq.ParquetFile(parquet)
        with pa.ipc.new_file(path, source.schema_arrow) as writer:
            for batch in source.iter_batches(8192):
                writer.write_batch(batch)
        stored = self.put(path)
        path.unlink()
        return self.ticket([stored], "arrow")

    def slices(self, parquet: Path, folder: Path, count: int) -> list[bytes]:
        """Tickets for so many tables, each of one row group of the file."""
        source, tickets = pq.ParquetFile(parquet), []
        for number in range(count):
            path = folder / f"slice-{number}.parquet"
            pq.write_table(source.read_row_group(number % source.num_row_groups), path, compression="zstd")
            tickets.append(self.ticket([self.put(path)]))
            path.unlink()
        return tickets

    @contextlib.contextmanager
    def server(self, log: Path, *, spool: bool, copies: bool = False) -> Iterator[tuple[str, int]]:
        """Another Flight server of the stack, with a spool, the workers' copies of results, both or neither."""
        settings = self._settings.model_copy(update={"flight_port": free_port()})
        more = {} if spool else {"FLIGHT_SPOOL_LIMIT_BYTES": "0"}
        if copies:
            more["SPILL_DIR"] = settings.spill_dir or ""
            more["RESULT_COPIES_LIMIT_BYTES"] = str(settings.result_copies_limit_bytes)
        process = start_flight(settings, log, **more)
        try:
            yield f"grpc://127.0.0.1:{settings.flight_port}", process.pid
        finally:
            process.terminate()
            process.wait()


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The peak of a process's memory while something runs, as a list of one."""
    peak, done = [resident(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def hold(address: str, tickets: Sequence[bytes]) -> float:
    """Clients that read these tables again and again, in five processes: bytes a second that they get together."""
    shares = [tickets[number::PROCESSES] for number in range(PROCESSES)]
    commands = [[*CLIENT, "hold", address, str(HOLD_SECONDS), *(one.hex() for one in share)] for share in shares]
    started = time.perf_counter()
    readers = [subprocess.Popen(c, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment()) for c in commands]
    size = sum(json.loads(reader.communicate()[0])["bytes"] for reader in readers)
    return float(size / (time.perf_counter() - started))


def crowds(objects: Objects, parquet: Path, whole: bytes, folder: Path) -> list[str]:
    """Fifty clients of one table, and of a table each, then one of 50 GB, each on a server of its own; as sentences."""
    size = pq.ParquetFile(parquet).read_row_group(0).nbytes
    kinds = {
        "of one table": [whole] * CLIENTS,
        f"of a table each ({size / 1e6:.0f} MB)": objects.slices(parquet, folder, CLIENTS),
    }
    lines = []
    for number, (kind, tickets) in enumerate(kinds.items()):
        with objects.server(folder / f"crowd-{number}.log", spool=True) as (address, pid), watched(pid) as peak:
            rate = hold(address, tickets)
        lines.append(
            f"{CLIENTS} clients at once {kind}, for {HOLD_SECONDS:.0f} s: {rate / 1e9:.2f} GB/s together, the server's "
            f"peak of memory {peak[0] / 1e6:.0f} MB"
        )
    arrow = sum(batch.nbytes for batch in pq.ParquetFile(parquet).iter_batches(65_536))
    files = [objects.put(parquet)] * -(-LONG_BYTES // arrow)
    # with a spool, all rounds after the second would come from there
    with objects.server(folder / "long.log", spool=False) as (address, pid), watched(pid) as peak:
        command = [*CLIENT, "drain", address, objects.ticket(files).hex()]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), check=True)
    figures = json.loads(done.stdout)
    lines.append(
        f"One stream of {figures['bytes'] / 1e9:.1f} GB (the file {len(files)} times): {figures['total']:.0f} s, the "
        f"server's peak of memory {peak[0] / 1e6:.0f} MB"
    )
    return [text for line in lines for text in (line, "")][:-1]
