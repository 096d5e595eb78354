"""Profiles: what each column of a data set holds, found out by the engine in a short-lived child process.

A data set never changes, so a profile is made once and remembered for a while, by the process that made it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any
from uuid import UUID

import orjson
import structlog

from graph.core.errors import Conflict, InvalidInput, NotFound
from graph.core.storage import Storage
from graph.datasets.service import engine_input
from graph.models import Dataset
from graph.pipelines import engine_process

log = structlog.get_logger(__name__)

SECONDS = 60.0
REMEMBERED = 32
# One file at a time, by one thread: the cores are the API's.
_AT_ONCE = asyncio.Semaphore(1)
_made: OrderedDict[UUID, dict[str, Any]] = OrderedDict()


class ProfileFailed(InvalidInput):
    """The engine cannot read the file as inspection found it: `code` is the engine's."""


async def profile(dataset: Dataset | None, storage: Storage, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the engine's profile report of a data set.

    Raises `NotFound`, `Conflict` (DATASET_NOT_READY, PROFILE_TIMEOUT, PROFILE_CRASHED), or `ProfileFailed`.
    """
    if dataset is None:
        raise NotFound.of("data set")
    if dataset.status != "READY":
        raise Conflict("The data set has not been inspected, or cannot be read.", code="DATASET_NOT_READY", path=["id"])
    async with _AT_ONCE:
        if dataset.id not in _made:
            _made[dataset.id] = await _run(dataset, storage, seconds)
            while len(_made) > REMEMBERED:
                _made.popitem(last=False)
        _made.move_to_end(dataset.id)
        return _made[dataset.id]


async def _run(dataset: Dataset, storage: Storage, seconds: float) -> dict[str, Any]:
    request = {"input": engine_input(dataset, storage), "storage": storage.engine_storage(), "threads": 1}
    child = await engine_process.start("graph.datasets.profile_child", errors=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds):
            out, err = await child.communicate(orjson.dumps(request))
    except TimeoutError as error:
        raise Conflict(
            f"The file is too big to be profiled in {seconds:g} seconds. `karyaksham profile` does it without a limit.",
            code="PROFILE_TIMEOUT",
            path=["id"],
        ) from error
    finally:
        await engine_process.end(child)
    if child.returncode != 0:
        log.error("profile_crashed", exit_code=child.returncode, stderr=err.decode(errors="replace")[-2000:])
        raise Conflict("The engine crashed on this file.", code="PROFILE_CRASHED", path=["id"])
    answer = orjson.loads(out)
    if "error" in answer:
        failure = answer["error"]
        hint = f" {failure['hint']}" if failure.get("hint") else ""
        raise ProfileFailed(f"{failure['message']}{hint}", code=failure["code"], path=["id"])
    report: dict[str, Any] = answer["report"]
    return report
