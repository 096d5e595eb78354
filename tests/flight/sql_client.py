"""Flight SQL as its clients speak it: ADBC's driver, and single commands by hand where a driver hides what happens."""

from __future__ import annotations

from typing import Any

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow.flight as fl
from adbc_driver_flightsql import DatabaseOptions

MESSAGES = "type.googleapis.com/arrow.flight.protocol.sql."


def connect(location: str, token: str | None, **headers: str) -> flight_sql.Connection:
    """Connect with a token, and with further headers on every call."""
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {token}"}
    options |= {DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + name: value for name, value in headers.items()}
    return flight_sql.connect(location, db_kwargs=options, autocommit=True)


def rows(connection: flight_sql.Connection, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def bearer(token: str | None) -> fl.FlightCallOptions:
    """Call options with a token."""
    return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(*fields: tuple[int, str | bytes]) -> bytes:
    """A protobuf message of texts and bytes, by the numbers of its fields."""
    out = b""
    for number, value in fields:
        data = value.encode() if isinstance(value, str) else value
        out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def fields(data: bytes) -> dict[int, bytes]:
    """The texts and bytes of a protobuf message, by the numbers of their fields."""

    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while data[at] & 0x80:
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        return value | data[at] << shift, at + 1

    found, at = {}, 0
    while at < len(data):
        tag, at = varint(at)
        assert tag & 7 == 2, f"field {tag >> 3} is neither text nor bytes"
        size, at = varint(at)
        found[tag >> 3] = data[at : at + size]
        at += size
    return found


def command(name: str, *fields: tuple[int, str | bytes]) -> bytes:
    """A message of Flight SQL, packed as descriptors, tickets and actions carry it."""
    return message((1, MESSAGES + name), (2, message(*fields)))


def statement(query: str) -> fl.FlightDescriptor:
    """The descriptor of a statement."""
    return fl.FlightDescriptor.for_command(command("CommandStatementQuery", (1, query)))
