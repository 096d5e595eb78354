"""Measures our Flight server and its peers on a job's result; the lines of `RESULTS.md`.

The job converts the peers' CSV to Parquet; then some cases again on that table as pyarrow writes it.
Each pull is a process of its own over loopback. GB/s are bytes of decoded Arrow, for all cases, so that they compare.
Ours reads what the worker left on the same machine, as in `karyaksham up`, or where it says so, SeaweedFS; the peers
read the file from the disk (page cache). A server without a spool decodes at each pull; "pulled again" is a third pull
from a server with one, or a later.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.flight as fl

from tests.bench import load
from tests.bench.flight.crowd import Objects, crowds
from tests.bench.peers.run import PIPELINES
from tests.graph.http.serving import free_port
from tests.stack import Account, Stack, clean_environment, stack_in

ROOT = Path(__file__).resolve().parents[3]
CLIENT = [sys.executable, "-m", "tests.bench.flight.client"]


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


def converted(account: Account, orders: Path, folder: Path) -> tuple[str, Path]:
    """The job that makes Parquet of a CSV, and its result as a file."""
    spec = json.loads((PIPELINES / "w3.json").read_text())
    job = account.run_job(spec, input=account.upload(orders))
    path = folder / "result.parquet"
    path.write_bytes(account.download(job))
    return job["id"], path


def table(running: Stack, account: Account, kind: str, name: str) -> tuple[list[bytes], bytes]:
    """The tickets of a job's or data set's endpoints, and one for the whole; `kind` is `jobs` or `datasets`."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {account.token}".encode())])
    with fl.connect(running.flight_url) as client:
        info = client.get_flight_info(fl.FlightDescriptor.for_path(kind, name), options)
    tickets: list[bytes] = [endpoint.ticket.ticket for endpoint in info.endpoints]
    return tickets, tickets[0].partition(b";")[0]


def measure(orders: Path, foreign: Path, runs: int) -> list[str]:
    """Pull the table in turn by each case, `runs` times after one to warm up; the lines of the section.

    `orders` is a CSV, `foreign` the same table as pyarrow wrote it.
    """
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        running = opened.enter_context(stack_in(folder / "data"))
        account = running.register("Bench of streams")
        job, parquet = converted(account, orders, folder)
        objects = Objects(running)
        hot, hot_pid = running.flight_url, running.pid("flight")
        cold, cold_pid = opened.enter_context(objects.server(folder / "cold.log", spool=False, copies=True))
        far, far_pid = opened.enter_context(objects.server(folder / "far.log", spool=False))
        endpoints, whole = table(running, account, "jobs", job)
        foreign_two = halves(*table(running, account, "datasets", account.upload(foreign)))
        arrow = objects.as_arrow(parquet, folder)
        two = halves(endpoints, whole)
        other, other_pid = opened.enter_context(peer(parquet))
        foreign_peer, foreign_pid = opened.enter_context(peer(foreign))
        file = opened.enter_context(nginx(parquet, folder))
        all_at_once = [ticket.hex() for ticket in endpoints]
        cases = [
            Case("ours, one stream", ["stream", cold, whole.hex()], cold_pid),
            Case("ours, two streams", ["stream", cold, *two], cold_pid),
            Case(f"ours, {len(endpoints)} endpoints at once", ["stream", cold, *all_at_once], cold_pid),
            Case("ours, from the storage, one stream", ["stream", far, whole.hex()], far_pid),
            Case("ours, from the storage, two streams", ["stream", far, *two], far_pid),
            Case("ours, stored as Arrow", ["stream", far, arrow.hex()], far_pid),
            Case("ours, pulled again", ["stream", hot, whole.hex()], hot_pid),
            Case("ours, pulled again, two streams", ["stream", hot, *two], hot_pid),
            Case("ours, stored as Arrow, pulled again", ["stream", hot, arrow.hex()], hot_pid),
            Case("pyarrow.flight from Parquet, one thread", ["stream", other, b"parquet".hex()], other_pid),
            Case("pyarrow.flight from Parquet, all threads", ["stream", other, b"dataset".hex()], other_pid),
            Case("pyarrow.flight from memory", ["stream", other, b"memory".hex()], other_pid),
            Case(
                "pyarrow.flight from memory, two streams",
                ["stream", other, b"memory:0/2".hex(), b"memory:1/2".hex()],
                other_pid,
            ),
        ]
        if file is not None:
            cases.append(Case("nginx, then Polars", ["download", file[0]], file[1]))
        cases += [
            Case("the file of pyarrow, from the storage: ours, two streams", ["stream", far, *foreign_two], far_pid),
            Case(
                "the file of pyarrow: pyarrow.flight, all threads",
                ["stream", foreign_peer, b"dataset".hex()],
                foreign_pid,
            ),
        ]
        for case in cases:
            if case.server == hot_pid:
                run(case.command)
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
            f"{rows.pop():,} rows, {size / 1e9:.2f} GB of Arrow from {parquet.stat().st_size / 1e9:.2f} GB of Parquet "
            f"(as pyarrow writes it, {foreign.stat().st_size / 1e9:.2f}), medians of {runs}:",
            "",
            "| way | s | GB/s | first batch, ms | server, CPU s |",
            "| --- | --- | --- | --- | --- |",
            *(case.line() for case in cases),
            "",
            *crowds(objects, parquet, whole, folder),
        ]


def halves(endpoints: list[bytes], whole: bytes) -> list[str]:
    """Two tickets, each for half of the row groups of the one file."""
    last = int(endpoints[-1].rpartition(b"-")[2])
    middle = last // 2
    return [
        (whole + f";file=0;rowGroups={start}-{end}".encode()).hex() for start, end in ((0, middle), (middle + 1, last))
    ]
