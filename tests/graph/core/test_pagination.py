"""Keyset pages over real rows: nothing twice, nothing left out, whatever is added or removed between pages."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from graph.context import Services
from graph.core.errors import InvalidInput
from graph.core.ids import uuid7
from graph.core.pagination import (
    Page,
    decode_int_cursor,
    decode_uuid_cursor,
    encode_cursor,
    make_page,
    page_query,
)
from graph.models import Pipeline
from tests.graph.client import User


@given(st.uuids())
def test_uuid_cursor_round_trips(key: UUID) -> None:
    assert decode_uuid_cursor(encode_cursor(key)) == key


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_int_cursor_round_trips(key: int) -> None:
    assert decode_int_cursor(encode_cursor(key)) == key


@given(st.text(max_size=60))
def test_other_texts_are_no_cursors(text: str) -> None:
    for decode in (decode_uuid_cursor, decode_int_cursor):
        try:
            key = decode(text)
        except InvalidInput:
            continue
        assert encode_cursor(key) == text  # a lucky text must be exactly what we would give out


@pytest.mark.parametrize("text", ["", "x", "dQ", encode_cursor(3), "é", "=" * 5])
def test_refused_cursors_name_their_field(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_uuid_cursor(text)
    assert (caught.value.code, caught.value.path) == ("CURSOR_INVALID", ["after"])


@pytest.mark.parametrize("first", [0, -1, 101, 10**9])
def test_first_is_bounded(first: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        page_query(select(Pipeline), Pipeline.id, first, None)
    assert caught.value.code == "FIRST_OUT_OF_RANGE"


async def read(services: Services, workspace: UUID, first: int, after: str | None) -> Page[Pipeline]:
    async with services.db.tenant(workspace) as session:
        rows = (await session.scalars(page_query(select(Pipeline), Pipeline.id, first, after))).all()
    return make_page(rows, first, lambda row: row.id)


@pytest.mark.parametrize(("total", "first"), [(0, 5), (1, 5), (5, 5), (6, 5), (23, 7), (20, 1)])
async def test_pages_cover_everything_once(services: Services, user: User, total: int, first: int) -> None:
    ids = [uuid7() for _ in range(total)]
    async with services.db.tenant(user.workspace_id) as session:
        session.add_all([Pipeline(id=each, workspace_id=user.workspace_id, name="p") for each in ids])
    seen: list[UUID] = []
    after: str | None = None
    while True:
        page = await read(services, user.workspace_id, first, after)
        seen += [row.id for row in page.rows]
        if not page.has_next_page:
            break
        assert len(page.rows) == first
        after = page.cursors[-1]
    assert seen == sorted(ids, reverse=True)


async def test_rows_added_and_removed_between_pages_shift_nothing(services: Services, user: User) -> None:
    ids = [uuid7() for _ in range(9)]
    async with services.db.tenant(user.workspace_id) as session:
        session.add_all([Pipeline(id=each, workspace_id=user.workspace_id, name="p") for each in ids])
    one = await read(services, user.workspace_id, 3, None)
    async with services.db.tenant(user.workspace_id) as session:
        session.add(Pipeline(workspace_id=user.workspace_id, name="new"))
        await session.execute(delete(Pipeline).where(Pipeline.id == one.rows[-1].id))  # the cursor's own row
    two = await read(services, user.workspace_id, 10, one.cursors[-1])
    assert [row.id for row in two.rows] == sorted(ids, reverse=True)[3:]
