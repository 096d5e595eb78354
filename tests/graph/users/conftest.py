"""The API on the real stack, with a process that listens for revocations."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from graph.context import Services
from graph.users.authentication import Authenticator
from tests.graph.api_fixtures import app, services, stranger, user

__all__ = ["app", "services", "stranger", "user"]


@pytest.fixture
async def listening(services: Services) -> AsyncIterator[Authenticator]:
    """The authenticator with its background tasks, as in a running process."""
    services.authenticator.start()
    yield services.authenticator
    await services.authenticator.stop()
