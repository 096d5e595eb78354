"""The engine's checks in a process of their own: answered in turn, whatever happens to the process or to who asked."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import orjson
import pytest

from graph.core.errors import Conflict
from graph.pipelines.checker import Checker
from tests.processes import wait_gone
from tests.stack import ROOT

GOOD = b'{"version": 1, "steps": []}'
SCHEMAS = orjson.dumps({"input": [{"name": "id", "type": "int64", "nullable": True}]})


def dropping(column: str) -> bytes:
    return orjson.dumps({"version": 1, "steps": [{"drop": {"columns": [column]}}]})


@pytest.fixture
async def checker() -> AsyncIterator[Checker]:
    made = Checker()
    yield made
    await made.close()


def pid_of(checker: Checker) -> int:
    assert checker._process is not None
    return checker._process.pid


async def test_many_at_once_get_their_own_answers_from_one_process(checker: Checker) -> None:
    names = [f"column {number}\n{number}" for number in range(40)]
    answers = await asyncio.gather(*(checker.problems(dropping(name), SCHEMAS) for name in names))
    for name, problems in zip(names, answers, strict=True):
        assert [problem["code"] for problem in problems] == ["UNKNOWN_COLUMN"]
        assert name in problems[0]["message"]
    assert await checker.problems(GOOD, SCHEMAS) == []


async def test_who_leaves_early_does_not_spoil_the_next_answer(checker: Checker) -> None:
    await checker.problems(GOOD, SCHEMAS)
    for number in range(20):
        asking = asyncio.create_task(checker.problems(dropping("gone"), SCHEMAS))
        await asyncio.sleep(number / 5000)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await checker.problems(GOOD, SCHEMAS) == []


async def test_a_process_that_was_killed_is_replaced(checker: Checker) -> None:
    await checker.problems(GOOD, SCHEMAS)
    first = pid_of(checker)
    os.kill(first, signal.SIGKILL)
    assert await checker.problems(GOOD, SCHEMAS) == []
    assert pid_of(checker) != first


async def test_a_process_that_does_not_answer_is_ended(checker: Checker) -> None:
    await checker.problems(GOOD, SCHEMAS)
    frozen = pid_of(checker)
    os.kill(frozen, signal.SIGSTOP)
    with pytest.raises(Conflict) as caught:
        await checker.problems(GOOD, SCHEMAS, seconds=0.2)
    assert (caught.value.code, caught.value.path) == ("CHECK_TIMEOUT", ["spec"])
    with pytest.raises(ProcessLookupError):
        os.kill(frozen, 0)
    assert await checker.problems(GOOD, SCHEMAS) == []


async def test_a_question_that_kills_the_process_is_refused(checker: Checker) -> None:
    with pytest.raises(Conflict) as caught:
        await checker.problems(GOOD, b"no JSON")  # which the API never sends
    assert (caught.value.code, caught.value.path) == ("CHECK_CRASHED", ["spec"])
    assert await checker.problems(GOOD, SCHEMAS) == []


def test_the_process_ends_with_its_master() -> None:
    script = (
        "import asyncio, os\n"
        "from graph.pipelines.checker import Checker\n"
        "async def main():\n"
        "    checker = Checker()\n"
        '    await checker.problems(b\'{"version": 1, "steps": []}\', b"{}")\n'
        "    print(checker._process.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert wait_gone({int(done.stdout)}) == set()
