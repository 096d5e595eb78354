"""What a person may order: the input of runJob, and its bounds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from graph.core.errors import InvalidInput
from graph.core.fleet import read_workers
from graph.core.machine_memory import LEAST_MEMORY
from graph.core.queue import Queue
from graph.core.settings import Settings
from graph.pipelines.service import NamedDataset
from graph.workspaces.limits import PRIORITY_LEAST, PRIORITY_MOST

MAX_INPUTS: Final = 32
MAX_KEY: Final = 200
# a worker that gave no sign of life for so long may be gone
ALIVE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: a stored pipeline (its latest version) or a specification, on data sets by name.

    Priority, memory in bytes and time in seconds are None for the defaults.
    """

    inputs: Sequence[NamedDataset]
    pipeline_id: UUID | None = None
    spec: dict[str, Any] | None = None
    idempotency_key: str | None = None
    schedule_id: UUID | None = None
    priority: int | None = None
    memory_limit_bytes: int | None = None
    timeout_seconds: int | None = None


def check_order(order: Order) -> None:
    """Raise `InvalidInput` for what can be seen without a look into the database."""
    if (order.pipeline_id is None) == (order.spec is None):
        raise InvalidInput("Give either pipelineId or spec.", code="PIPELINE_OR_SPEC", path=["pipelineId"])
    if not 1 <= len(order.inputs) <= MAX_INPUTS:
        raise InvalidInput(
            f"Give 1 to {MAX_INPUTS} inputs; the main one is named `input`.", code="INPUTS_MISSING", path=["inputs"]
        )
    names = [item.name for item in order.inputs]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidInput(
                f"Two inputs are named {name!r}.", code="INPUT_NAME_REPEATED", path=["inputs", index, "name"]
            )
    key = order.idempotency_key
    if key is not None and not (1 <= len(key) <= MAX_KEY and key.isprintable()):
        raise InvalidInput(
            f"idempotencyKey must have 1 to {MAX_KEY} printable characters.",
            code="KEY_INVALID",
            path=["idempotencyKey"],
        )


def check_wishes(order: Order, settings: Settings) -> None:
    """Raise `InvalidInput` for a priority, memory or time that no job gets here."""
    _check_bounds("priority", order.priority, PRIORITY_LEAST, PRIORITY_MOST)
    _check_bounds("memoryLimitBytes", order.memory_limit_bytes, LEAST_MEMORY, settings.job_memory_limit_max_bytes)
    _check_bounds("timeoutSeconds", order.timeout_seconds, 1, settings.job_time_limit_seconds)


def _check_bounds(field: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidInput(f"{field} must be from {least:,} to {most:,}.", code="OUT_OF_RANGE", path=[field])


def priority_of(order: Order, most: int) -> int:
    """Return the job's priority; `InvalidInput` when the workspace may not let jobs go before others' so far."""
    if order.priority is None:
        return min(0, most)
    if order.priority > most:
        raise InvalidInput(
            f"This workspace may give its jobs a priority up to {most}. Ask an administrator to raise maxPriority.",
            code="PRIORITY_TOO_HIGH",
            path=["priority"],
        )
    return order.priority


async def check_memory(order: Order, queue: Queue) -> None:
    """Raise `InvalidInput` when a job asks for more memory than any worker that is there could ever give."""
    asked = order.memory_limit_bytes
    if asked is None or (largest := await largest_worker(queue)) is None or asked <= largest:
        return
    raise InvalidInput(
        f"The job asks for {asked:,} bytes of memory, the largest worker has {largest:,} for jobs. Ask for less, or "
        "let an administrator start a larger worker or raise WORKER_MEMORY_BYTES.",
        code="MEMORY_UNAVAILABLE",
        path=["memoryLimitBytes"],
    )


async def largest_worker(queue: Queue) -> int | None:
    """Return the most memory, in bytes, that a living worker has for jobs; None when that is not known."""
    workers = [worker for worker in await read_workers(queue) or () if time.time() - worker.at < ALIVE_SECONDS]
    sizes = [worker.memory_bytes for worker in workers if worker.memory_bytes is not None]
    # one of an older version tells nothing of what it could do
    return max(sizes, default=None) if len(sizes) == len(workers) else None
