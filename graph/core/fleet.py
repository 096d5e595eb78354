"""The workers as Redis knows them: their signs of life, and what administrators ask of them.

Two hashes, each with the worker's id as field: `karyaksham:workers` holds the last sign, written every two seconds;
`karyaksham:worker-orders` the last order. A worker obeys what it reads and keeps to it when Redis has forgotten: an
order that is gone changes nothing, so a drained worker takes jobs again only when it is told to.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast
from uuid import UUID

import orjson

from graph.core.machine import Machine
from graph.core.queue import Queue
from graph.core.redis import REDIS_ERRORS

WORKERS_KEY: Final = "karyaksham:workers"
ORDERS_KEY: Final = "karyaksham:worker-orders"
ALIVE_SECONDS: Final = 15
FORGET_SECONDS: Final = 60.0

# drain: finish what runs, take nothing more; handBack: give what runs back to the queue too; resume: take jobs again
Order = Literal["drain", "handBack", "resume"]
ORDERS: Final[tuple[Order, ...]] = ("drain", "handBack", "resume")
Phase = Literal["ready", "draining", "silent"]


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker's last sign of life; times in Unix seconds. What an older worker does not tell is None or empty.

    `memory_bytes` is what the worker has for jobs, `memory_free_bytes` what of it no job has.
    """

    id: str
    host: str
    pid: int
    slots: int
    running: int
    at: float
    version: str | None = None
    started_at: float | None = None
    jobs: tuple[UUID, ...] = ()
    draining: bool = False
    machine: Machine | None = None
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None

    @property
    def alive(self) -> bool:
        """Whether the sign is recent."""
        return time.time() - self.at < ALIVE_SECONDS

    @property
    def phase(self) -> Phase:
        """What it is doing, as far as we have heard."""
        if not self.alive:
            return "silent"
        return "draining" if self.draining else "ready"

    def to_json(self) -> str:
        """Return the sign as it is stored."""
        # asyncpg's UUIDs are of a type of their own
        return orjson.dumps(asdict(self), default=str).decode()

    @classmethod
    def from_json(cls, raw: bytes) -> WorkerState:
        """Read a sign; `ValueError`, `KeyError` or `TypeError` when it is none."""
        sign: dict[str, Any] = orjson.loads(raw)
        machine, started = sign.get("machine"), sign.get("started_at")
        return cls(
            id=str(sign["id"]),
            host=str(sign["host"]),
            pid=int(sign["pid"]),
            slots=int(sign["slots"]),
            running=int(sign["running"]),
            at=float(sign["at"]),
            version=sign.get("version"),
            started_at=None if started is None else float(started),
            jobs=tuple(UUID(job) for job in sign.get("jobs") or ()),
            draining=bool(sign.get("draining")),
            machine=None if machine is None else Machine(**machine),
            memory_bytes=sign.get("memory_bytes"),
            memory_free_bytes=sign.get("memory_free_bytes"),
        )


async def read_workers(queue: Queue) -> list[WorkerState] | None:
    """Return the workers that gave a sign of life, None when Redis is down; broken entries are skipped."""
    try:
        raw: dict[bytes, bytes] = await queue.redis.hgetall(WORKERS_KEY)  # type: ignore[misc]  # async client
    except REDIS_ERRORS:
        return None
    workers = []
    for value in raw.values():
        try:
            workers.append(WorkerState.from_json(value))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(workers, key=lambda worker: worker.id)


async def beat(queue: Queue, sign: WorkerState) -> Order | None:
    """Write one sign of life and return the last order for this worker; signs of workers long gone are removed.

    Raises one of `REDIS_ERRORS`.
    """
    pipe = queue.redis.pipeline(transaction=False)
    pipe.hset(WORKERS_KEY, sign.id, sign.to_json())
    pipe.hget(ORDERS_KEY, sign.id)
    pipe.hgetall(WORKERS_KEY)
    _, order, others = await pipe.execute()
    gone = [name.decode() for name, raw in others.items() if _age(raw) > FORGET_SECONDS]
    if gone:
        await forget(queue, *gone)
    text = order.decode() if isinstance(order, bytes) else order
    return cast("Order", text) if text in ORDERS else None


async def forget(queue: Queue, *workers: str) -> None:
    """Remove signs and orders of workers; raises one of `REDIS_ERRORS`."""
    pipe = queue.redis.pipeline(transaction=False)
    pipe.hdel(WORKERS_KEY, *workers)
    pipe.hdel(ORDERS_KEY, *workers)
    await pipe.execute()


async def give_order(queue: Queue, worker_id: str, order: Order) -> None:
    """Leave an order for a worker, who reads it within two seconds; raises one of `REDIS_ERRORS`."""
    await queue.redis.hset(ORDERS_KEY, worker_id, order)  # type: ignore[misc]


def _age(raw: bytes) -> float:
    """Seconds since a sign; a broken one is as old as the epoch."""
    try:
        return time.time() - float(orjson.loads(raw)["at"])
    except (ValueError, KeyError, TypeError):
        return time.time()
