"""What the doctor looks at in a deployment that runs: its settings, workers, queue, and backups."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import text

from graph.admin import repository
from graph.core.db import Database
from graph.core.errors import ConfigurationError
from graph.core.fleet import read_workers
from graph.core.keys import KeyRing
from graph.core.queue import Queue
from graph.core.sealing import Sealer
from graph.core.settings import Settings
from ops.cli.findings import Finding

_WAIT_SECONDS: Final = 600
# a day and the time that a backup takes
_BACKUP_HOURS: Final = 26
_SKEW_SECONDS: Final = 5


def safety(settings: Settings) -> list[Finding]:
    """Look at settings that are allowed, and wrong where strangers reach the service."""
    found = []
    makers: dict[str, Callable[[], object]] = {
        "signing key": lambda: KeyRing.from_settings(settings).signer,
        "encryption key": lambda: Sealer.from_settings(settings),
    }
    for name, make in makers.items():
        try:
            make()
            found.append(Finding(name, "ok", "can be used"))
        except ConfigurationError as error:
            hint = "The API needs both keys, workers the encryption key: set them where this command runs, too."
            found.append(Finding(name, "fail", str(error), hint))
    public = settings.public_url.startswith("https://")
    if public and not settings.production:
        hint = "Set ENVIRONMENT=production: introspection and the IDE are closed, only listed documents are executed."
        found.append(
            Finding("environment", "warn", "ENVIRONMENT is not production, though PUBLIC_URL is public.", hint)
        )
    if public and settings.registration == "open":
        hint = "Set REGISTRATION=closed unless that is meant."
        found.append(Finding("registration", "warn", "Anybody may register.", hint))
    if public and not settings.trusted_proxies:
        hint = "Set it to the proxy's address: else all log-ins count as one client's in the rate limits."
        found.append(Finding("proxies", "warn", "TRUSTED_PROXIES is empty.", hint))
    return found


async def work(settings: Settings) -> list[Finding]:
    """Look at the queue, at workers, and at PostgreSQL's clock, which leases go by."""
    db, queue = Database(settings.database_url, pool_size=1), Queue(settings)
    try:
        async with db.system() as session:
            jobs = await repository.job_figures(session)
            now = (await session.execute(text("SELECT now()"))).scalar_one()
        skew = abs(time.time() - now.timestamp())
        workers = await read_workers(queue) or []
    finally:
        await queue.close()
        await db.close()
    found = [Finding("database's clock", "ok", f"within {max(skew, 1):.0f} s of this machine's")]
    if skew > _SKEW_SECONDS:
        hint = "Set both clocks by NTP."
        found = [Finding("database's clock", "warn", f"It differs from this machine's by {skew:.0f} s.", hint)]
    waiting, oldest = jobs.by_status.get("PENDING", 0), jobs.oldest_pending_seconds or 0
    alive = [worker for worker in workers if worker.alive]
    if alive:
        slots, running = sum(worker.slots for worker in alive), sum(worker.running for worker in alive)
        found.append(Finding("workers", "ok", f"{len(alive)} alive, {running} of {slots} places taken"))
        versions = {worker.version for worker in alive}
        if len(versions) > 1:
            named = ", ".join(sorted(version or "unknown" for version in versions))
            hint = "Right in the middle of an upgrade; afterwards end those that are left."
            found.append(Finding("versions", "warn", f"Workers of several versions run: {named}.", hint))
    elif waiting:
        hint = "Start workers; with KEDA look at the ScaledObject and at scaler_database_url."
        found.append(Finding("workers", "fail", "None gives a sign of life, and jobs wait.", hint))
    else:
        hint = "Right where workers scale to none; schedules, expiry and sweeps wait until one runs."
        found.append(Finding("workers", "warn", "None gives a sign of life.", hint))
    if oldest > _WAIT_SECONDS:
        hint = "More workers, or a workspace at its own limit: systemStatus tells; docs/runbooks has a page."
        found.append(Finding("queue", "warn", f"{waiting} jobs wait, the oldest for {oldest / 60:.0f} minutes.", hint))
    else:
        found.append(Finding("queue", "ok", f"{waiting} jobs wait, the oldest for {oldest:.0f} s"))
    return found


def backups(folder: Path) -> Finding:
    """Look for the newest whole backup in or below a folder."""
    times = []
    for path in [folder / "backup.json", *folder.glob("*/backup.json")]:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            times.append((datetime.fromisoformat(stored["at"]), len(stored["missing"]), path.parent))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    hint = "See why the last one failed (docs/backup.md), and try a restore now and then."
    if not times:
        return Finding("backup", "fail", f"There is no whole backup in {folder}.", hint)
    at, missing, path = max(times)
    hours = (datetime.now(UTC) - at).total_seconds() / 3600
    message = f"{path} is {hours:.0f} hours old"
    if missing:
        return Finding("backup", "fail", f"{message} and lacks {missing} objects that rows point to.", hint)
    return Finding("backup", "warn" if hours > _BACKUP_HOURS else "ok", message, hint)
