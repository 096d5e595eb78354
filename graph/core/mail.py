"""Sending one mail by SMTP, over TLS; without SMTP_URL it is printed to the log."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from graph.core.errors import ConfigurationError
from graph.core.settings import Settings

# of each answer of the server; there are about ten in a session
ANSWER_SECONDS: Final = 15.0
_PORTS: Final = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
_NOBODY: Final = "karyaksham@localhost"

log = structlog.get_logger(__name__)


class MailRefused(Exception):
    """The server will not take this mail now; `final` when it never will."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


@dataclass(frozen=True, slots=True, repr=False)
class _Server:
    scheme: str
    host: str
    port: int
    user: str | None
    password: str


def _server(url: str) -> _Server:
    hint = "SMTP_URL must look like smtp://user:password@host:587, smtps://… or smtp+plain://…"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(hint) from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(hint)
    user = unquote(parts.username) if parts.username else None
    if user is not None and parts.scheme == "smtp+plain":
        raise ConfigurationError("SMTP_URL: smtp+plain:// would send the password in the open. Use smtp:// or smtps://")
    return _Server(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], user, unquote(parts.password or ""))


def _sender(text: str | None) -> Address:
    name, address = parseaddr(text or _NOBODY)
    try:
        return Address(name, addr_spec=address)
    except (ValueError, IndexError) as error:
        raise ConfigurationError("MAIL_FROM must be an address, or `Name <address>`.") from error


class MailTransport:
    """The way out of mails; made once per process, a connection for each mail."""

    def __init__(self, settings: Settings) -> None:
        url = settings.smtp_url
        if url is not None and settings.mail_from is None:
            raise ConfigurationError("MAIL_FROM is not set: with SMTP_URL, mails need a sender.")
        self._server = None if url is None else _server(url.get_secret_value())
        self._sender = _sender(settings.mail_from)
        try:
            self._tls = ssl.create_default_context(cadata=settings.smtp_ca)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"SMTP_CA holds no certificates in PEM: {error}") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def compose(self, recipient: str, subject: str, text: str, key: str) -> EmailMessage:
        """Make a message; of the same `key` at each attempt, so that a receiver can tell a repetition.

        Raises `MailRefused` for what is no one address.
        """
        message = EmailMessage()
        message["From"] = self._sender
        try:
            # parsed as one address: of `a,b@example.org` a header would make two
            message["To"] = Address(addr_spec=recipient)
        except (ValueError, IndexError, HeaderParseError) as error:
            raise MailRefused("no mail can be sent to such an address", final=True) from error
        message["Subject"] = subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{key}@{self._sender.domain}>"
        # RFC 3834: nobody's absence is answered to us
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    async def send(self, message: EmailMessage) -> None:
        """Send a message; `MailRefused` when that did not work, or perhaps did but nobody said so."""
        if self._server is None:
            log.info("mail_printed", to=message["To"], subject=message["Subject"], text=message.get_content())
            return
        try:
            await asyncio.to_thread(self._send, self._server, message)
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = next(iter(error.recipients.values()))
            raise MailRefused(f"{code} {_plain(reason)}", final=_is_final(code)) from error
        except smtplib.SMTPAuthenticationError as error:
            # an operator mends it, and a later attempt succeeds
            raise MailRefused(f"{error.smtp_code} the mail server takes not our password", final=False) from error
        except smtplib.SMTPResponseException as error:
            raise MailRefused(
                f"{error.smtp_code} {_plain(error.smtp_error)}", final=_is_final(error.smtp_code)
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailRefused(f"{type(error).__name__}: {error}", final=False) from error
        except UnicodeError as error:
            raise MailRefused("the mail server takes no such address", final=True) from error

    def _send(self, server: _Server, message: EmailMessage) -> None:
        if server.scheme == "smtps":
            with smtplib.SMTP_SSL(server.host, server.port, timeout=ANSWER_SECONDS, context=self._tls) as session:
                self._hand_over(session, server, message)
            return
        with smtplib.SMTP(server.host, server.port, timeout=ANSWER_SECONDS) as session:
            if server.scheme == "smtp":
                session.starttls(context=self._tls)
            self._hand_over(session, server, message)

    @staticmethod
    def _hand_over(session: smtplib.SMTP, server: _Server, message: EmailMessage) -> None:
        if server.user is not None:
            session.login(server.user, server.password)
        session.send_message(message)


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _plain(reason: bytes | str) -> str:
    return (reason.decode(errors="replace") if isinstance(reason, bytes) else reason)[:300]
