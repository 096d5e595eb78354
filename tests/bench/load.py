"""A closed-loop HTTP/1.1 load generator, lean enough not to be what is measured.

Each client holds one keep-alive connection and sends the next request when the last answer has arrived. The answer is
read by its Content-Length and checked for GraphQL errors, so that a fast failure never counts as a fast success.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Figures:
    """Latencies in milliseconds, throughput in requests per second."""

    clients: int
    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float


def resident_mb(pid: int) -> float:
    """The resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of an ascending list."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """One keep-alive connection that posts GraphQL documents."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path
        self.token = token
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> Client:
        """Connect; return self."""
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    def encode(self, query: str, variables: dict[str, Any]) -> bytes:
        """The whole request as bytes."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def send(self, request: bytes) -> bytes:
        """Send one encoded request; return the answer's body. Raises RuntimeError on any error in it."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        body = await self.reader.readexactly(length)
        if b" 200 " not in head[:20] or b'"errors"' in body:
            raise RuntimeError(f"{head[:40]!r} {body[:400]!r}")
        return body

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


def wait_open(host: str, port: int, seconds: float = 30) -> None:
    """Wait until somebody listens there. Raises OSError after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


async def measure(
    url: str,
    token: str,
    query: str,
    variables: Callable[[int], dict[str, Any]],
    *,
    clients: int,
    seconds: float,
) -> Figures:
    """Run `clients` loops for `seconds` after a short warm-up; `variables(n)` gives the n-th request's variables."""
    pool = [await Client(url, token).open() for _ in range(clients)]
    number = 0
    latencies: list[float] = []
    started = time.perf_counter()
    warm_until = started + min(1.0, seconds / 4)
    end = warm_until + seconds

    async def loop(client: Client) -> None:
        nonlocal number
        while (now := time.perf_counter()) < end:
            number += 1
            await client.send(client.encode(query, variables(number)))
            if now >= warm_until:
                latencies.append((time.perf_counter() - now) * 1000)

    await asyncio.gather(*(loop(client) for client in pool))
    took = time.perf_counter() - warm_until
    for client in pool:
        client.close()
    latencies.sort()
    return Figures(
        clients=clients,
        requests=len(latencies),
        per_second=len(latencies) / took,
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
        max_ms=latencies[-1],
    )
