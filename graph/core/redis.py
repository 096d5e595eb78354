"""The Redis (or Valkey) connection of a process."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from arq.connections import ArqRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from graph.core.errors import ConfigurationError
from graph.core.settings import Settings

# what a dead, restarting or unreachable Redis raises; uvloop: RuntimeError for a write to a connection that just ended
REDIS_ERRORS = (RedisError, OSError, TimeoutError, RuntimeError)


def connection_options(timeout: float = 2.0) -> dict[str, Any]:
    """Options of every connection: short timeouts, one immediate retry on a connection that died in the pool."""
    return {
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 1),
        "retry_on_error": [redis.exceptions.ConnectionError],
    }


def connect_arq(settings: Settings, **options: Any) -> ArqRedis:
    """Return an arq client; it connects at first use, so a Redis that is down does not stop the start."""
    try:
        pool = redis.asyncio.ConnectionPool.from_url(settings.redis_url, **connection_options())
    except ValueError as error:
        raise ConfigurationError(f"REDIS_URL must look like redis://host:6379/0: {error}") from error
    return ArqRedis(connection_pool=pool, **options)
