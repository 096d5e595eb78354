"""Whether the backends of a single part can be reached, asked before it starts, with the setting to correct."""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ops.cli.errors import CommandError

if TYPE_CHECKING:
    from graph.core.settings import Settings

_PORTS = {"postgresql+asyncpg": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}


def _reason(url: str) -> str | None:
    """Return why nobody answers at a URL's host and port; None when somebody does, or it names no host to ask."""
    parts = urlsplit(url)
    if not parts.hostname or "host" in parse_qs(parts.query):  # a unix socket
        return None
    try:
        with socket.create_connection((parts.hostname, parts.port or _PORTS.get(parts.scheme, 443)), timeout=2):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, '')}"


def unreachable(settings: Settings, names: tuple[str, ...]) -> list[CommandError]:
    """Return one error for each setting (`DATABASE_URL` …) whose server does not answer."""
    found = []
    for name in names:
        if name == "MIGRATION_DATABASE_URL":
            url: str | None = settings.owner_database_url
        else:
            url = getattr(settings, name.lower())
        if url and (reason := _reason(url)):
            server = {"REDIS_URL": "Redis", "S3_ENDPOINT_URL": "Object storage"}.get(name, "PostgreSQL")
            found.append(
                CommandError(
                    f"{server.upper().replace(' ', '_')}_UNREACHABLE",
                    f"{server} at {_place(url)} does not answer: {reason}.",
                    place=name,
                    hint=f"Start it, or correct {name}. `karyaksham doctor` looks at all parts.",
                )
            )
    return found


def wait_for(settings: Settings, names: tuple[str, ...], seconds: float) -> None:
    """Return when all answer; `CommandError` for the first that does not within `seconds`."""
    deadline = time.monotonic() + seconds
    told = False
    while missing := unreachable(settings, names):
        if time.monotonic() >= deadline:
            raise missing[0]
        if not told:
            told = True
            waits = "; ".join(f"{error.message} ({error.place})" for error in missing)
            print(f"Waiting up to {seconds:.0f} s. {waits}", file=sys.stderr, flush=True)
        time.sleep(0.5)
