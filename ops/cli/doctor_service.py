"""What the doctor looks at in a service: PostgreSQL, migrations, Redis, S3, CORS, clock, API, and what clients see."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from graph.core.db import Database
from graph.core.errors import ConfigurationError
from graph.core.queue import Queue
from graph.core.settings import Settings, load_settings
from graph.core.storage import Storage
from ops.cli.deployment import named
from ops.cli.doctor_public import SKEW_SECONDS, public_findings
from ops.cli.doctor_work import safety, work
from ops.cli.findings import Finding
from ops.local import probes
from ops.local.datadir import DataDir


async def service_findings(data: DataDir) -> list[Finding]:
    """Return all findings about the service that the environment names, else about the stack that runs on `data`."""
    own = data.holder() is not None
    if not own and not named():
        message = "neither a stack on this data directory nor DATABASE_URL: nothing to ask"
        return [Finding("service", "skip", message)]
    if own and not named():
        try:
            os.environ.update(json.loads(data.environment_file.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            hint = "Wait until the stack has started; else restart it."
            return [Finding("settings", "fail", f"{data.environment_file} cannot be read: {error}", hint)]
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return [Finding("settings", "fail", str(error), "Correct the variables named.")]
    checks: list[Callable[[Settings], Awaitable[list[Finding]]]] = [_postgresql, _redis, _s3, work, _api, _public]
    found = [Finding("settings", "ok", "complete"), *safety(settings)]
    for check in checks:
        try:
            found += await check(settings)
        except Exception as error:  # noqa: BLE001  # one broken part must not hide the others
            name = check.__name__.strip("_")
            message = f"{type(error).__name__}: {error}"
            found.append(Finding(name, "fail", message, "This is unexpected: please report it."))
    return found


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


async def _postgresql(settings: Settings) -> list[Finding]:
    from sqlalchemy import text

    place = _place(settings.database_url)
    db = Database(settings.database_url, pool_size=1)
    try:
        try:
            async with db.engine.connect() as connection:
                version = await connection.scalar(text("SHOW server_version"))
                powerful = await connection.scalar(
                    text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
                )
                tables = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
                revision = await connection.scalar(text("SELECT version_num FROM alembic_version")) if tables else None
        except Exception as error:  # noqa: BLE001  # of every kind: refused, password, database missing
            reason = getattr(error, "orig", None) or error
            hint = (
                "Check DATABASE_URL, that the server runs and that it lets this machine in; then `karyaksham migrate`."
            )
            return [Finding("PostgreSQL", "fail", f"{place} cannot be used: {reason}", hint)]
    finally:
        await db.close()
    found = [Finding("PostgreSQL", "ok", f"{version} at {place}")]
    if powerful:
        hint = "Use a role without SUPERUSER and BYPASSRLS in DATABASE_URL, the owner in MIGRATION_DATABASE_URL."
        found.append(Finding("row security", "fail", "The application's role is above row-level security.", hint))
    found.append(_migrations(revision))
    return found


def _migrations(revision: str | None) -> Finding:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from graph.core.migrate import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    if revision == head:
        return Finding("migrations", "ok", f"up to date ({head})")
    return Finding("migrations", "fail", f"The database is at {revision}, the program at {head}.", "karyaksham migrate")


async def _redis(settings: Settings) -> list[Finding]:
    queue = Queue(settings)
    place = _place(settings.redis_url)
    try:
        await queue.ping()
        depth = await queue.queue_depth()
    except Exception as error:  # noqa: BLE001
        hint = "Check REDIS_URL (host, port, password) and that the server runs."
        return [Finding("Redis", "fail", f"{place} cannot be used: {error}", hint)]
    finally:
        await queue.close()
    return [Finding("Redis", "ok", f"at {place}, {depth} rings waiting")]


async def _s3(settings: Settings) -> list[Finding]:
    place = settings.s3_endpoint_url or "AWS"
    async with await Storage.open(settings) as storage:
        try:
            await storage.ping()
        except Exception as error:  # noqa: BLE001
            hint = "Check S3_ENDPOINT_URL, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
            return [Finding("S3", "fail", f"{place} cannot be used: {error}", hint)]
        url = await storage.sign_get("w/doctor", "doctor", "text/plain")
    return [Finding("S3", "ok", f"bucket {settings.s3_bucket} at {place}"), *await _browser_view(settings, url)]


async def _browser_view(settings: Settings, url: str) -> list[Finding]:
    """Ask the storage as a browser on the service's own pages does."""
    origin = settings.public_url
    try:
        async with httpx.AsyncClient(timeout=10) as http:
            headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
            preflight = await http.options(url, headers=headers | {"Access-Control-Request-Headers": "content-type"})
            answer = await http.get(url, headers={"Origin": origin})
    except httpx.HTTPError as error:
        hint = "S3_PUBLIC_ENDPOINT_URL must be the address at which browsers reach the storage."
        return [Finding("S3 for browsers", "fail", f"{_place(url)} does not answer: {error}", hint)]
    found = []
    allowed = preflight.headers.get("access-control-allow-origin") in {origin, "*"}
    exposed = {name.strip().lower() for name in answer.headers.get("access-control-expose-headers", "").split(",")}
    if not allowed:
        hint = f"Allow PUT and GET from {origin} on the bucket (the API does so when its key may), check PUBLIC_URL."
        found.append(Finding("S3 CORS", "fail", f"Browsers on {origin} may not upload.", hint))
    elif not exposed & {"etag", "*"}:
        found.append(Finding("S3 CORS", "fail", "ETag is not exposed to browsers.", "Add ETag to ExposeHeaders."))
    else:
        found.append(Finding("S3 CORS", "ok", f"{origin} may upload and read"))
    found.append(_clock(answer.headers.get("date")))
    return found


def _clock(date: str | None) -> Finding:
    if date is None:
        return Finding("clock", "skip", "the storage does not tell the time")
    skew = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    if skew > SKEW_SECONDS:
        hint = "Set both clocks by NTP: signatures and tokens depend on them."
        return Finding("clock", "fail", f"This machine and the storage differ by {skew:.0f} s.", hint)
    return Finding("clock", "ok", f"within {max(skew, 1):.0f} s of the storage's")


async def _api(settings: Settings) -> list[Finding]:
    url = f"{settings.api_url}/readyz"
    status, body = await probes.http_get(url)
    if status == 200:
        return [Finding("API", "ok", f"ready at {settings.api_url}")]
    if status == 0:
        return [
            Finding("API", "fail", f"{settings.api_url} does not answer.", "Start it: `karyaksham api`; see its log.")
        ]
    reason = body.decode("utf-8", "replace").strip()[:300]
    return [Finding("API", "fail", f"{url} answers {status}: {reason}", "Mend the parts that it names.")]


async def _public(settings: Settings) -> list[Finding]:
    """Look at the service at the addresses that clients are told."""
    return await public_findings(settings.public_url, settings.flight_public_url)
