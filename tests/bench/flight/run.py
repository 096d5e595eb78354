"""Measures our Flight server and its peers on one Parquet file; the lines of `RESULTS.md`.

Each pull is a process of its own over loopback. GB/s are bytes of decoded Arrow, for all cases, so that they compare.
Ours reads the file from SeaweedFS as `karyaksham up` starts it, the peers read it from the disk (page cache).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.flight as fl

from tests.bench import load
from tests.graph.http.serving import free_port
from tests.stack import Stack, clean_environment, stack_in

ROOT = Path(__file__).resolve().parents[3]
CLIENT = [sys.executable, "-m", "tests.bench.flight.client"]
MANY = 50
HOLD_SECONDS = 20.0


@dataclass
class Case:
    """One way to get the table; `server` is the process whose processor time counts."""

    name: str
    command: list[str]
    server: int
    figures: list[dict[str, float]] = field(default_factory=list)

    def line(self) -> str:
        """The case as a line of a table: medians."""
        middle = {name: statistics.median(run[name] for run in self.figures) for name in self.figures[0]}
        return (
            f"| {self.name} | {middle['total']:.2f} | {middle['bytes'] / middle['total'] / 1e9:.2f} | "
            f"{middle['first'] * 1000:.0f} | {middle['cpu']:.2f} |"
        )


def cpu(pid: int) -> float:
    """Seconds of the processors that a process and its children have used."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for each in (str(pid), *children):
        parts = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(parts[11]) + int(parts[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(command: Sequence[str]) -> dict[str, float]:
    """One run of the client."""
    done = subprocess.run([*CLIENT, *command], capture_output=True, text=True, cwd=ROOT, env=clean_environment())
    if done.returncode:
        raise RuntimeError(f"{command[:2]} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextlib.contextmanager
def peer(parquet: Path) -> Iterator[tuple[str, int]]:
    """A pyarrow.flight server of the file; its address and process."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.flight.peer", str(parquet), str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment())
    try:
        load.wait_open("127.0.0.1", port)
        yield f"grpc://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nginx(parquet: Path, folder: Path) -> Iterator[tuple[str, int] | None]:
    """An nginx that sends the file; None where it is not installed."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        yield None
        return
    port = free_port()
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        + (f"user {os.environ.get('USER', 'root')};\n" if os.geteuid() == 0 else "")
        + f"http {{ access_log off; sendfile on; tcp_nopush on; {paths}\n"
        f"server {{ listen 127.0.0.1:{port}; root {parquet.parent}; }} }}\n"
    )
    process = subprocess.Popen([program, "-c", str(config), "-e", str(folder / "errors")])
    try:
        load.wait_open("127.0.0.1", port)
        yield f"http://127.0.0.1:{port}/{parquet.name}", process.pid
    finally:
        process.terminate()
        process.wait()


def table(running: Stack, parquet: Path) -> tuple[list[bytes], bytes]:
    """Upload the file; the tickets of its endpoints, and one for the whole."""
    account = running.register("Bench of streams")
    dataset = account.upload(parquet)
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {account.token}".encode())])
    with fl.connect(running.flight_url) as client:
        info = client.get_flight_info(fl.FlightDescriptor.for_path("datasets", dataset), options)
    tickets: list[bytes] = [endpoint.ticket.ticket for endpoint in info.endpoints]
    return tickets, tickets[0].partition(b";")[0]


def many(address: str, ticket: bytes, server: int) -> str:
    """Fifty clients at once, in five processes: what they get together, and the server's peak of memory."""
    command = [*CLIENT, "hold", address, ticket.hex(), str(MANY // 5), str(HOLD_SECONDS)]
    peak, done = resident(server), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, resident(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment()) for _ in range(5)]
    size = sum(json.loads(reader.communicate()[0])["bytes"] for reader in readers)
    took = time.perf_counter() - started
    done.set()
    watcher.join()
    return (
        f"{MANY} clients at once for {HOLD_SECONDS:.0f} s: {size / took / 1e9:.2f} GB/s together, the server's peak of "
        f"memory {peak / 1e6:.0f} MB"
    )


def measure(parquet: Path, runs: int) -> list[str]:
    """Pull the table in turn by each case, `runs` times after one to warm up; the lines of the section."""
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        running = opened.enter_context(stack_in(folder / "data"))
        address, flight = running.flight_url, running.pid("flight")
        endpoints, whole = table(running, parquet)
        half = len(endpoints) // 2 or 1
        other, other_pid = opened.enter_context(peer(parquet))
        file = opened.enter_context(nginx(parquet, folder))
        cases = [
            Case("ours, one stream", ["stream", address, whole.hex()], flight),
            Case(
                f"ours, {len(endpoints)} endpoints at once", ["stream", address, *(t.hex() for t in endpoints)], flight
            ),
            Case("pyarrow.flight from Parquet, one thread", ["stream", other, b"parquet".hex()], other_pid),
            Case("pyarrow.flight from Parquet, all threads", ["stream", other, b"dataset".hex()], other_pid),
            Case("pyarrow.flight from memory", ["stream", other, b"memory".hex()], other_pid),
            Case(
                "pyarrow.flight from memory, two streams",
                ["stream", other, b"memory:0/2".hex(), b"memory:1/2".hex()],
                other_pid,
            ),
        ]
        if half > 1:
            cases.insert(1, Case("ours, two streams", ["stream", address, *halves(endpoints, whole)], flight))
        if file is not None:
            cases.append(Case("nginx, then Polars", ["download", file[0]], file[1]))
        for number in range(runs + 1):
            for case in cases:
                before = cpu(case.server)
                figures = run(case.command)
                if number:
                    case.figures.append(figures | {"cpu": cpu(case.server) - before})
        rows = {figures["rows"] for case in cases for figures in case.figures}
        if len(rows) != 1:
            raise RuntimeError(f"the cases do not agree on the rows: {rows}")
        size = cases[0].figures[0]["bytes"]
        return [
            f"{rows.pop():,} rows, {size / 1e9:.2f} GB of Arrow from {parquet.stat().st_size / 1e9:.2f} GB of Parquet, "
            f"medians of {runs}:",
            "",
            "| way | s | GB/s | first batch, ms | server, CPU s |",
            "| --- | --- | --- | --- | --- |",
            *(case.line() for case in cases),
            "",
            many(address, whole, flight),
        ]


def halves(endpoints: list[bytes], whole: bytes) -> list[str]:
    """Two tickets, each for half of the row groups of the one file."""
    last = int(endpoints[-1].rpartition(b"-")[2])
    middle = last // 2
    return [
        (whole + f";file=0;rowGroups={start}-{end}".encode()).hex() for start, end in ((0, middle), (middle + 1, last))
    ]
