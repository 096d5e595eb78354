"""Mails on their way: once committed they are sent, by one worker, again when that fails, and given up at last."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from graph.context import Services
from graph.mails import repository
from graph.mails.mailer import LEASE, Mailer
from graph.mails.texts import KINDS, PASSWORD_CHANGED, RESET_PASSWORD, VERIFY_EMAIL
from graph.models import AccountToken, Mail, User
from graph.recovery import repository as tokens
from tests.graph import client
from tests.graph.mails.mailbox import Mailbox
from tests.workers.conftest import StartWorker
from tests.workers.helpers import until


async def email_of(user: client.User) -> str:
    async with user.services.db.system() as session:
        return (await session.scalars(select(User.email).where(User.id == user.id))).one()


async def put(user: client.User, kind: str = PASSWORD_CHANGED) -> str:
    email = await email_of(user)
    async with user.services.db.system() as session:
        await repository.put(session, kind, email, user.id)
    return email


async def mails_to(services: Services, email: str, kind: str) -> list[Mail]:
    async with services.db.system() as session:
        query = select(Mail).where(Mail.recipient == email, Mail.kind == kind).order_by(Mail.id)
        return list(await session.scalars(query))


async def make_due(services: Services, email: str, **values: Any) -> None:
    """Let the wait before the next attempt, or a lease, be over."""
    async with services.db.system() as session:
        due = {"next_attempt_at": repository.NOW - timedelta(seconds=1), **values}
        await session.execute(update(Mail).where(Mail.recipient == email, Mail.status == "PENDING").values(**due))


async def deliver(services: Services, box: Mailbox) -> None:
    mailer = Mailer(services.db, box.settings(services.settings))
    await mailer.send_due()
    await mailer.close()


async def test_registration_asks_to_verify(user: client.User, box: Mailbox) -> None:
    email = await email_of(user)
    await deliver(user.services, box)
    (message,) = box.to(email)
    link = re.search(r"(\S+)/verify-email#(\S{43})\s", message.get_content())
    assert link is not None, message.get_content()
    assert link[1] == user.services.settings.public_url
    (mail,) = await mails_to(user.services, email, VERIFY_EMAIL)
    assert (mail.status, mail.attempt, mail.error, mail.lease_until) == ("SENT", 1, None, None)
    assert mail.sent_at is not None
    async with user.services.db.system() as session:
        (token,) = await session.scalars(select(AccountToken).where(AccountToken.user_id == user.id))
    assert token.purpose == VERIFY_EMAIL
    assert link[2].encode() not in token.token_digest
    assert timedelta(hours=23, minutes=59) < token.expires_at - mail.created_at < timedelta(hours=24, minutes=10)


async def test_who_asks_twice_is_sent_one(user: client.User, box: Mailbox) -> None:
    email = await put(user)
    await put(user)
    await deliver(user.services, box)
    assert len(await mails_to(user.services, email, PASSWORD_CHANGED)) == 1
    await put(user)
    assert len(await mails_to(user.services, email, PASSWORD_CHANGED)) == 2


async def test_nothing_is_sent_of_a_transaction_that_fails(user: client.User, box: Mailbox) -> None:
    email = await email_of(user)
    try:
        async with user.services.db.system() as session:
            await repository.put(session, PASSWORD_CHANGED, email, user.id)
            raise RuntimeError
    except RuntimeError:
        pass
    await deliver(user.services, box)
    assert await mails_to(user.services, email, PASSWORD_CHANGED) == []


async def test_a_failure_is_tried_again_as_the_same_mail(user: client.User, box: Mailbox) -> None:
    email = await put(user)
    box.answer = "451 Disk full"
    await deliver(user.services, box)
    await deliver(user.services, box)  # not due yet
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt, mail.error) == ("PENDING", 1, "451 Disk full")
    box.answer = "250 OK"
    await make_due(user.services, email)
    await deliver(user.services, box)
    ids = [each["Message-ID"] for each in box.to(email) if "password was" in each["Subject"]]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt, mail.error) == ("SENT", 2, None)


async def test_a_final_refusal_is_final(user: client.User, box: Mailbox) -> None:
    email = await put(user)
    box.refuse = "550 No such user"
    await deliver(user.services, box)
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt, mail.error) == ("FAILED", 1, "550 No such user")


async def test_a_link_is_not_sent_when_nobody_waits_for_it_any_more(user: client.User, box: Mailbox) -> None:
    email = await put(user, RESET_PASSWORD)
    await make_due(user.services, email, created_at=repository.NOW - timedelta(minutes=59, seconds=58))
    box.answer = "451 Later"
    await deliver(user.services, box)
    (mail,) = await mails_to(user.services, email, RESET_PASSWORD)
    assert (mail.status, mail.attempt) == ("FAILED", 1)


async def test_attempts_are_bounded(user: client.User, box: Mailbox) -> None:
    email = await put(user)
    box.answer = "451 Later"
    for _ in range(12):
        await make_due(user.services, email)
        await deliver(user.services, box)
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt) == ("FAILED", 10)


async def test_many_workers_send_each_mail_once(user: client.User, stranger: client.User, box: Mailbox) -> None:
    emails = [await put(each) for each in (user, stranger)]
    workers = [Mailer(user.services.db, box.settings(user.services.settings)) for _ in range(5)]
    await asyncio.gather(*(each.send_due() for each in workers))
    await asyncio.gather(*(each.close() for each in workers))
    for email in emails:
        assert len([each for each in box.to(email) if "password was" in each["Subject"]]) == 1
        assert [each.status for each in await mails_to(user.services, email, PASSWORD_CHANGED)] == ["SENT"]


async def test_a_lost_lease_notes_nothing(user: client.User, box: Mailbox) -> None:
    email = await put(user)
    async with user.services.db.system() as session:
        await session.execute(update(Mail).where(Mail.recipient != email).values(status="SENT"))
        await session.execute(update(Mail).where(Mail.kind == VERIFY_EMAIL).values(status="SENT"))
        work = await repository.claim(session, LEASE, KINDS)
    assert work is not None
    assert work.recipient == email
    await make_due(user.services, email)  # its lease has ended
    box.answer = "451 Later"
    await deliver(user.services, box)
    box.answer = "250 OK"
    frozen = Mailer(user.services.db, box.settings(user.services.settings))
    await frozen._deliver(work)  # it wakes up, and sends: at least once
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt, mail.error) == ("PENDING", 2, "451 Later")
    await make_due(user.services, email, status="FAILED")


async def test_a_mail_outlives_the_worker_that_was_sending_it(
    user: client.User, box: Mailbox, spawn_worker: Callable[..., subprocess.Popen[bytes]]
) -> None:
    box.hold = asyncio.Event()
    email = await put(user)
    settings = box.settings(user.services.settings)
    assert settings.smtp_url is not None
    url = settings.smtp_url.get_secret_value()
    worker = await asyncio.to_thread(spawn_worker, smtp_url=url, smtp_ca=settings.smtp_ca, mail_from=settings.mail_from)

    def arrived() -> list[str]:
        return [each["Message-ID"] for each in box.to(email) if "password was" in each["Subject"]]

    async def read() -> list[str]:
        return arrived()

    await until(read, bool, what="the mail")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    box.hold.set()
    (mail,) = await mails_to(user.services, email, PASSWORD_CHANGED)
    assert (mail.status, mail.attempt, mail.error) == ("PENDING", 1, None)
    await make_due(user.services, email)
    await deliver(user.services, box)
    assert len(set(arrived())) == 1
    assert [each.status for each in await mails_to(user.services, email, PASSWORD_CHANGED)] == ["SENT"]


async def test_workers_send_by_themselves(user: client.User, box: Mailbox, start_worker: StartWorker) -> None:
    settings = box.settings(user.services.settings)
    await start_worker(smtp_url=settings.smtp_url, smtp_ca=settings.smtp_ca, mail_from=settings.mail_from)
    email = await put(user)

    async def read() -> int:
        return len(box.to(email))

    await until(read, lambda count: count == 2, what="both mails")


async def test_mails_of_a_newer_version_are_left_to_it(user: client.User, box: Mailbox) -> None:
    email = await put(user, "TO_COME")
    await deliver(user.services, box)
    (mail,) = await mails_to(user.services, email, "TO_COME")
    assert (mail.status, mail.attempt) == ("PENDING", 0)


async def test_old_mails_and_tokens_are_forgotten(user: client.User, box: Mailbox) -> None:
    await deliver(user.services, box)
    email = await put(user)
    async with user.services.db.system() as session:
        await session.execute(
            update(Mail)
            .where(Mail.recipient == email, Mail.kind == VERIFY_EMAIL)
            .values(created_at=repository.NOW - timedelta(days=31))
        )
        await session.execute(
            update(AccountToken)
            .where(AccountToken.user_id == user.id)
            .values(expires_at=tokens.NOW - timedelta(seconds=1))
        )
    await Mailer(user.services.db, user.services.settings).prune()
    assert await mails_to(user.services, email, VERIFY_EMAIL) == []
    assert len(await mails_to(user.services, email, PASSWORD_CHANGED)) == 1
    async with user.services.db.system() as session:
        query = select(AccountToken).where(AccountToken.user_id == user.id)
        assert (await session.scalars(query)).all() == []
