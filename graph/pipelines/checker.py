"""Checks specifications, and plans them on the schemas of their inputs, in a warm process of its own.

The API never loads the engine: its library takes 16 MB, 25 MB more once it has planned, and whatever an expression that
somebody wrote does to the planner costs one child, not the service. One question at a time: answers take 0.05 ms, up to
10 ms with schemas.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog

from graph.core.errors import Conflict
from graph.pipelines import engine_process

log = structlog.get_logger(__name__)

SECONDS = 15.0


class Checker:
    """The process, started at the first question, and again after it died or did not answer in time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def problems(self, spec: bytes, schemas: bytes | None, *, seconds: float = SECONDS) -> list[dict[str, Any]]:
        """Return the engine's problems of a specification; both arguments are JSON. Without schemas nothing is planned.

        Raises `Conflict`: CHECK_TIMEOUT, or CHECK_CRASHED when two processes in turn died of it.
        """
        question = orjson.dumps([spec.decode(), schemas and schemas.decode()]) + b"\n"
        async with self._turn:
            for last in (False, True):
                answer = await self._ask(question, seconds)
                if answer:
                    problems: list[dict[str, Any]] = orjson.loads(answer)
                    return problems
                log.error("check_crashed", again=not last)
        raise Conflict(
            "The engine crashed on this pipeline. The operator finds the reason in the log.",
            code="CHECK_CRASHED",
            path=["spec"],
        )

    async def _ask(self, question: bytes, seconds: float) -> bytes:
        """Return one line of answer, nothing when the process died."""
        answer = b""
        try:
            async with asyncio.timeout(seconds):
                if self._process is None:
                    self._process = await engine_process.start("graph.pipelines.check_child")
                process = self._process
                assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  # both are pipes
                process.stdin.write(question)
                answer = await process.stdout.readline()
        except TimeoutError as error:
            raise Conflict(
                f"The check of this pipeline took longer than {seconds:g} seconds. Make it simpler.",
                code="CHECK_TIMEOUT",
                path=["spec"],
            ) from error
        finally:
            # no answer, or one that nobody waits for any more: the next question would get it
            if not answer.endswith(b"\n"):
                await self.close()
        return answer

    async def close(self) -> None:
        """End the process; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            await engine_process.end(process)
