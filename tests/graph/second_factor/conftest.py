"""The API on the real stack, with a process that listens for revocations, and an authenticator app."""

from __future__ import annotations

import pytest

from graph.second_factor import totp
from tests.graph.second_factor.app import Clock
from tests.graph.users.conftest import app, listening, services, stranger, user

__all__ = ["app", "clock", "listening", "services", "stranger", "user"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of codes, which only a test moves: nothing here waits for half a minute."""
    made = Clock(1_900_000_000.0)
    monkeypatch.setattr("graph.second_factor.service.time", made)
    assert totp.STEP_SECONDS == 30
    return made
