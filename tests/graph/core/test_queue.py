"""The doorbell: once per attempt, JSON, silent when Redis is down."""

from __future__ import annotations

import orjson

from graph.context import Services
from graph.core.ids import uuid7
from graph.core.queue import QUEUE_NAME, Queue
from graph.core.settings import Settings


async def test_one_ring_per_attempt(services: Services) -> None:
    queue, job = services.queue, uuid7()
    before = await queue.queue_depth()
    for attempt in (1, 1, 2):
        assert await queue.ring(job, attempt)
    try:
        assert before is not None
        assert await queue.queue_depth() == before + 2
        raw = await queue.redis.get(f"arq:job:{job}:1")
        assert raw is not None
        assert orjson.loads(raw)["a"] == [str(job), 1]  # readable JSON, no pickle
    finally:
        for attempt in (1, 2):
            await queue.redis.zrem(QUEUE_NAME, f"{job}:{attempt}")
            await queue.redis.delete(f"arq:job:{job}:{attempt}")


async def test_without_redis_ringing_does_not_raise() -> None:
    queue = Queue(Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"}))
    try:
        assert not await queue.ring(uuid7(), 1)
        assert await queue.queue_depth() is None
    finally:
        await queue.close()
