"""The log-in rate limit: counted in Redis for all processes, per address of mail and per client address.

Mails that people ask for are counted the same way, and so are wrong codes of second factors, by account.

When Redis is down each process counts for itself with the same limits. That is weaker with several processes, but
neither shuts everybody out (failing closed would let whoever takes Redis down stop all log-ins) nor lets guessing run
free (failing open).
"""

from __future__ import annotations

import hashlib
import time
from typing import Final, Literal

import structlog
from redis.asyncio import Redis

from graph.core.errors import RateLimited
from graph.core.redis import REDIS_ERRORS
from graph.core.settings import Settings

_MAX_LOCAL: Final = 10_000
Kind = Literal["email", "mail", "code"]

log = structlog.get_logger(__name__)


class LoginLimiter:
    """Counts attempts in fixed windows of LOGIN_RATE_SECONDS.

    An attempt is counted before the password is looked at, so that many at once cannot slip through, and taken back
    when the password was right: only wrong ones use the limit up.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._redis = redis
        self._window = settings.login_rate_seconds
        self._most: dict[Kind, int] = {
            "email": settings.login_rate_limit,
            "mail": settings.mail_rate_limit,
            "code": settings.login_rate_limit,
        }
        self._per_address = settings.login_rate_limit_address
        self._local: dict[str, int] = {}
        self._local_window = 0

    async def check(self, *, email: str | None, address: str, kind: Kind = "email") -> None:
        """Count one attempt of a kind; `RateLimited` when it is over a limit."""
        window = int(time.time() // self._window)
        keys = self._keys(window, email, address, kind)
        counts = await self._count(keys, window, 1)
        # strict=False: without an e-mail there is only the address
        if any(count > limit for count, limit in zip(counts, (self._per_address, self._most[kind]), strict=False)):
            retry_after = max(1, int((window + 1) * self._window - time.time()))
            raise RateLimited(f"Too many attempts. Try again in {retry_after} seconds.", retry_after=retry_after)

    async def forgive(self, *, email: str | None, address: str, kind: Kind = "email") -> None:
        """Take one attempt back: the password was right, or the provider vouched."""
        window = int(time.time() // self._window)
        await self._count(self._keys(window, email, address, kind), window, -1)

    @staticmethod
    def _keys(window: int, email: str | None, address: str, kind: Kind) -> list[str]:
        names = [f"address:{address}"]
        if email is not None:
            # a digest: the limiter must not become a list of addresses
            names.append(f"{kind}:{hashlib.sha256(email.encode()).hexdigest()[:32]}")
        return [f"karyaksham:rate:{window}:{name}" for name in names]

    async def _count(self, keys: list[str], window: int, step: int) -> list[int]:
        try:
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.incrby(key, step)
                pipe.expire(key, self._window * 2)
            answers = await pipe.execute()
            return [int(answer) for answer in answers[::2]]
        except REDIS_ERRORS as error:
            log.warning("rate_limit_local", error=str(error))
        if window != self._local_window or len(self._local) > _MAX_LOCAL:
            self._local, self._local_window = {}, window
        for key in keys:
            self._local[key] = self._local.get(key, 0) + step
        return [self._local[key] for key in keys]
