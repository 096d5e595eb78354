"""`karyaksham audit export`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from ops.cli.client import Server
from ops.cli.errors import CommandError

_NAMES = {"format": "format", "since": "since", "until": "until", "actor": "actor", "only": "action"}


def export(options: argparse.Namespace) -> int:
    """Write the audit log to a file, complete or not at all, or to standard output."""
    given = vars(options)
    query = {name: str(given[option]) for option, name in _NAMES.items() if given[option]}
    server, target = Server.stored(), options.output
    if target is None:
        _stream(server, query, sys.stdout.buffer)
        return 0
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _stream(server, query, file)
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return 0


def _stream(server: Server, query: dict[str, str], out: BinaryIO) -> None:
    url = f"{server.login.url}/export/audit"
    try:
        with server.http.stream("GET", url, params=query) as answer:
            if not answer.is_success:
                answer.read()
                raise _refused(answer)
            out.writelines(answer.iter_bytes())
            out.flush()
    except httpx.HTTPError as error:
        raise CommandError(
            "EXPORT_BROKEN", f"{server.login.url} broke off: {error}", hint="What was written is not complete."
        ) from error


def _refused(answer: httpx.Response) -> CommandError:
    body: Any = None
    with suppress(ValueError):
        body = answer.json()
    if not isinstance(body, dict) or "code" not in body:
        return CommandError("NOT_KARYAKSHAM", f"The server answers {answer.status_code}.", hint="Check the URL.")
    return CommandError(str(body["code"]), str(body.get("title", "refused")))
