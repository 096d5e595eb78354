"""Previews: the engine on a pipeline's inputs for a few rows of the result, in a short-lived child process.

The API's own process never runs user data through the engine: a hostile file, a sort of 50 GB or a slow storage costs
one child, which is killed at the end of its time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import structlog

from graph.core.errors import Conflict, InvalidInput
from graph.pipelines import engine_process

log = structlog.get_logger(__name__)

SECONDS = 15.0
MEMORY_BYTES = 256 * 1024**2
# More would take the cores that the API answers with.
_AT_ONCE = asyncio.Semaphore(2)


class PreviewFailed(InvalidInput):
    """The engine refused the pipeline on this data: `code` is the engine's."""


async def run_preview(request: dict[str, Any], rows: int, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the engine's preview report: columns, rows, schema.

    Raises `PreviewFailed` with the engine's words, or `Conflict` (PREVIEW_TIMEOUT, PREVIEW_CRASHED).
    """
    body = orjson.dumps({**request, "memoryLimitBytes": MEMORY_BYTES, "threads": 1})
    async with _AT_ONCE:
        child = await engine_process.start("graph.pipelines.preview_child", str(rows), errors=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(seconds):
                out, err = await child.communicate(body)
        except TimeoutError as error:
            raise Conflict(
                f"The preview took longer than {seconds:g} seconds. Run the pipeline as a job instead.",
                code="PREVIEW_TIMEOUT",
                path=["spec"],
            ) from error
        finally:
            # also when the client has gone away meanwhile
            await engine_process.end(child)
    if child.returncode != 0:
        log.error("preview_crashed", exit_code=child.returncode, stderr=err.decode(errors="replace")[-2000:])
        raise Conflict(
            "The engine crashed on this preview. The operator finds the reason in the log.",
            code="PREVIEW_CRASHED",
            path=["spec"],
        )
    answer: dict[str, Any] = orjson.loads(out)
    if "error" in answer:
        failure = answer["error"]
        hint = f" {failure['hint']}" if failure.get("hint") else ""
        raise PreviewFailed(f"{failure['message']}{hint}", code=failure["code"], path=["spec"])
    report: dict[str, Any] = answer["report"]
    return report
