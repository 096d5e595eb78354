"""The audit log: who did what, written in the transaction of the deed itself, so that neither stands alone.

Raw SQL, since core knows no tables; the application role may only add rows.
"""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

import orjson
import structlog
from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.ids import uuid7

_INSERT: Final = text(
    "INSERT INTO audit_log (id, workspace_id, actor_id, action, object_type, object_id, address, request_id, data) "
    "VALUES (:id, :workspace, :actor, :action, :type, :object, :address, :request, CAST(:data AS jsonb))"
)
# No arbiter is named: that would need the right to read the table, which workers' roles need not have.
_INSERT_ONCE: Final = text(f"{_INSERT.text} ON CONFLICT DO NOTHING")


async def record(
    session: AsyncSession,
    action: str,
    *,
    actor_id: UUID | None,
    workspace_id: UUID | None,
    object_type: str | None = None,
    object_id: UUID | None = None,
    data: dict[str, Any] | None = None,
    row_id: UUID | None = None,
) -> bool:
    """Add one row, e.g. the action `job.run` on the object type `Job`.

    Address and request id come from the log context of the request. Never put secrets into `data`. With `row_id`, a
    deed that may happen once only is told from its repetition: False, and no row, when it stands there already.
    """
    context = structlog.contextvars.get_contextvars()
    added = await session.execute(
        _INSERT if row_id is None else _INSERT_ONCE,
        {
            "id": row_id or uuid7(),
            "workspace": workspace_id,
            "actor": actor_id,
            "action": action,
            "type": object_type,
            "object": object_id,
            "address": context.get("address"),
            "request": context.get("request_id"),
            "data": None if data is None else orjson.dumps(data).decode(),
        },
    )
    return cast("CursorResult[Any]", added).rowcount == 1
