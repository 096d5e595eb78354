"""`GET /export/audit`: the audit log as NDJSON or CSV, for administrators, by session or API token.

`format` is `ndjson` or `csv`; `since` is included, `until` is not (ISO 8601, UTC where nothing else is said); `actor`
is an id or an e-mail address; `action` a whole one, or a group with its dot. Refusals are problem documents.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from graph.admin.export import AuditExport
from graph.admin.repository import AuditFilter
from graph.context import Services
from graph.core.errors import Forbidden, InvalidInput, NotAuthenticated

_TYPES: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_KNOWN: Final = {"format", "since", "until", "actor", "action"}


def _time(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"`{name}` is no time in ISO 8601.", code="TIME_INVALID", path=[name]) from error


async def audit(request: Request) -> Response:
    """Stream it."""
    services: Services = request.app.state.services
    viewer = await services.authenticator.viewer(request.headers.get("authorization"))
    if viewer is None:
        raise NotAuthenticated
    if not viewer.is_administrator:
        raise Forbidden("Only administrators may do this.")
    unknown = set(request.query_params) - _KNOWN
    format_ = request.query_params.get("format", "ndjson")
    if unknown or format_ not in _TYPES or len(request.query_params.multi_items()) > len(request.query_params):
        raise InvalidInput(
            f"Only {', '.join(sorted(_KNOWN))} can be asked for, each once, as ndjson or csv.", code="QUERY_UNKNOWN"
        )
    export, actor = AuditExport(services.db), request.query_params.get("actor")
    wanted = AuditFilter(
        actor_id=await export.actor(actor) if actor else None,
        action=request.query_params.get("action") or None,
        since=_time(request, "since"),
        until=_time(request, "until"),
    )
    lines = await export.begin(viewer, wanted, "csv" if format_ == "csv" else "ndjson")
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="karyaksham-audit.{format_}"',
    }
    return StreamingResponse(lines, media_type=_TYPES[format_], headers=headers)


def routes() -> list[BaseRoute]:
    """Routes of exports."""
    return [Route("/export/audit", audit)]
