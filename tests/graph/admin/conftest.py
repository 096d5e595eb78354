"""The API on the real stack, and an administrator."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from graph.core.ids import uuid7
from tests.graph.api_fixtures import app, services, stranger, user
from tests.graph.client import User, register

__all__ = ["app", "services", "stranger", "user"]


@pytest.fixture
async def administrator(app: Starlette) -> User:
    """Somebody with the platform role ADMIN."""
    person = await register(app)
    person.token = person.services.tokens.issue(person.id, uuid7(), person.workspace_id, "ADMIN")[0]
    return person
