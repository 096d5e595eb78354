"""Sealing secrets anew when ENCRYPTION_KEY changes; workers do it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog

from graph.core.db import Database
from graph.core.sealing import CannotOpen, Sealer
from graph.second_factor import repository

BATCH: Final = 100

log = structlog.get_logger(__name__)


def holder(user_id: UUID) -> str:
    """Return the name that a person's secret is sealed for."""
    return f"second-factor:{user_id}"


async def seal_anew(db: Database, sealer: Sealer) -> int:
    """Seal with the key of now what an older one has sealed; what no key opens stays. Returns how many it changed."""
    done, after = 0, UUID(int=0)
    while True:
        async with db.system() as session:
            rows = await repository.to_seal(session, sealer.prefix, BATCH, after)
            for row in rows:
                try:
                    secret = sealer.open(row.secret_sealed, holder(row.user_id))
                except CannotOpen as error:
                    log.error("second_factor_closed", user_id=str(row.user_id), error=str(error))
                    continue
                row.secret_sealed = sealer.seal(secret, holder(row.user_id))
                done += 1
        if len(rows) < BATCH:
            return done
        after = rows[-1].id
