"""The purger of a worker does what its parts promise: logs are kept, what is past its days goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from graph.models import Job
from graph.retention import repository
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import job_uuid, keys_of, look, make_dataset, rows_of, run_job, wait_for


async def test_a_round_keeps_logs_and_expires_results(
    user: User, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_worker(retention_results_days=1)
    job = await run_job(user, await make_dataset(user))
    before = await wait_for(user, job)
    async with user.services.db.system() as session:  # as if it had ended the day before yesterday
        ended = datetime.now(UTC) - timedelta(days=2)
        await session.execute(update(Job).where(Job.id == job_uuid(job)).values(finished_at=ended))
    await running.worker.purger.purge()
    row, _, _, lines = await rows_of(user, job)
    assert lines == []
    assert row.log_key is not None
    assert row.log_key in await keys_of(user, job)
    assert (await look(user, job))["logs"] == before["logs"]
    # by its key the job is young, and would not be looked at
    monkeypatch.setattr(repository, "_made_before", lambda _days: UUID(int=(1 << 128) - 1))
    await running.worker.purger.expire()
    after = await look(user, job)
    assert (after["status"], after["result"]["files"]) == ("SUCCEEDED", [])
    assert after["result"]["receipt"]["outputs"] == before["result"]["receipt"]["outputs"]
    assert after["logs"] == before["logs"]
    assert await keys_of(user, job) == [row.log_key]
