"""However a job ends, the transaction that ends it writes one message per webhook that asked for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, text, update

from graph.core.ids import from_global
from graph.jobs.leases import Assignment, Leases
from graph.models import Dataset, Job
from tests.graph.client import User
from tests.graph.webhooks.asking import UPDATE, deliveries, make_webhook
from tests.workers.helpers import CANCEL, RETRY, job_uuid, make_dataset, run_job

URL = "http://127.0.0.1:9/never"
ERROR = {"code": "BAD_CSV", "message": "It is broken.", "retryable": False}


def leases(user: User) -> Leases:
    services = user.services
    return Leases(services.db, services.storage, services.events, services.settings)


async def claim(user: User, job: str) -> Assignment:
    work = await leases(user).claim("test", job_uuid(job))
    assert work is not None
    return work


async def publish(user: User, job: str) -> None:
    result = {"rows": 2, "sizeBytes": 40, "files": []}
    assert await leases(user).publish(await claim(user, job), result, {}, [])


async def fail(user: User, job: str) -> None:
    await leases(user).fail(await claim(user, job), ERROR)


async def expire(user: User, job: str) -> None:
    await claim(user, job)
    async with user.services.db.system() as session:
        await session.execute(
            update(Job)
            .where(Job.id == job_uuid(job))
            .values(max_attempts=1, lease_until=func.clock_timestamp() - text("interval '1 s'"))
        )
    await leases(user).expire()


async def cancel_waiting(user: User, job: str) -> None:
    await user.ask(CANCEL, input={"id": job})


async def cancel_running(user: User, job: str) -> None:
    work = await claim(user, job)
    await user.ask(CANCEL, input={"id": job})
    await leases(user).fail(work, ERROR)


async def cancel_draining(user: User, job: str) -> None:
    work = await claim(user, job)
    await user.ask(CANCEL, input={"id": job})
    await leases(user).hand_back(work)


async def lose_the_input(user: User, job: str) -> None:
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(update(Dataset).values(deleted_at=func.now()))
    assert await leases(user).claim("test", job_uuid(job)) is None


ENDS: list[tuple[Callable[[User, str], Awaitable[None]], str, str | None]] = [
    (publish, "job.succeeded", None),
    (fail, "job.failed", "BAD_CSV"),
    (expire, "job.failed", "LEASE_EXPIRED"),
    (lose_the_input, "job.failed", "INPUT_GONE"),
    (cancel_waiting, "job.cancelled", None),
    (cancel_running, "job.cancelled", None),
    (cancel_draining, "job.cancelled", None),
]


@pytest.mark.parametrize(("end", "event", "error"), ENDS, ids=lambda each: getattr(each, "__name__", each))
async def test_each_way_to_end_tells_it_once(
    user: User, end: Callable[[User, str], Awaitable[None]], event: str, error: str | None
) -> None:
    webhook, _ = await make_webhook(user, URL)
    job = await run_job(user, await make_dataset(user))
    assert await deliveries(user, webhook) == []
    await end(user, job)
    (delivery,) = await deliveries(user, webhook)
    assert (delivery["status"], delivery["attempt"], delivery["jobId"]) == ("PENDING", 0, job)
    assert delivery["event"] == event.upper().replace(".", "_")
    message = delivery["payload"]
    assert message["type"] == event
    assert message["timestamp"] == message["data"]["finishedAt"]
    data: dict[str, Any] = message["data"]
    assert (data["id"], data["name"], data["status"]) == (job, "orders.csv", event.partition(".")[2].upper())
    assert (data["error"] and data["error"]["code"]) == error
    assert data["result"] == ({"rows": 2, "sizeBytes": 40} if event == "job.succeeded" else None)


async def test_a_job_that_goes_back_to_the_queue_has_not_ended(user: User) -> None:
    webhook, _ = await make_webhook(user, URL)
    job = await run_job(user, await make_dataset(user))
    await leases(user).fail(await claim(user, job), {**ERROR, "retryable": True})
    async with user.services.db.system() as session:
        await session.execute(update(Job).where(Job.id == job_uuid(job)).values(next_attempt_at=func.now()))
    await leases(user).hand_back(await claim(user, job))
    assert await deliveries(user, webhook) == []
    await fail(user, job)
    assert len(await deliveries(user, webhook)) == 1
    await user.ask(RETRY, input={"id": job})
    await publish(user, job)
    assert [each["event"] for each in await deliveries(user, webhook)] == ["JOB_SUCCEEDED", "JOB_FAILED"]


async def test_an_end_that_is_rolled_back_tells_nothing(user: User) -> None:
    webhook, _ = await make_webhook(user, URL)
    job = await run_job(user, await make_dataset(user))
    async with user.services.db.system() as session:
        await session.execute(update(Job).where(Job.id == job_uuid(job)).values(status="FAILED"))
        await session.rollback()
    assert await deliveries(user, webhook) == []


async def test_only_webhooks_of_the_workspace_that_asked_and_are_enabled(user: User, stranger: User) -> None:
    asked, _ = await make_webhook(user, URL, events=["JOB_CANCELLED"])
    other, _ = await make_webhook(user, URL, events=["JOB_SUCCEEDED", "JOB_FAILED"])
    off, _ = await make_webhook(user, URL)
    await user.ask(UPDATE, input={"id": off["id"], "enabled": False})
    theirs, _ = await make_webhook(stranger, URL)
    await cancel_waiting(user, await run_job(user, await make_dataset(user)))
    assert len(await deliveries(user, asked)) == 1
    for each, person in ((other, user), (off, user), (theirs, stranger)):
        assert await deliveries(person, each) == []


async def test_ids_made_by_the_trigger_are_sorted_by_time(user: User) -> None:
    webhook, _ = await make_webhook(user, URL)
    dataset = await make_dataset(user)
    jobs = [await run_job(user, dataset) for _ in range(3)]
    for job in jobs:
        await cancel_waiting(user, job)
    made = await deliveries(user, webhook)
    assert [each["jobId"] for each in made] == jobs[::-1]
    keys = [from_global(each["id"], "WebhookDelivery") for each in made]
    assert {key.version for key in keys} == {7}
