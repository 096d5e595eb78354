"""The API on a port, and workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette

from tests.graph.live import serve
from tests.workers.conftest import app, services, start_worker, stranger, user  # noqa: F401


@pytest.fixture
async def url(app: Starlette) -> AsyncIterator[str]:  # noqa: F811
    """Base URL of the API."""
    async with serve(app) as base:
        yield base
