"""Taking a backup."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from graph.core.db import SYSTEM_ROLE
from graph.core.settings import Settings
from ops.backup import postgres, rows
from ops.backup.bucket import Bucket, Told, copy_out
from ops.backup.manifest import FORMAT, Description, Entry, Folder, fingerprint

Say = Callable[[str], None]


async def take(settings: Settings, path: Path, version: str, *, objects: bool, say: Say, told: Told) -> Description:
    """Write a backup into an empty folder; returns its description, which names what storage no longer had.

    The dump and the list of keys are of one snapshot. `told` hears of bytes as they are copied.
    """
    folder = Folder.make(path)
    async with (
        postgres.connected(settings.database_url, role=SYSTEM_ROLE) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        facts = await rows.facts(connection)
        wanted = await rows.live(connection)
        say(f"Dumping the database, as it was at {facts.at} …")
        await asyncio.to_thread(postgres.dump, settings.database_url, snapshot, facts.server, folder.dump)
    async with Bucket(settings) as bucket:
        say(f"Looking up {len(wanted)} objects …")
        found, wrong = await bucket.look_up(wanted)
        if objects:
            say("Copying them …")
            entries = await copy_out(bucket, found.values(), folder, told)
        else:
            entries = [Entry(item.key, item.size_bytes, item.etag) for item in found.values()]
    if wrong:
        # what somebody deleted since the snapshot is not missing
        async with (
            postgres.connected(settings.database_url, role=SYSTEM_ROLE) as connection,
            connection.transaction(readonly=True),
        ):
            still = await rows.live(connection)
        wrong = [key for key in wrong if key in still]
    folder.write_entries(sorted(entries, key=lambda entry: entry.key))
    key = settings.encryption_key
    description = Description(
        format=FORMAT,
        at=facts.at,
        version=version,
        server=facts.server,
        revision=facts.revision,
        owner=facts.owner,
        app=facts.app,
        encryption_key=fingerprint(key.get_secret_value() if key else None),
        unfinished_jobs=facts.unfinished_jobs,
        sealed_webhooks=facts.sealed_webhooks,
        objects=len(entries),
        object_bytes=sum(entry.size for entry in entries),
        copied=objects,
        missing=wrong,
        checksums=folder.checksums(),
    )
    folder.write(description)
    return description
