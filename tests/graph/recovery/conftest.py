"""The API on the real stack, and a mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.graph.mails.mailbox import Mailbox, mailbox
from tests.graph.users.conftest import app, listening, services, stranger, user

__all__ = ["app", "box", "listening", "services", "stranger", "user"]


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    """A mail server that demands STARTTLS and a password."""
    async with mailbox() as made:
        yield made
