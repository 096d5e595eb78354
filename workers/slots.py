"""The slots of a worker: how many attempts it runs at once, and what fills a slot that becomes free."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Literal
from uuid import UUID

import structlog

from graph.core.errors import ServiceUnavailable
from graph.jobs.leases import Assignment, Leases
from workers.memory import Memory
from workers.tasks.run_job import JobRunner

log = structlog.get_logger(__name__)

Taken = Literal["taken", "nothing", "full"]


class Slots:
    """Claims jobs for free slots and runs them.

    A bell, a sweep and a slot that becomes free do the same: they take the job whose turn it is, straight from
    PostgreSQL (`graph/jobs/claim_repository.py`). So a full queue is worked off without another bell, a job that waits
    for its workspace's limit is taken when that workspace's next attempt ends, and a lost bell costs a sweep's interval
    at most.

    A slot takes a job only with the memory for it: the limits of all jobs in progress together never pass the worker's.
    """

    def __init__(self, size: int, memory: Memory, leases: Leases, runner: JobRunner, worker_id: str) -> None:
        self.size = size
        self.memory = memory
        # one after another: two claims at once would count on the same memory
        self._claiming = asyncio.Lock()
        self._free = size
        self._leases = leases
        self._runner = runner
        self._worker_id = worker_id
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = True
        self._jobs: dict[asyncio.Task[None], UUID] = {}
        # an administrator's wish; unlike a stop it can be taken back
        self.paused = False
        self._claims: set[asyncio.Task[Assignment | None]] = set()
        # when the newest look at the queue that found nothing began
        self._nothing_at = -inf

    @property
    def free(self) -> int:
        """Slots that may take a job now."""
        return self._free if self._open and not self.paused and not self.memory.short else 0

    @property
    def running(self) -> int:
        """Attempts in progress."""
        return len(self._tasks)

    @property
    def jobs(self) -> list[UUID]:
        """Jobs whose attempts are in progress."""
        return list(self._jobs.values())

    async def offer(self, heard_at: float = inf) -> Taken:
        """Claim the job whose turn it is, if a slot is free.

        `heard_at`: when the bell was heard, by the loop's clock. A full queue is worked off by the slots themselves,
        and the rings of its jobs stay behind by the hundred: one look that finds nothing answers all heard before it.
        """
        if self._nothing_at > heard_at:
            return "nothing"
        if self.free == 0:
            return "full"
        self._free -= 1  # before the first await: two bells never share a slot
        work: Assignment | None = None
        claim = asyncio.create_task(self._claim())
        self._claims.add(claim)
        claim.add_done_callback(self._claims.discard)
        try:
            work = await claim
        finally:
            if work is None:
                self._free += 1
        if work is None:
            return "nothing"
        task = asyncio.create_task(self._run(work), name=f"job-{work.job_id}")
        self._tasks.add(task)
        self._jobs[task] = work.job_id
        task.add_done_callback(self._ended)
        return "taken"

    async def _claim(self) -> Assignment | None:
        """Claim a job that fits into the memory that is free, and take that memory for it."""
        async with self._claiming:
            began = asyncio.get_running_loop().time()
            work = await self._leases.claim(self._worker_id, room=self.memory.room)
            if work is not None:
                self.memory.take(work.memory_limit)
            else:
                self._nothing_at = began
            return work

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._jobs.pop(task, None)

    async def fill(self) -> None:
        """Take waiting jobs until no slot is free or no job waits."""
        while await self.offer() == "taken":
            pass

    async def _run(self, work: Assignment) -> None:
        try:
            await self._runner.run(work)
        except Exception:
            # the end of the attempt could not be written either: its lease runs out, and a sweeper takes the job
            log.exception("attempt_broke", job_id=str(work.job_id))
        finally:
            self._free += 1
            self.memory.give_back(work.memory_limit)
        try:
            await self.fill()  # one large job may have made room for several
        except ServiceUnavailable as error:
            log.warning("claim_failed", error=str(error))

    async def close(self, grace_seconds: float) -> None:
        """Take nothing more; let the attempts finish within the grace period, then hand their jobs back."""
        self._open = False
        if self._claims:  # what is being claimed now is run or handed back too
            await asyncio.wait(self._claims)
            await asyncio.sleep(0)
        if self._tasks:
            log.info("draining", running=self.running, grace_seconds=grace_seconds)
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        if self._tasks:
            self._runner.drain()
            await asyncio.wait(self._tasks, timeout=5)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
