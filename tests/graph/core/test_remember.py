"""Answers are remembered for a while, few of them, and asked for once however many wait."""

from __future__ import annotations

import asyncio

import pytest

from graph.core.remember import Remembered, Shared


def test_the_oldest_answer_goes_first_and_what_is_forgotten_is_asked_anew() -> None:
    memory: Remembered[int, str] = Remembered(3600, size=2)
    for number in range(3):
        memory.put(number, str(number))
    assert [memory.get(number) for number in range(3)] == [None, "1", "2"]
    memory.forget(2)
    assert memory.get(2) is None
    too_old: Remembered[int, str] = Remembered(-1)
    too_old.put(1, "1")
    assert too_old.get(1) is None


async def test_one_read_answers_all_who_wait() -> None:
    shared, reads, gate = Shared(3600), 0, asyncio.Event()

    async def read() -> int:
        nonlocal reads
        reads += 1
        await gate.wait()
        return reads

    first = asyncio.create_task(shared.get("question", read))
    others = [asyncio.create_task(shared.get("question", read)) for _ in range(100)]
    await asyncio.sleep(0)
    # whoever asked first may leave
    first.cancel()
    gate.set()
    assert await asyncio.gather(*others) == [1] * 100
    assert await shared.get("question", read) == 1
    assert await shared.get("another", read) == 2


async def test_a_failure_is_not_remembered() -> None:
    shared = Shared(3600)

    async def fail() -> int:
        raise OSError("away")

    async def read() -> int:
        return 1

    with pytest.raises(OSError, match="away"):
        await shared.get("question", fail)
    assert await shared.get("question", read) == 1
