"""A mail server for tests: aiosmtpd, with STARTTLS or TLS and a password demanded, which keeps what it takes."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from pydantic import SecretStr

from graph.core.settings import Settings
from tests.certificates import Identity, make_identity

USER, PASSWORD = "kar@yaksham", "p/a:ss w@rd"
ENCODED = "kar%40yaksham:p%2Fa%3Ass%20w%40rd"


@dataclass
class Mailbox:
    """What came, and how the server answers: `refuse` is what it says to a recipient, `answer` to a whole mail."""

    identity: Identity
    scheme: str = "smtp"
    port: int = 0
    refuse: str | None = None
    answer: str = "250 OK"
    hold: asyncio.Event | None = None
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    def settings(self, settings: Settings, **changes: Any) -> Settings:
        """Settings that send here."""
        wanted = {
            "smtp_url": SecretStr(f"{self.scheme}://{ENCODED}@localhost:{self.port}"),
            "smtp_ca": self.identity.certificate.decode(),
            "mail_from": "Karyaksham of Tests <no-reply@kar.example>",
        }
        return settings.model_copy(update=wanted | changes)

    def to(self, address: str) -> list[EmailMessage]:
        """The mails to one address, in order."""
        return [message for recipients, message in self.mails if recipients == [address]]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse is not None:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        assert isinstance(server.transport, asyncio.WriteTransport)
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        if self.hold is not None:
            await self.hold.wait()
        return self.answer

    @staticmethod
    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


@asynccontextmanager
async def mailbox(scheme: str = "smtp", *, tls: bool = True) -> AsyncIterator[Mailbox]:
    """A server on a free port of this machine; without `tls` it offers none."""
    made = Mailbox(make_identity("mail"), scheme)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "mail.pem"
        pem.write_bytes(made.identity.key + made.identity.certificate)
        context.load_cert_chain(pem)
    starttls = tls and scheme == "smtp"

    def serve() -> SMTP:
        return SMTP(
            made,
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=made.authenticate,
            auth_required=scheme != "smtp+plain",
            auth_require_tls=starttls,
        )

    server = await asyncio.get_running_loop().create_server(
        serve, "127.0.0.1", 0, ssl=context if scheme == "smtps" else None
    )
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
