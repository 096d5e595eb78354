"""Messages on their way: signed, sent until they are taken, the same each time, and given up at last."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from graph.core.ids import from_global
from graph.models import AuditLog
from graph.webhooks.deliverer import LEASE
from graph.webhooks.repository import claim
from tests.graph.client import User
from tests.graph.webhooks.asking import (
    REDELIVER,
    UPDATE,
    WEBHOOK,
    deliverer,
    deliveries,
    look,
    make_webhook,
    set_delivery,
    set_webhook,
)
from tests.graph.webhooks.receiver import Receiver, Request
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CANCEL, make_dataset, run_job, until, wait_for

DOCS = Path(__file__).resolve().parents[3] / "docs/webhooks.md"


def documented_verify() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function that the documentation gives to receivers."""
    (source,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)
    verify: Callable[[str, dict[str, str], bytes], bool] = names["verify"]
    return verify


async def end_a_job(user: User) -> str:
    job = await run_job(user, await make_dataset(user))
    await user.ask(CANCEL, input={"id": job})
    return job


async def deliver(user: User) -> None:
    sender = deliverer(user)
    await sender.deliver_due()
    await sender.close()


async def make_due(user: User, delivery: dict[str, Any]) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=1)
    await set_delivery(user, delivery, next_attempt_at=moment, lease_until=moment)


async def test_a_message_is_signed_as_documented(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    job = await end_a_job(user)
    await deliver(user)
    (request,) = receiver.requests
    (delivery,) = await deliveries(user, webhook)
    assert request.target == "/hooks?of=karyaksham"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == delivery["messageId"]
    assert request.message == delivery["payload"]
    assert (request.message["type"], request.message["data"]["id"]) == ("job.cancelled", job)
    verify = documented_verify()
    assert verify(secret, request.headers, request.body)
    assert not verify(secret, request.headers, request.body + b" ")
    assert not verify(secret, {**request.headers, "webhook-id": "msg_other"}, request.body)
    assert not verify("whsec_" + "A" * 44, request.headers, request.body)
    assert not verify(secret, {**request.headers, "webhook-timestamp": "1700000000"}, request.body)
    assert (delivery["status"], delivery["attempt"], delivery["responseStatus"]) == ("DELIVERED", 1, 204)
    assert delivery["responseMs"] >= 0
    assert (delivery["error"], delivery["nextAttemptAt"]) == (None, None)
    assert delivery["deliveredAt"] is not None


async def test_a_failure_is_tried_again_with_the_same_id_and_body(user: User, receiver: Receiver) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    await end_a_job(user)
    receiver.status = 503
    await deliver(user)
    await deliver(user)  # not due yet
    (delivery,) = await deliveries(user, webhook)
    assert (delivery["status"], delivery["attempt"], delivery["responseStatus"]) == ("PENDING", 1, 503)
    assert "503" in delivery["error"]
    assert datetime.fromisoformat(delivery["nextAttemptAt"]) > datetime.fromisoformat(delivery["lastAttemptAt"])
    assert (await look(user, webhook))["failingSince"] is not None
    receiver.status = 200
    await make_due(user, delivery)
    await deliver(user)
    first, second = receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert documented_verify()(secret, second.headers, second.body)
    found = await look(user, webhook)
    assert (found["failingSince"], found["deliveries"]["nodes"][0]["status"]) == (None, "DELIVERED")


async def test_attempts_are_bounded_and_a_person_may_send_again(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    await end_a_job(user)
    (delivery,) = await deliveries(user, webhook)
    receiver.status = 500
    for _ in range(delivery["maxAttempts"] + 2):
        await make_due(user, delivery)
        await deliver(user)
    assert len(receiver.requests) == delivery["maxAttempts"] == 10
    found = await user.ask(WEBHOOK, id=webhook["id"], status=["FAILED"])
    (failed,) = found["deliveries"]["nodes"]
    assert (failed["attempt"], failed["nextAttemptAt"]) == (10, None)
    assert (await user.ask(WEBHOOK, id=webhook["id"], status=["DELIVERED"]))["deliveries"]["nodes"] == []
    receiver.status = 200
    again = (await user.ask(REDELIVER, input={"id": delivery["id"]}))["delivery"]
    assert (again["status"], again["attempt"], again["messageId"]) == ("PENDING", 0, delivery["messageId"])
    await deliver(user)
    assert (await deliveries(user, webhook))[0]["status"] == "DELIVERED"
    assert {each.headers["webhook-id"] for each in receiver.requests} == {delivery["messageId"]}


async def test_many_workers_send_each_message_once(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    dataset = await make_dataset(user)
    for _ in range(6):
        await user.ask(CANCEL, input={"id": await run_job(user, dataset)})
    workers = [deliverer(user) for _ in range(5)]
    while any(each["status"] == "PENDING" for each in await deliveries(user, webhook)):
        await asyncio.gather(*(each.deliver_due() for each in workers))
    await asyncio.gather(*(each.close() for each in workers))
    assert len(receiver.requests) == 6
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 6


async def test_a_lost_lease_notes_nothing(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    await end_a_job(user)
    (delivery,) = await deliveries(user, webhook)
    frozen = deliverer(user)
    async with user.services.db.system() as session:
        work = await claim(session, LEASE)
    assert work is not None
    await make_due(user, delivery)  # its lease has ended
    receiver.status = 500
    await deliver(user)
    receiver.status = 200
    await frozen._deliver(work)  # it wakes up, and sends: at least once
    await frozen.close()
    (found,) = await deliveries(user, webhook)
    assert (found["status"], found["attempt"], found["responseStatus"]) == ("PENDING", 2, 500)


async def test_a_message_outlives_the_worker_that_was_sending_it(
    user: User, receiver: Receiver, spawn_worker: Callable[..., subprocess.Popen[bytes]]
) -> None:
    webhook, _ = await make_webhook(user, receiver.url)

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    receiver.answer = hang
    worker = spawn_worker(webhook_allowed_networks="127.0.0.0/8")
    await end_a_job(user)

    async def arrived() -> int:
        return len(receiver.requests)

    await until(arrived, bool, what="the request")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    (delivery,) = await deliveries(user, webhook)
    assert (delivery["status"], delivery["attempt"], delivery["responseStatus"]) == ("PENDING", 1, None)
    receiver.answer = None
    await make_due(user, delivery)
    await deliver(user)
    first, second = receiver.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert (await deliveries(user, webhook))[0]["status"] == "DELIVERED"


async def test_a_receiver_that_is_gone_is_left_alone(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    await end_a_job(user)
    receiver.status = 410
    await deliver(user)
    found = await look(user, webhook)
    assert (found["enabled"], found["disabledReason"]["code"]) == (False, "GONE")
    assert found["deliveries"]["nodes"][0]["status"] == "FAILED"


async def test_a_receiver_that_fails_for_days_is_disabled_and_may_come_back(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    await end_a_job(user)
    receiver.status = 500
    await deliver(user)
    assert (await look(user, webhook))["enabled"]
    await set_webhook(user, webhook, failing_since=datetime.now(UTC) - timedelta(days=3, minutes=1))
    (delivery,) = await deliveries(user, webhook)
    await make_due(user, delivery)
    await deliver(user)
    found = await look(user, webhook)
    assert (found["enabled"], found["disabledReason"]["code"]) == (False, "FAILING")
    assert "500" in found["disabledReason"]["message"]
    async with user.services.db.tenant(user.workspace_id) as session:
        key = from_global(webhook["id"], "Webhook")
        audit = select(AuditLog).where(AuditLog.object_id == key, AuditLog.action == "webhook.disable")
        assert (await session.scalars(audit)).one().actor_id is None
    receiver.status = 200
    await make_due(user, delivery)
    await deliver(user)
    assert len(receiver.requests) == 2
    back = (await user.ask(UPDATE, input={"id": webhook["id"], "enabled": True}))["webhook"]
    assert (back["enabled"], back["disabledReason"], back["failingSince"]) == (True, None, None)
    await deliver(user)
    assert (await deliveries(user, webhook))[0]["status"] == "DELIVERED"


async def test_old_messages_are_forgotten(user: User, receiver: Receiver) -> None:
    webhook, _ = await make_webhook(user, receiver.url)
    await end_a_job(user)
    await end_a_job(user)
    young, old = await deliveries(user, webhook)
    await set_delivery(user, old, created_at=datetime.now(UTC) - timedelta(days=31))
    sender = deliverer(user)
    await sender.prune()
    await sender.close()
    assert [each["id"] for each in await deliveries(user, webhook)] == [young["id"]]


async def test_workers_send_by_themselves(user: User, receiver: Receiver, start_worker: StartWorker) -> None:
    webhook, secret = await make_webhook(user, receiver.url)
    await start_worker()
    job = await run_job(user, await make_dataset(user))
    done = await wait_for(user, job)
    (delivery,) = await until(lambda: deliveries(user, webhook), lambda found: found[0]["status"] == "DELIVERED")
    (request,) = receiver.requests
    assert documented_verify()(secret, request.headers, request.body)
    assert request.message["type"] == "job.succeeded"
    assert request.message["data"]["result"] == {
        "rows": done["result"]["rows"],
        "sizeBytes": done["result"]["sizeBytes"],
    }
    assert delivery["jobId"] == job
