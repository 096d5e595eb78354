"""What workers do with the outbox of mails: send what is due, note what came of it, try again later, give up at last.

At least once: a worker that dies between the server's answer and the note of it leaves a mail that another sends again,
with the same Message-ID. No transaction is open while a mail is on its way.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.db import Database
from graph.core.mail import MailRefused, MailTransport
from graph.core.outbox import Pump
from graph.core.security import new_refresh_token, token_digest
from graph.core.settings import Settings
from graph.core.telemetry import MAILS
from graph.mails import repository
from graph.mails.repository import Claimed
from graph.mails.texts import KINDS, RESET_PASSWORD, VERIFY_EMAIL
from graph.models import AccountToken, Mail, User
from graph.recovery import repository as tokens
from graph.users.repository import user_by_email, user_by_id
from graph.webhooks.state import backoff

AT_ONCE: Final = 4
# longer than a session with the server may take (graph/core/mail.py), so that no two workers send one mail at once
LEASE: Final = timedelta(minutes=5)
KEEP: Final = timedelta(days=30)

log = structlog.get_logger(__name__)


class Mailer:
    """Sends the mails of the installation, a bounded number at once. `ConfigurationError` for settings of no use."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._service = settings.public_url
        self._transport = MailTransport(settings)
        self._pump = Pump("mail", AT_ONCE, self._claim, self._deliver)

    async def fill(self) -> None:
        """Begin what is due as long as there is room; returns before it is sent."""
        await self._pump.fill()

    async def send_due(self) -> None:
        """Begin what is due and wait until nothing is under way."""
        await self._pump.drain()

    async def _claim(self) -> Claimed | None:
        async with self._db.system() as session:
            return await repository.claim(session, LEASE, KINDS)

    async def _deliver(self, work: Claimed) -> None:
        outcome, error, final = "DROPPED", None, True
        try:
            async with self._db.system() as session:
                message = await self._compose(session, work)
            if message is not None:
                await self._transport.send(message)
                outcome = "SENT"
        except MailRefused as refusal:
            outcome, error, final = "FAILED", str(refusal), refusal.final
            log.warning("mail_refused", mail_id=str(work.id), kind=work.kind, reason=error, final=final)
        MAILS.labels(outcome.lower()).inc()
        async with self._db.system() as session:
            found = await repository.locked(session, work.id)
            if found is None or found[0].lease_token != work.token:
                return
            mail, now = found
            mail.lease_until, mail.error = None, error
            wait = None if final else _wait(mail, now)
            if wait is None:
                mail.status, mail.sent_at = outcome, now if outcome == "SENT" else None
            else:
                mail.next_attempt_at = now + wait

    async def _compose(self, session: AsyncSession, work: Claimed) -> EmailMessage | None:
        """Make the message, with a token of its own where it has a link; None where nobody should get it (any more)."""
        kind, user = KINDS[work.kind], await _addressee(session, work)
        if user is None:
            return None
        link = ""
        if kind.link is not None:
            secret = new_refresh_token()
            await tokens.add(
                session,
                AccountToken(
                    user_id=user.id,
                    purpose=work.kind,
                    token_digest=token_digest(secret),
                    email=work.recipient,
                    expires_at=await tokens.in_(session, kind.life),
                ),
            )
            # behind the #: browsers send it to no server, and put it into no Referer
            link = f"{self._service}/{kind.link}#{secret}"
        text = kind.text.format(service=self._service, link=link)
        return self._transport.compose(work.recipient, f"{kind.subject} · Karyaksham", text, work.id.hex)

    async def prune(self) -> None:
        """Forget mails of long ago and tokens that are over."""
        async with self._db.system() as session:
            mails, ended = await repository.prune(session, KEEP), await tokens.prune(session)
        if mails or ended:
            log.info("mails_pruned", mails=mails, tokens=ended)

    async def close(self) -> None:
        """Give mails that are under way a moment; what is cut off is sent again by another worker."""
        await self._pump.close()


async def _addressee(session: AsyncSession, work: Claimed) -> User | None:
    """Return the account of a mail, if it can still be meant."""
    if work.kind == RESET_PASSWORD:
        user = await user_by_email(session, work.recipient)
        return user if user is not None and user.disabled_at is None else None
    user = None if work.user_id is None else await user_by_id(session, work.user_id)
    if user is None or (work.kind == VERIFY_EMAIL and user.email_verified_at is not None):
        return None
    return user


def _wait(mail: Mail, now: datetime) -> timedelta | None:
    """Return how long to wait before the next attempt; None when there is none."""
    wait = backoff(mail.attempt, random.random())  # noqa: S311  # spreads attempts, hides nothing
    if wait is None or now + wait > mail.created_at + KINDS[mail.kind].patience:
        return None
    return wait
