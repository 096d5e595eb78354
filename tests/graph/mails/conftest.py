"""The API on the real stack, workers, and a mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.graph.mails.mailbox import Mailbox, mailbox
from tests.workers.conftest import app, services, spawn_worker, start_worker, stranger, user

__all__ = ["app", "box", "services", "spawn_worker", "start_worker", "stranger", "user"]


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    """A mail server that demands STARTTLS and a password."""
    async with mailbox() as made:
        yield made
