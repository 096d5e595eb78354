"""Signs of life of each kind of server, with the standard library alone. All return False rather than raise."""

from __future__ import annotations

import asyncio
import json
import struct
import urllib.parse
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[bool]]

_TIMEOUT_SECONDS = 8.0


async def _talk(host: str, port: int, request: bytes, limit: int = 65_536) -> bytes:
    """Send bytes, return the first that come back."""
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read(limit)
        finally:
            writer.close()


async def listens(host: str, port: int) -> bool:
    """Tell whether something accepts connections."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def postgres_answers(host: str, port: int, user: str) -> bool:
    """Tell whether PostgreSQL asks for a password, which it does not before it is ready (error 57P03)."""
    body = struct.pack("!i", 196608) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
    try:
        answer = await _talk(host, port, struct.pack("!i", len(body) + 4) + body)
    except (OSError, TimeoutError):
        return False
    return answer[:1] == b"R"


async def valkey_answers(host: str, port: int, password: str) -> bool:
    """Tell whether Valkey takes the password and answers PING."""
    try:
        answer = await _talk(host, port, f"AUTH {password}\r\nPING\r\n".encode())
    except (OSError, TimeoutError):
        return False
    return answer.startswith(b"+OK")


async def http_get(url: str) -> tuple[int, bytes]:
    """Return status and body; 0 when nobody answers."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    path = parts.path or "/"
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            finally:
                writer.close()
        return int(head.split(b" ", 2)[1]), body
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0, b""


async def http_ok(url: str) -> bool:
    """Tell whether a GET is answered with 200."""
    return (await http_get(url))[0] == 200


async def seaweed_answers(s3_port: int, master_port: int) -> bool:
    """Tell whether S3 answers and a volume server has joined, without which every read and write fails."""
    if not await http_ok(f"http://127.0.0.1:{s3_port}/status"):
        return False
    status, body = await http_get(f"http://127.0.0.1:{master_port}/dir/status")
    if status != 200:
        return False
    try:
        # Transfer-Encoding may wrap the document: look at what lies between the outer braces
        text = body[body.index(b"{") : body.rindex(b"}") + 1]
        return bool(json.loads(text)["Topology"].get("DataCenters"))
    except (ValueError, KeyError):
        return b'"DataCenters":[{' in body.replace(b" ", b"").replace(b"\n", b"")
