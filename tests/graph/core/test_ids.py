"""Identifiers."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.errors import NotFound
from graph.core.ids import from_global, parse_id, split_global, to_global, try_global, uuid7


def test_uuid7_grows_and_has_its_version() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(value.version == 7 and value.variant == "specified in RFC 4122" for value in made[:100])


@given(st.uuids())
def test_global_ids_round_trip(value: UUID) -> None:
    gid = to_global("Job", value)
    assert from_global(gid, "Job") == value
    assert try_global(gid, "Dataset") is None
    assert parse_id(gid, "Job") == parse_id(str(value), "Job") == value
    with pytest.raises(NotFound):
        from_global(gid, "Dataset")


@given(st.text(max_size=80))
def test_other_texts_are_no_ids(text: str) -> None:
    assert split_global(text) is None
    assert try_global(text, "Job") is None


@pytest.mark.parametrize("text", ["Job:{%s}", "Job:urn:uuid:%s", ":%s", "%s"])
def test_one_text_per_id(text: str) -> None:
    gid = base64.b64encode((text % uuid7()).encode()).decode()
    assert split_global(gid) is None
