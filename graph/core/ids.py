"""Identifiers: UUIDv7 inside (sorted by time), opaque Relay global ids outside."""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from uuid import UUID

from graph.core.errors import NotFound

_lock = threading.Lock()
_last = 0
_COUNTER_BITS = 12


def uuid7() -> UUID:
    """Return a new UUIDv7; within one process strictly increasing, also inside one millisecond."""
    global _last  # noqa: PLW0603  # the clock of this process
    with _lock:
        # 48 bits of milliseconds and a 12-bit counter that borrows from the future when one millisecond is full
        _last = max(_last + 1, (time.time_ns() // 1_000_000) << _COUNTER_BITS)
        stamp = _last
    milliseconds, counter = stamp >> _COUNTER_BITS, stamp & 0xFFF
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | random)


def to_global(type_name: str, value: UUID) -> str:
    """Relay global id: `to_global("Job", id)`."""
    return base64.b64encode(f"{type_name}:{value}".encode()).decode()


def split_global(gid: str) -> tuple[str, UUID] | None:
    """Return type name and UUID of a global id, or None when the text is none."""
    try:
        name, _, text = base64.b64decode(gid, validate=True).decode("ascii").partition(":")
        value = UUID(text)
    except (binascii.Error, UnicodeError, ValueError):
        return None
    # one text per id: UUID() also takes braces, capitals and urn:uuid:
    return (name, value) if name and str(value) == text else None


def try_global(gid: str, type_name: str) -> UUID | None:
    """Return the UUID of a global id of this type, or None: for queries, where the unknown is null."""
    parts = split_global(gid)
    return parts[1] if parts is not None and parts[0] == type_name else None


def from_global(gid: str, type_name: str, *, path: tuple[str, ...] = ("id",)) -> UUID:
    """Return the UUID of a global id of this type; `NotFound` otherwise: for mutations."""
    value = try_global(gid, type_name)
    if value is None:
        what = type_name[0].lower() + type_name[1:]
        raise NotFound(f"This is not the id of a {what}. Use the `id` that the API gave for it.", path=path)
    return value


def parse_id(text: str, type_name: str) -> UUID | None:
    """Return the UUID of a global id or of a plain UUID text, None for anything else (Flight paths, command line)."""
    value = try_global(text, type_name)
    if value is not None:
        return value
    try:
        return UUID(text)
    except ValueError:
        return None
