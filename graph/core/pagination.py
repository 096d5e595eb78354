"""Keyset pagination: a cursor names the last row seen, so pages neither skip nor repeat rows under change.

Every list is sorted newest first by its UUIDv7 (or by an integer sequence), and the cursor is that key, opaque.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Integer, Select, SQLColumnExpression, Uuid, bindparam

from graph.core.errors import InvalidInput

MAX_FIRST = 100
T = TypeVar("T")
K = TypeVar("K", UUID, int)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: the rows, a cursor for each, and whether more follow."""

    rows: Sequence[T]
    cursors: Sequence[str]
    has_next_page: bool


def check_first(first: int) -> int:
    """Return `first` when it is 1 to 100."""
    if not 1 <= first <= MAX_FIRST:
        raise InvalidInput(f"`first` must be 1 to {MAX_FIRST}, not {first}.", code="FIRST_OUT_OF_RANGE", path=["first"])
    return first


def encode_cursor(key: UUID | int) -> str:
    """Return the opaque cursor of a row's key."""
    raw = b"u" + key.bytes if isinstance(key, UUID) else b"i" + str(key).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _broken() -> InvalidInput:
    return InvalidInput(
        "This cursor was not given out by this list. Use `pageInfo.endCursor` of the page before.",
        code="CURSOR_INVALID",
        path=["after"],
    )


def _decode(cursor: str) -> bytes:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _broken() from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise _broken()
    return raw


def decode_uuid_cursor(cursor: str) -> UUID:
    """Return the key of a cursor of a list sorted by id; `InvalidInput` for any other text."""
    raw = _decode(cursor)
    if len(raw) != 17 or raw[:1] != b"u":
        raise _broken()
    return UUID(bytes=raw[1:])


def decode_int_cursor(cursor: str) -> int:
    """Return the key of a cursor of a list sorted by sequence; `InvalidInput` for any other text."""
    raw = _decode(cursor)
    try:
        value = int(raw[1:])
    except ValueError as error:
        raise _broken() from error
    if raw[:1] != b"i" or str(value).encode() != raw[1:] or abs(value) >= 1 << 63:
        raise _broken()
    return value


def keyset(
    query: Select[Any], key: SQLColumnExpression[UUID], *, continued: bool, newest_first: bool = True
) -> Select[Any]:
    """Add order, start and limit to a query sorted by a UUID key, as parameters: `page_values` gives their values.

    So the statement of a busy list is built once; `continued` says whether pages begin behind a cursor.
    """
    if continued:
        start = bindparam("page_start", type_=Uuid())
        query = query.where(key < start if newest_first else key > start)
    return query.order_by(key.desc() if newest_first else key.asc()).limit(bindparam("page_limit", type_=Integer()))


def page_values(first: int, after: str | None) -> dict[str, Any]:
    """Return the parameters of `keyset`, checked; asks for one row more, to know if more follow."""
    limit = {"page_limit": check_first(first) + 1}
    return limit if after is None else limit | {"page_start": decode_uuid_cursor(after)}


def page_query(
    query: Select[Any], key: SQLColumnExpression[UUID], first: int, after: str | None, *, newest_first: bool = True
) -> Select[Any]:
    """Like `keyset`, for one page: the values are in the statement."""
    values = page_values(first, after)
    return keyset(query, key, continued=after is not None, newest_first=newest_first).params(values)


def page_sequence_query(
    query: Select[Any], key: SQLColumnExpression[int], first: int, after: str | None
) -> Select[Any]:
    """Like `page_query` for lists sorted by an ascending integer (logs, events)."""
    check_first(first)
    if after is not None:
        query = query.where(key > decode_int_cursor(after))
    return query.order_by(key.asc()).limit(first + 1)


def make_page(rows: Sequence[T], first: int, key: Callable[[T], UUID | int]) -> Page[T]:
    """Cut the one row too many off and make the cursors."""
    kept = rows[:first]
    return Page(rows=kept, cursors=[encode_cursor(key(row)) for row in kept], has_next_page=len(rows) > first)
