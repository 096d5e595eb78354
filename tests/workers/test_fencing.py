"""Claims and fencing on real rows: one winner, and nobody with an old token changes anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from graph.jobs.leases import Assignment, Leases
from tests.graph.client import User
from tests.workers.helpers import CANCEL, CSV, job_uuid, look, make_dataset, rows_of, run_job

RESULT: dict[str, Any] = {
    "rows": 1,
    "sizeBytes": 1,
    "format": "csv",
    "schema": [],
    "files": [],
    "rejects": None,
    "receipt": {},
}
ERROR = {"code": "STORAGE", "message": "away", "retryable": True}


@pytest.fixture
async def leases(user: User) -> Leases:
    """The workers' side of the table, with leases of two seconds; no worker runs."""
    services = user.services
    settings = services.settings.model_copy(update={"lease_seconds": 2})
    return Leases(services.db, services.storage, services.events, settings)


@pytest.fixture
async def job(user: User) -> str:
    """A job that waits."""
    return await run_job(user, await make_dataset(user, CSV))


async def claim(leases: Leases, job: str, worker: str = "w") -> Assignment:
    work = await leases.claim(worker, job_uuid(job))
    assert work is not None
    return work


async def lose_lease(user: User, job: str) -> None:
    """Let time pass: the lease of this job ends now."""
    async with user.services.db.system() as session:
        await session.execute(
            text("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = :id"), {"id": job_uuid(job)}
        )


async def make_due(user: User, job: str) -> None:
    """Let the backoff pass."""
    async with user.services.db.system() as session:
        await session.execute(text("UPDATE jobs SET next_attempt_at = now() WHERE id = :id"), {"id": job_uuid(job)})


async def test_of_twenty_claims_at_once_one_wins(leases: Leases, job: str) -> None:
    won = await asyncio.gather(*(leases.claim(f"w{number}", job_uuid(job)) for number in range(20)))
    assert sum(work is not None for work in won) == 1


async def test_an_old_token_changes_nothing(user: User, leases: Leases, job: str) -> None:
    old = await claim(leases, job, "first")
    await lose_lease(user, job)
    assert job_uuid(job) in {item[0] for item in await leases.expire()}
    assert await leases.claim("second", job_uuid(job)) is None  # the backoff is not over
    await make_due(user, job)
    new = await claim(leases, job, "second")
    assert (new.attempt, new.lease_token) == (old.attempt + 1, old.lease_token + 1)
    assert new.output_prefix != old.output_prefix
    before = await look(user, job)
    assert await leases.renew(old.job_id, old.lease_token) is None
    assert await leases.progress(old, {"rowsIn": 99}) is None
    assert await leases.publish(old, RESULT, {}, []) is False
    assert await leases.fail(old, ERROR) is None
    assert await leases.hand_back(old) is None
    assert await look(user, job) == before
    assert await leases.renew(new.job_id, new.lease_token) is False
    assert await leases.publish(new, RESULT, {}, []) is True
    assert await leases.publish(new, RESULT, {}, []) is True  # once more, because the answer was lost
    row, attempts, events, _ = await rows_of(user, job)
    assert row.status == "SUCCEEDED"
    assert [item.outcome for item in attempts] == ["LOST", "SUCCEEDED"]
    assert [item.kind for item in events] == ["created", "claimed", "requeued", "claimed", "published"]


async def test_a_late_renewal_before_the_sweep_keeps_the_job(user: User, leases: Leases, job: str) -> None:
    work = await claim(leases, job)
    await lose_lease(user, job)
    assert await leases.renew(work.job_id, work.lease_token) is False
    assert job_uuid(job) not in {item[0] for item in await leases.expire()}


async def test_lost_leases_end_a_job_after_its_attempts(user: User, leases: Leases, job: str) -> None:
    for _ in range(3):
        await make_due(user, job)
        await claim(leases, job)
        await lose_lease(user, job)
        await leases.expire()
    row, attempts, _, _ = await rows_of(user, job)
    assert row.status == "FAILED"
    assert row.error is not None
    assert row.error["code"] == "LEASE_EXPIRED"
    assert [item.outcome for item in attempts] == ["LOST"] * 3
    assert await leases.claim("w", job_uuid(job)) is None


async def test_a_cancelled_job_is_never_published(user: User, leases: Leases, job: str) -> None:
    work = await claim(leases, job)
    await user.ask(CANCEL, input={"id": job})
    assert await leases.renew(work.job_id, work.lease_token) is True
    assert await leases.publish(work, RESULT, {}, []) is False
    after = await leases.fail(work, ERROR)
    assert after is not None
    assert after.status == "CANCELLED"


async def test_cancel_of_a_lost_job_is_carried_out_by_the_sweep(user: User, leases: Leases, job: str) -> None:
    await claim(leases, job)
    await user.ask(CANCEL, input={"id": job})
    await lose_lease(user, job)
    await leases.expire()
    row, _, events, _ = await rows_of(user, job)
    assert row.status == "CANCELLED"
    assert [item.kind for item in events] == ["created", "claimed", "cancelRequested", "cancelled"]


async def test_objects_of_lost_attempts_are_cleared_and_published_ones_stay(
    user: User, leases: Leases, job: str
) -> None:
    storage = user.services.storage
    lost = await claim(leases, job)
    await storage.put(f"{lost.output_prefix}part-00000.csv", b"half")
    await storage.create_multipart(f"{lost.output_prefix}part-00001.csv")
    await leases.fail(lost, ERROR)
    await make_due(user, job)
    good = await claim(leases, job)
    await storage.put(f"{good.output_prefix}part-00000.csv", b"whole")
    await leases.publish(good, RESULT, {}, [])
    await leases.clear_lost_attempts()
    assert await storage.head(f"{lost.output_prefix}part-00000.csv") is not None  # too fresh: a zombie may write yet
    async with user.services.db.system() as session:
        await session.execute(
            text("UPDATE job_attempts SET finished_at = now() - interval '10 minutes' WHERE job_id = :id"),
            {"id": job_uuid(job)},
        )
    assert await leases.clear_lost_attempts() >= 1
    assert await storage.head(f"{lost.output_prefix}part-00000.csv") is None
    assert await storage.list_multiparts(lost.output_prefix) == []
    assert await storage.head(f"{good.output_prefix}part-00000.csv") is not None


async def test_a_worker_that_comes_too_late_leaves_nothing(user: User, leases: Leases, job: str) -> None:
    """It was frozen, its job went to another, the purge passed by; then its engine's last bytes came."""
    storage = user.services.storage
    late = await claim(leases, job)
    await lose_lease(user, job)
    await leases.expire()
    async with user.services.db.system() as session:
        await session.execute(
            text("UPDATE job_attempts SET finished_at = now() - interval '10 minutes', cleaned_at = now()")
        )
    await storage.put(f"{late.output_prefix}part-00000.csv", b"late")
    await leases.discard(late)
    assert await storage.head(f"{late.output_prefix}part-00000.csv") is None
    # a request of the killed engine that was still on its way
    await storage.put(f"{late.output_prefix}part-00001.csv", b"later still")
    await leases.clear_lost_attempts()
    assert await storage.head(f"{late.output_prefix}part-00001.csv") is None
    await make_due(user, job)
    good = await claim(leases, job)
    await storage.put(f"{good.output_prefix}part-00000.csv", b"whole")
    await leases.publish(good, RESULT, {}, [])
    await leases.discard(good)  # published after all: the answer was lost
    assert await storage.head(f"{good.output_prefix}part-00000.csv") is not None


async def test_the_log_is_capped_but_tells_the_end(user: User, leases: Leases, job: str) -> None:
    work = await claim(leases, job)
    for _ in range(12):
        await leases.progress(work, {}, [("INFO", "line " + "x" * 5000, None)] * 100)
    await leases.fail(work, {**ERROR, "retryable": False})
    _, _, _, logs = await rows_of(user, job)
    assert 1000 <= len(logs) <= 1200
    assert max(len(item.message) for item in logs) == 2000
    assert logs[-1].level == "ERROR"
    assert [item.sequence for item in logs] == list(range(1, len(logs) + 1))
