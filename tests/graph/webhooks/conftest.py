"""The API and workers on the real stack, with webhooks allowed to this machine, and a receiver on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from graph.context import Services
from tests.graph.webhooks.receiver import Receiver
from tests.workers.conftest import app, services, spawn_worker, start_worker, stranger, user

__all__ = ["app", "open_services", "receiver", "services", "spawn_worker", "start_worker", "stranger", "user"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody's server."""
    async with Receiver.listening() as made:
        yield made


@pytest.fixture(autouse=True)
def open_services(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """An operator who lets webhooks reach this machine."""
    allowed = services.settings.model_copy(update={"webhook_allowed_networks": "127.0.0.0/8"})
    monkeypatch.setattr(services, "settings", allowed)
    return services
