"""One mail over SMTP: encrypted or not at all, with what the settings say, to one address."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from graph.core.errors import ConfigurationError
from graph.core.mail import MailRefused, MailTransport
from graph.core.settings import Settings
from tests.certificates import make_identity
from tests.graph.mails.mailbox import Mailbox, mailbox


async def send(settings: Settings, recipient: str = "ann@example.org") -> None:
    transport = MailTransport(settings)
    await transport.send(transport.compose(recipient, "Subject · ü", "Text\nwith a line", "key"))


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_it_arrives_encrypted_and_whole(scheme: str) -> None:
    async with mailbox(scheme) as box:
        await send(box.settings(Settings()))
    ((recipients, message),) = box.mails
    assert recipients == ["ann@example.org"]
    assert box.encrypted == [True]
    assert (message["From"], message["To"]) == ("Karyaksham of Tests <no-reply@kar.example>", "ann@example.org")
    assert (message["Subject"], message["Message-ID"]) == ("Subject · ü", "<key@kar.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime is not None
    assert message.get_content().splitlines() == ["Text", "with a line"]


async def test_a_relay_on_this_machine_may_do_without() -> None:
    async with mailbox("smtp+plain") as box:
        await send(box.settings(Settings(), smtp_url=SecretStr(f"smtp+plain://localhost:{box.port}")))
    assert box.encrypted == [False]


async def test_nothing_is_sent_where_encryption_is_not_offered() -> None:
    async with mailbox(tls=False) as box:
        with pytest.raises(MailRefused, match="STARTTLS") as caught:
            await send(box.settings(Settings()))
    assert (box.mails, caught.value.final) == ([], False)


async def test_nothing_is_sent_to_who_has_a_strange_certificate(box: Mailbox) -> None:
    strange = make_identity("mail").certificate.decode()
    with pytest.raises(MailRefused, match="CERTIFICATE_VERIFY_FAILED"):
        await send(box.settings(Settings(), smtp_ca=strange))
    with pytest.raises(MailRefused, match="CERTIFICATE_VERIFY_FAILED"):
        await send(box.settings(Settings(), smtp_ca=None))
    assert box.mails == []


async def test_a_wrong_password_is_the_operators_to_mend(box: Mailbox) -> None:
    url = SecretStr(f"smtp://{'a'}:wrong@localhost:{box.port}")
    with pytest.raises(MailRefused, match="535") as caught:
        await send(box.settings(Settings(), smtp_url=url))
    assert not caught.value.final
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(("answer", "final"), [("550 No such user", True), ("450 Later", False)])
async def test_a_recipient_that_is_refused(box: Mailbox, answer: str, final: bool) -> None:
    box.refuse = answer
    with pytest.raises(MailRefused, match=answer) as caught:
        await send(box.settings(Settings()))
    assert caught.value.final == final


@pytest.mark.parametrize(("answer", "final"), [("554 Spam", True), ("451 Disk full", False)])
async def test_a_mail_that_is_refused(box: Mailbox, answer: str, final: bool) -> None:
    box.answer = answer
    with pytest.raises(MailRefused, match=answer) as caught:
        await send(box.settings(Settings()))
    assert caught.value.final == final


@pytest.mark.parametrize("address", ["ann,eve@example.org", "Ann <eve@example.org>", "a\r\nBcc: eve@example.org", "a"])
async def test_what_is_no_one_address_is_refused(box: Mailbox, address: str) -> None:
    with pytest.raises(MailRefused) as caught:
        await send(box.settings(Settings()), address)
    assert caught.value.final
    assert box.mails == []


async def test_nobody_listens() -> None:
    with pytest.raises(MailRefused, match="Refused") as caught:
        await send(Settings(smtp_url=SecretStr("smtp://127.0.0.1:9"), mail_from="a@b.de"))
    assert not caught.value.final


@pytest.mark.parametrize(
    ("url", "sender", "word"),
    [
        ("http://localhost", "a@b.de", "SMTP_URL"),
        ("smtp://", "a@b.de", "SMTP_URL"),
        ("smtp://localhost:port", "a@b.de", "SMTP_URL"),
        ("smtp://localhost?tls=no", "a@b.de", "SMTP_URL"),
        ("smtp+plain://user:password@localhost", "a@b.de", "in the open"),
        ("smtp://localhost", None, "MAIL_FROM"),
        ("smtp://localhost", "nobody", "MAIL_FROM"),
    ],
)
def test_settings_of_no_use_are_told_at_the_start(url: str, sender: str | None, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word) as caught:
        MailTransport(Settings(smtp_url=SecretStr(url), mail_from=sender))
    assert "password@" not in str(caught.value).replace("user:password@host", "")


def test_certificates_must_be_some() -> None:
    with pytest.raises(ConfigurationError, match="SMTP_CA"):
        MailTransport(Settings(smtp_ca="nonsense"))


async def test_without_a_server_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    await send(Settings())
    out = "".join(capsys.readouterr())
    assert "mail_printed" in out
    assert "with a line" in out
    assert "ann@example.org" in out
