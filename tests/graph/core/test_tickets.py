"""Flight tickets: signed, expiring, and nothing else gets through."""

from __future__ import annotations

import base64
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.errors import NotAuthenticated
from graph.core.ids import uuid7
from graph.core.keys import KeyRing, generate_signing_key
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, TicketFile, sign_ticket, verify_ticket

KEYS = KeyRing.from_settings(Settings(signing_key=generate_signing_key()))  # type: ignore[arg-type]


def claims(**changes: object) -> TicketClaims:
    """Claims of a job's result."""
    given_claims: dict[str, object] = {
        "kind": "job",
        "id": uuid7(),
        "workspace": uuid7(),
        "format": "parquet",
        "files": [TicketFile("w/a/jobs/b/1-1/part-00000.parquet", 10, 2)],
        "exp": int(time.time()) + 60,
        "schema": [{"name": "n", "type": "int64", "nullable": True}],
        "rows": 2,
    }
    given_claims.update(changes)
    return TicketClaims(**given_claims)  # type: ignore[arg-type]


def test_round_trip() -> None:
    original = claims()
    assert verify_ticket(sign_ticket(original, KEYS), KEYS) == original


def test_form_is_the_contract_with_rust() -> None:
    ticket = sign_ticket(claims(), KEYS)
    body, signature = ticket.split(".")
    assert "=" not in ticket
    payload = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert set(payload) == {
        "v", "kid", "kind", "id", "workspace", "format", "files", "schema", "dialect", "rows", "exp"
    }  # fmt: skip
    assert set(payload["files"][0]) == {"key", "sizeBytes", "rows"}
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    KEYS.public[payload["kid"]].verify(raw, body.encode())


def test_expired() -> None:
    with pytest.raises(NotAuthenticated, match="expired"):
        verify_ticket(sign_ticket(claims(exp=int(time.time()) - 1), KEYS), KEYS)


def test_foreign_key() -> None:
    other = KeyRing.from_settings(Settings(signing_key=generate_signing_key()))  # type: ignore[arg-type]
    with pytest.raises(NotAuthenticated):
        verify_ticket(sign_ticket(claims(), other), KEYS)


@given(st.integers(min_value=0), st.integers(0, 5))
def test_any_changed_bit_is_noticed(position: int, bit: int) -> None:
    ticket = bytearray(sign_ticket(claims(), KEYS).encode())
    index = position % len(ticket)
    ticket[index] ^= 1 << bit
    text = ticket.decode("latin-1")
    signature = text.partition(".")[2]
    if index == len(ticket) - 1 and len(signature) == 86:
        return  # the last character carries four unused bits
    with pytest.raises(NotAuthenticated):
        verify_ticket(text, KEYS)


@given(st.text(max_size=200))
def test_garbage(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        verify_ticket(text, KEYS)
