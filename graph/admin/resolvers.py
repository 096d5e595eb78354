"""Root fields for administrators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import strawberry

from graph.admin.types import SystemStatus
from graph.api.fields import query, subscription
from graph.api.permissions import IsAdministrator
from graph.context import Info

_INTERVAL_SECONDS = 2.0


@strawberry.type
class AdminQuery:
    """The system at a glance."""

    @query(IsAdministrator, description="The whole system; administrators only.")
    async def system_status(self, info: Info) -> SystemStatus:
        """Read it."""
        return SystemStatus.of(await info.context.services.status.read())


@strawberry.type
class AdminSubscription:
    """The system as it changes."""

    @subscription(IsAdministrator, description="The whole system every two seconds; administrators only.")
    async def system_status_changed(self, info: Info) -> AsyncGenerator[SystemStatus, None]:
        """Read it again and again."""
        while True:
            yield SystemStatus.of(await info.context.services.status.read())
            await asyncio.sleep(_INTERVAL_SECONDS)
