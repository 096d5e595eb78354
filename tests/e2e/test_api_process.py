"""The API's process stays small and safe: the engine, its planner and users' expressions live in other processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import descendants
from tests.stack import Account, Refused, Stack

SPEC = {"version": 1, "steps": [{"filter": {"where": "id > 1"}}], "output": {"format": "csv"}}


def has_engine(pid: int) -> bool:
    return "/engine/_engine" in Path(f"/proc/{pid}/maps").read_text()


def test_the_api_never_loads_the_engine(stack: Stack, user: Account) -> None:
    dataset = user.upload(b"id\n1\n2\n", "two.csv")
    with pytest.raises(Refused, match="INVALID_PIPELINE"):
        user.start_job({**SPEC, "steps": [{"filter": {"where": "nobody > 1"}}]}, input=dataset)
    job = user.run_job(SPEC, input=dataset)
    assert user.download(job) == b"id\n2\n"
    api = stack.pid("api")
    assert not has_engine(api)
    assert any(has_engine(pid) for pid in descendants(api)), "the checks ran nowhere"
