"""Proof by the password of somebody who is logged in already."""

from __future__ import annotations

from graph.core.errors import InvalidInput
from graph.core.security import verify_password
from graph.models import User
from graph.users.limiter import LoginLimiter


async def prove_password(limiter: LoginLimiter, user: User, password: str, address: str) -> None:
    """Raise `InvalidInput` for a wrong password, `RateLimited` for too many; they count as log-ins do."""
    await limiter.check(email=user.email, address=address)
    if not await verify_password(user.password_hash, password):
        raise InvalidInput("The password is wrong.", code="CREDENTIALS_WRONG", path=["password"])
    await limiter.forgive(email=user.email, address=address)
