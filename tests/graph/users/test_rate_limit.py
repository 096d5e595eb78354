"""Guessing passwords is slowed down, with and without Redis."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from graph.context import Services
from graph.core.errors import RateLimited
from graph.core.settings import Settings
from graph.users.limiter import LoginLimiter
from tests.graph.users.asking import LOG_IN, PASSWORD, Browser, address


def limiter(services: Services, redis: Redis | None = None) -> LoginLimiter:
    """A limiter of three per address of mail, five per client."""
    settings = Settings.model_validate(
        {"login_rate_limit": 3, "login_rate_limit_address": 5, "login_rate_seconds": 100_000}
    )
    return LoginLimiter(settings, redis or services.queue.redis)


def client() -> str:
    return secrets.token_hex(8)


@pytest.fixture
def dead_redis() -> Redis:
    """A Redis that is down: nothing listens on this port."""
    return Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)


@pytest.mark.parametrize("down", [False, True])
async def test_limit_per_mail_address_from_many_clients(services: Services, dead_redis: Redis, down: bool) -> None:
    limited, email = limiter(services, dead_redis if down else None), address()
    for _ in range(3):
        await limited.check(email=email, address=client())
    with pytest.raises(RateLimited) as caught:
        await limited.check(email=email, address=client())
    assert caught.value.retry_after > 0
    await limited.check(email=address(), address=client())


@pytest.mark.parametrize("down", [False, True])
async def test_limit_per_client_over_many_mail_addresses(services: Services, dead_redis: Redis, down: bool) -> None:
    limited, here = limiter(services, dead_redis if down else None), client()
    for _ in range(5):
        await limited.check(email=address(), address=here)
    with pytest.raises(RateLimited):
        await limited.check(email=address(), address=here)


async def test_right_passwords_use_nothing_up(services: Services) -> None:
    limited, email, here = limiter(services), address(), client()
    for _ in range(20):
        await limited.check(email=email, address=here)
        await limited.forgive(email=email, address=here)


async def test_many_at_once_do_not_slip_through(services: Services) -> None:
    limited, email = limiter(services), address()
    answers = await asyncio.gather(
        *(limited.check(email=email, address=client()) for _ in range(30)), return_exceptions=True
    )
    assert sum(answer is None for answer in answers) == 3


async def test_log_in_says_when_to_come_back(app: Starlette) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    limit = app.state.services.settings.login_rate_limit
    for _ in range(limit):
        assert (await browser.log_in(email, "wrong horse battery"))["code"] == "CREDENTIALS_WRONG"
    body = await browser.post(LOG_IN, input={"email": email, "password": PASSWORD})
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfter"] <= app.state.services.settings.login_rate_seconds
