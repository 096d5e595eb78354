"""Fixtures of tests that ask the API on the real stack; conftest.py files import them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.core.settings import Settings
from tests.graph.client import User, register
from tests.stack import Backends


@pytest.fixture(scope="session")
async def app(backends: Backends) -> AsyncIterator[Starlette]:
    """The API in this process."""
    # each test registers its own people, all from one address; no test runs across the border of two windows
    limits = {"login_rate_limit_address": 1_000_000, "login_rate_seconds": 10**9}
    settings: Settings = backends.settings.model_copy(update=limits)
    made = create_app(settings)
    services: Services = made.state.services
    await services.storage.ensure_bucket_and_cors(settings.origins)
    yield made
    await services.storage.close()
    await services.queue.close()
    await services.events.close()
    await services.db.close()


@pytest.fixture
def services(app: Starlette) -> Services:
    """Its parts."""
    made: Services = app.state.services
    return made


@pytest.fixture
async def user(app: Starlette) -> User:
    """Somebody."""
    return await register(app)


@pytest.fixture
async def stranger(app: Starlette) -> User:
    """Somebody else, in another workspace."""
    return await register(app)
