"""`python -m tests.bench.flight.client KIND ADDRESS TICKET…`: one pull in a process of its own, its figures as JSON.

`stream` pulls the tickets (in hex) side by side, one connection each; `download` gets a URL and reads the Parquet with
Polars; `hold` takes SECONDS, then reads each ticket's table again and again for so long; `drain` reads one ticket and
keeps nothing. Times run from the first request to the last
row in memory, in seconds; imports are not in them.
"""

from __future__ import annotations

import io
import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pyarrow.flight as fl


def stream(address: str, tickets: list[bytes]) -> dict[str, float]:
    """Pull all tickets at once, each over a connection of its own."""
    started = time.perf_counter()

    def pull(ticket: bytes) -> tuple[float, int, int]:
        first, rows, size = 0.0, 0, 0
        with fl.connect(address) as client:
            for chunk in client.do_get(fl.Ticket(ticket)):
                first = first or time.perf_counter() - started
                rows += chunk.data.num_rows
                size += chunk.data.nbytes
        return first, rows, size

    with ThreadPoolExecutor(len(tickets)) as pool:
        pulled = list(pool.map(pull, tickets))
    total = time.perf_counter() - started
    return {
        "first": min(one[0] for one in pulled),
        "total": total,
        "rows": sum(one[1] for one in pulled),
        "bytes": sum(one[2] for one in pulled),
    }


def download(url: str) -> dict[str, float]:
    """Get the file whole, then read it."""
    started = time.perf_counter()
    buffer = io.BytesIO()
    with urllib.request.urlopen(url) as answer:
        while block := answer.read(1 << 20):
            buffer.write(block)
    buffer.seek(0)
    table = pl.read_parquet(buffer).to_arrow()
    total = time.perf_counter() - started
    return {"first": total, "total": total, "rows": table.num_rows, "bytes": table.nbytes}


def hold(address: str, seconds: float, tickets: list[bytes]) -> dict[str, float]:
    """Read many streams at once for a while."""
    until = time.perf_counter() + seconds

    def read(ticket: bytes) -> int:
        size = 0
        with fl.connect(address) as client:
            while time.perf_counter() < until:
                reader = client.do_get(fl.Ticket(ticket))
                for chunk in reader:
                    size += chunk.data.nbytes
                    if time.perf_counter() >= until:
                        reader.cancel()
                        break
        return size

    with ThreadPoolExecutor(len(tickets)) as pool:
        return {"bytes": sum(pool.map(read, tickets))}


def drain(address: str, ticket: bytes) -> dict[str, float]:
    """Read a stream to its end and keep nothing."""
    started, size, rows = time.perf_counter(), 0, 0
    with fl.connect(address) as client:
        for chunk in client.do_get(fl.Ticket(ticket)):
            size += chunk.data.nbytes
            rows += chunk.data.num_rows
    return {"bytes": size, "rows": rows, "total": time.perf_counter() - started}


if __name__ == "__main__":
    kind, address, *rest = sys.argv[1:]
    if kind == "stream":
        figures = stream(address, [bytes.fromhex(ticket) for ticket in rest])
    elif kind == "download":
        figures = download(address)
    elif kind == "drain":
        figures = drain(address, bytes.fromhex(rest[0]))
    else:
        figures = hold(address, float(rest[0]), [bytes.fromhex(ticket) for ticket in rest[1:]])
    print(json.dumps(figures))
