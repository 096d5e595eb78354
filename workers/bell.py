"""The doorbells: arq workers that only listen, restarted whenever Redis goes away.

Traits of arq 0.28 that this works around: a job killed with its worker runs again only after the longest timeout, so no
arq job lasts as long as ours do: a ring claims and returns. Jobs in progress would stay in the queue and hide new ones
from idle workers: ours leave it at once. Losing Redis ends an arq worker: `listen` starts another.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from arq.worker import Function, Worker, func

from graph.core.errors import ServiceUnavailable
from graph.core.queue import QUEUE_NAME, RUN_JOB, TASKS_QUEUE_NAME, Queue, deserialize, serialize
from graph.core.redis import connect_arq
from graph.core.settings import Settings
from workers.slots import Slots

POLL_SECONDS: Final = 0.02
TASKS_POLL_SECONDS: Final = 0.05
log = structlog.get_logger(__name__)


class _Listener(Worker):
    """An arq worker whose limit of jobs is asked for at each poll: it takes no ring that it could not serve."""

    def __init__(self, functions: Sequence[Function], room: Callable[[], int], most: int, **options: Any) -> None:
        self._room = room
        super().__init__(functions, max_jobs=most, **options)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Take rings; the job of each was committed before `heard_at`, in seconds of the loop's clock."""
        self.ctx["heard_at"] = asyncio.get_running_loop().time()
        await super().start_jobs(job_ids)

    @property
    def max_jobs(self) -> int:
        """Rings that may be in the hand at once."""
        return self._room()

    @max_jobs.setter
    def max_jobs(self, _: int) -> None:
        """The number given at the start only sizes arq's semaphore."""


def _function(name: str, work: Any, timeout: float) -> Function:
    """Name a coroutine for arq; never repeated by arq, and no result kept."""
    return func(work, name=name, timeout=timeout, max_tries=1, keep_result=0)


async def _listen(
    settings: Settings,
    functions: Sequence[Function],
    *,
    queue_name: str,
    room: Callable[[], int],
    most: int,
    poll_seconds: float,
) -> None:
    """Listen for ever; a broken connection costs a restart after a short, growing pause."""
    delay = 0.1
    while True:
        redis = connect_arq(
            settings, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=queue_name
        )
        listener = _Listener(
            functions,
            room,
            most,
            redis_pool=redis,
            queue_name=queue_name,
            handle_signals=False,
            poll_delay=poll_seconds,
            queue_read_limit=1000,
            max_tries=1,
            keep_result=0,
            retry_jobs=False,
            health_check_interval=30,
            job_serializer=serialize,
            job_deserializer=deserialize,
            log_results=False,
        )
        try:
            await redis.ping()
            delay = 0.1
            await listener.main()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever ends arq's loop must not end the worker
            log.warning("bell_lost", queue=queue_name, error=str(error), retry_seconds=delay)
        finally:
            for task in listener.tasks.values():
                task.add_done_callback(_seen)
            await redis.aclose(close_connection_pool=True)
        await asyncio.sleep(delay)
        delay = min(delay * 2, 2.0)


def _seen(task: asyncio.Task[Any]) -> None:
    """Take note of how a ring in the hand ended after its connection was lost: PostgreSQL knows the rest."""
    if not task.cancelled():
        task.exception()


async def listen_for_jobs(settings: Settings, slots: Slots, queue: Queue) -> None:
    """Fill a free slot at each ring.

    The job that is rung for need not be the one whose turn it is: its workspace may be at its limit, or others may come
    first. Then it gets a slot that becomes free, without another ring.
    """

    async def run_job(ctx: dict[str, Any], job_id: str, attempt: int) -> None:
        try:
            taken = await slots.offer(ctx["heard_at"])
        except ServiceUnavailable as error:
            log.warning("claim_failed", job_id=job_id, error=str(error))
            return
        if taken == "full":
            # another job took the slot in between: pass the ring on, under a new id since arq drops known ones
            name = f"{job_id}:{attempt}:{secrets.token_hex(4)}"
            await queue.redis.enqueue_job(RUN_JOB, job_id, attempt, _job_id=name, _queue_name=QUEUE_NAME)

    functions = [_function(RUN_JOB, run_job, 60)]
    await _listen(
        settings,
        functions,
        queue_name=QUEUE_NAME,
        room=lambda: slots.free,
        most=slots.size,
        poll_seconds=POLL_SECONDS,
    )


async def listen_for_tasks(
    settings: Settings,
    tasks: Mapping[str, tuple[Callable[..., Awaitable[Any]], float]],
    *,
    most: int,
    paused: Callable[[], bool],
) -> None:
    """Run the short tasks (name → coroutine and its timeout in seconds), at most so many at once, none while paused."""

    def wrap(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
        async def run(_ctx: dict[str, Any], *args: Any) -> None:
            await work(*args)

        return run

    functions = [_function(name, wrap(work), timeout) for name, (work, timeout) in tasks.items()]
    await _listen(
        settings,
        functions,
        queue_name=TASKS_QUEUE_NAME,
        room=lambda: 0 if paused() else most,
        most=most,
        poll_seconds=TASKS_POLL_SECONDS,
    )
