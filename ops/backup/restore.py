"""Restoring a backup into an empty database and a bucket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError as AlembicError
from sqlalchemy import make_url

from graph.core.migrate import MIGRATIONS, migrate_async, prepare_async
from graph.core.settings import Settings
from ops.backup import postgres, rows
from ops.backup.bucket import Bucket, Told, copy_in
from ops.backup.errors import BackupError
from ops.backup.manifest import Description, Folder, fingerprint
from ops.backup.take import Say


@dataclass(frozen=True, slots=True)
class Restored:
    """What has become of a backup: `missing` are keys that rows point to, and that storage does not have so."""

    description: Description
    missing: list[str]
    same_encryption_key: bool


async def restore(settings: Settings, folder: Folder, description: Description, *, say: Say, told: Told) -> Restored:
    """Restore; may be run again after it failed. `BackupError` before anything is changed when it cannot be done."""
    _check(settings, description)
    await prepare_async(settings)
    owner = settings.owner_database_url
    async with postgres.connected(owner) as connection:
        server = int(await connection.fetchval("SELECT current_setting('server_version_num')::int / 10000"))
        # said now rather than after the objects
        postgres.program("pg_restore", max(server, description.server))
        if not await rows.is_empty(connection):
            message = f"The database {make_url(owner).database} is not empty."
            raise BackupError("DATABASE_NOT_EMPTY", message, "Restore into a new one: set both URLs to its name.")
    async with Bucket(settings) as bucket:
        await bucket.ensure_bucket_and_cors(settings.origins)
        if description.copied:
            say(f"Writing {description.objects} objects …")
            await copy_in(bucket, folder.entries(), folder, told)
        say("Loading the database …")
        async with postgres.connected(owner) as connection:
            await rows.clear(connection)
        await asyncio.to_thread(postgres.load, owner, max(server, description.server), folder.dump)
        await migrate_async(settings)
        say("Looking up the objects …")
        _, missing = await bucket.look_up({entry.key: entry.size for entry in folder.entries()})
    key = settings.encryption_key
    same = fingerprint(key.get_secret_value() if key else None) == description.encryption_key
    return Restored(description, sorted({*missing, *description.missing}), same)


def _check(settings: Settings, description: Description) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        ScriptDirectory.from_config(config).get_revision(description.revision)
    except AlembicError:
        message = f"The backup is of version {description.version} (tables {description.revision}), which is newer."
        raise BackupError("BACKUP_NEWER", message, "Install that version, or a newer one.") from None
    names = {"MIGRATION_DATABASE_URL": description.owner, "DATABASE_URL": description.app}
    urls = {"MIGRATION_DATABASE_URL": settings.owner_database_url, "DATABASE_URL": settings.database_url}
    for setting, role in names.items():
        if make_url(urls[setting]).username != role:
            message = f"The backup's tables belong to {description.owner} and are used by {description.app}."
            raise BackupError("OTHER_ROLES", message, f"Use the same names: {setting} must name {role}.")
