"""Arrow Flight tickets: signed claims that the Flight server verifies without a database.

`base64url(JSON)` + `.` + `base64url(Ed25519 signature over the ASCII of the first part)`, both without padding.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature

from graph.core.errors import NotAuthenticated
from graph.core.keys import KeyRing

VERSION = 1


@dataclass(frozen=True, slots=True)
class TicketFile:
    """One object that the ticket opens; `rows` is None when nobody counted."""

    key: str
    sizeBytes: int  # noqa: N815  # wire names, as Rust reads them
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """What a ticket allows: these files of this object of this workspace, until `exp` (Unix seconds)."""

    kind: Literal["job", "dataset"]
    id: UUID
    workspace: UUID
    format: Literal["parquet", "csv", "ndjson", "arrow", "lines"]
    files: list[TicketFile]
    exp: int
    schema: list[dict[str, Any]] | None = None
    dialect: dict[str, Any] | None = None
    rows: int | None = None
    v: int = field(default=VERSION)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True)
class PullClaims:
    """What a ticket of a pull allows: to run this specification once, on these inputs, until `exp` (Unix seconds).

    `inputs` are as the engine takes them, with the object's key in the place of its URL. `actor` is who asked.
    """

    id: UUID
    workspace: UUID
    actor: UUID
    spec: dict[str, Any]
    inputs: list[dict[str, Any]]
    exp: int
    kind: Literal["pull"] = field(default="pull")
    v: int = field(default=VERSION)


def sign_ticket(claims: TicketClaims | PullClaims, key: KeyRing) -> str:
    """Return the signed ticket as ASCII text."""
    signer = key.signer
    payload = {**asdict(claims), "kid": key.kid}
    # asyncpg's UUIDs are a subclass, which orjson does not take for one
    body = _encode(orjson.dumps(payload, default=str))
    return f"{body}.{_encode(signer.sign(body.encode()))}"


def verify_ticket(ticket: str, key: KeyRing, *, now: float | None = None) -> TicketClaims:
    """Return the claims; `NotAuthenticated` for anything not signed by a known key or expired.

    The Flight server does the same in Rust; this one serves tests and Python callers.
    """
    payload = _verified(ticket, key, now)
    try:
        return TicketClaims(
            kind=payload["kind"],
            id=UUID(payload["id"]),
            workspace=UUID(payload["workspace"]),
            format=payload["format"],
            files=[TicketFile(**item) for item in payload["files"]],
            exp=int(payload["exp"]),
            schema=payload["schema"],
            dialect=payload["dialect"],
            rows=payload["rows"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NotAuthenticated(_BROKEN) from error


def verify_pull(ticket: str, key: KeyRing, *, now: float | None = None) -> PullClaims:
    """Return the claims of a pull's ticket; `NotAuthenticated` as for `verify_ticket`."""
    payload = _verified(ticket, key, now)
    try:
        if payload["kind"] != "pull":
            raise NotAuthenticated(_BROKEN)
        return PullClaims(
            id=UUID(payload["id"]),
            workspace=UUID(payload["workspace"]),
            actor=UUID(payload["actor"]),
            spec=payload["spec"],
            inputs=payload["inputs"],
            exp=int(payload["exp"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NotAuthenticated(_BROKEN) from error


_BROKEN = "The ticket is not valid. Ask the API for a new one."


def _verified(ticket: str, key: KeyRing, now: float | None) -> dict[str, Any]:
    """Return what was signed."""
    body, separator, signature = ticket.partition(".")
    try:
        payload = orjson.loads(_decode(body))
        public = key.public[payload["kid"]]
        public.verify(_decode(signature), body.encode())
        if not separator or payload["v"] != VERSION:
            raise NotAuthenticated(_BROKEN)
        expires = int(payload["exp"])
    except (InvalidSignature, binascii.Error, ValueError, KeyError, TypeError, UnicodeError) as error:
        raise NotAuthenticated(_BROKEN) from error
    if expires <= (time.time() if now is None else now):
        raise NotAuthenticated("The ticket has expired. Ask the API for a new one.")
    verified: dict[str, Any] = payload
    return verified
