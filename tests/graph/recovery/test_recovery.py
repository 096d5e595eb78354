"""Verified addresses and new passwords, from the wish to the link to its use."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from starlette.applications import Starlette

from graph.context import Services
from graph.core.ids import from_global
from graph.mails.mailer import Mailer
from graph.models import AccountToken, AuditLog, Mail, User
from graph.recovery.repository import NOW
from graph.users.authentication import Authenticator
from tests.graph.mails.mailbox import Mailbox
from tests.graph.users.asking import CREATE_TOKEN, ME, PASSWORD, REFRESH, Browser, address

REQUEST = """mutation ($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) {
  __typename ... on Error { code path } } }"""
RESET = """mutation ($input: ResetPasswordInput!) { resetPassword(input: $input) {
  __typename ... on Error { code path } } }"""
CHANGE = """mutation ($input: ChangePasswordInput!) { changePassword(input: $input) {
  __typename ... on Error { code path } } }"""
ASK = """mutation { requestEmailVerification { __typename
  ... on RequestEmailVerificationSuccess { email } ... on Error { code } } }"""
VERIFY = """mutation ($input: VerifyEmailInput!) { verifyEmail(input: $input) { __typename
  ... on VerifyEmailSuccess { email } ... on Error { code path } } }"""
MINE = "{ me { email emailVerified } }"
DATASETS = "{ datasets(first: 1) { nodes { id } } }"
NEW = "another horse battery"
VOID = {"__typename": "InvalidInputError", "code": "TOKEN_INVALID", "path": ["token"]}


async def deliver(services: Services, box: Mailbox) -> None:
    mailer = Mailer(services.db, box.settings(services.settings))
    await mailer.send_due()
    await mailer.close()


def token_in(box: Mailbox, email: str, page: str) -> str:
    """The token of the last link to a page."""
    found = [link for each in box.to(email) for link in re.findall(rf"/{page}#(\S+)", each.get_content())]
    return str(found[-1])


async def ask_reset(browser: Browser, services: Services, box: Mailbox, email: str) -> str:
    assert (await browser.ask(REQUEST, input={"email": email}))["__typename"] == "RequestPasswordResetSuccess"
    await deliver(services, box)
    return token_in(box, email.strip().lower(), "new-password")


async def actions(services: Services, user_id: str) -> set[str]:
    async with services.db.system() as session:
        key = from_global(user_id, "User")
        return set(await session.scalars(select(AuditLog.action).where(AuditLog.actor_id == key)))


async def test_an_address_is_verified_by_its_link_once(app: Starlette, services: Services, box: Mailbox) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    assert await browser.ask(MINE, opened["accessToken"]) == {"email": email, "emailVerified": False}
    await deliver(services, box)
    token = token_in(box, email, "verify-email")
    elsewhere = Browser(app)  # a link may be opened anywhere
    assert (await elsewhere.ask(VERIFY, input={"token": token})) == {"__typename": "VerifyEmailSuccess", "email": email}
    assert await elsewhere.ask(VERIFY, input={"token": token}) == VOID
    assert (await browser.ask(MINE, opened["accessToken"]))["emailVerified"]
    assert (await browser.ask(ASK, opened["accessToken"]))["code"] == "EMAIL_VERIFIED"
    assert "user.verify_email" in await actions(services, opened["user"]["id"])


async def test_the_link_can_be_sent_again_and_any_of_them_works(
    app: Starlette, services: Services, box: Mailbox
) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    await deliver(services, box)
    first = token_in(box, email, "verify-email")
    assert (await browser.ask(ASK, opened["accessToken"]))["email"] == email
    await deliver(services, box)
    second = token_in(box, email, "verify-email")
    assert first != second
    assert (await browser.ask(VERIFY, input={"token": first}))["email"] == email
    assert await browser.ask(VERIFY, input={"token": second}) == VOID


async def test_a_link_is_of_the_address_it_was_sent_to(app: Starlette, services: Services, box: Mailbox) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    await deliver(services, box)
    async with services.db.system() as session:
        await session.execute(update(User).where(User.email == email).values(email=address()))
    assert await browser.ask(VERIFY, input={"token": token_in(box, email, "verify-email")}) == VOID


@pytest.mark.parametrize("page", ["verify-email", "new-password"])
async def test_links_expire_and_are_of_one_purpose(app: Starlette, services: Services, box: Mailbox, page: str) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    token = await ask_reset(browser, services, box, email)
    if page == "verify-email":
        token = token_in(box, email, page)
    verify, reset = {"token": token}, {"token": token, "password": NEW}
    crossed = (RESET, reset) if page == "verify-email" else (VERIFY, verify)
    assert await browser.ask(crossed[0], input=crossed[1]) == VOID
    async with services.db.system() as session:
        await session.execute(update(AccountToken).values(expires_at=NOW - timedelta(seconds=1)))
    document, values = (VERIFY, verify) if page == "verify-email" else (RESET, reset)
    assert await browser.ask(document, input=values) == VOID
    assert (await browser.log_in(email))["__typename"] == "LogInSuccess"


async def test_a_new_password_ends_all_sessions_and_the_owner_is_told(
    app: Starlette, services: Services, box: Mailbox, listening: Authenticator
) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    other = Browser(app)
    stolen = await other.log_in(email)
    forgetful = Browser(app)
    token = await ask_reset(forgetful, services, box, f" {email.upper()}")
    assert (await forgetful.ask(RESET, input={"token": token, "password": NEW}))["__typename"] == "ResetPasswordSuccess"
    for each, access in ((browser, opened["accessToken"]), (other, stolen["accessToken"])):
        assert await each.code(REFRESH) == "UNAUTHENTICATED"
        async with asyncio.timeout(60):
            while "errors" not in await each.post(ME, access):
                await asyncio.sleep(0.01)
    assert (await forgetful.log_in(email))["code"] == "CREDENTIALS_WRONG"
    assert (await forgetful.log_in(email, NEW))["__typename"] == "LogInSuccess"
    assert await forgetful.ask(RESET, input={"token": token, "password": PASSWORD}) == VOID
    await deliver(services, box)
    assert "password was changed" in box.to(email)[-1]["Subject"]
    assert "user.password_reset" in await actions(services, opened["user"]["id"])
    async with services.db.system() as session:
        # who reads the mail of the address has shown that it is theirs
        assert (await session.scalars(select(User.email_verified_at).where(User.email == email))).one() is not None


async def test_a_password_is_changed_by_the_current_one(
    app: Starlette, services: Services, box: Mailbox, listening: Authenticator
) -> None:
    browser, other, email = Browser(app), Browser(app), address()
    token = (await browser.register(email))["accessToken"]
    stolen = await other.log_in(email)
    link = await ask_reset(other, services, box, email)
    wrong = await browser.ask(CHANGE, token, input={"password": NEW, "newPassword": NEW})
    assert (wrong["code"], wrong["path"]) == ("CREDENTIALS_WRONG", ["password"])
    weak = await browser.ask(CHANGE, token, input={"password": PASSWORD, "newPassword": "short"})
    assert (weak["code"], weak["path"]) == ("PASSWORD_TOO_SHORT", ["newPassword"])
    common = await browser.ask(CHANGE, token, input={"password": PASSWORD, "newPassword": "qwertyqwerty"})
    assert (common["code"], common["path"]) == ("PASSWORD_COMMON", ["newPassword"])
    done = await browser.ask(CHANGE, token, input={"password": PASSWORD, "newPassword": NEW})
    assert done["__typename"] == "ChangePasswordSuccess"
    assert (await browser.ask(ME, token))["email"] == email
    assert (await browser.ask(REFRESH))["__typename"] == "RefreshSessionSuccess"
    assert await other.code(REFRESH) == "UNAUTHENTICATED"
    async with asyncio.timeout(60):
        while "errors" not in await other.post(ME, stolen["accessToken"]):
            await asyncio.sleep(0.01)
    assert await other.ask(RESET, input={"token": link, "password": PASSWORD}) == VOID
    assert (await other.log_in(email))["code"] == "CREDENTIALS_WRONG"
    assert (await other.log_in(email, NEW))["__typename"] == "LogInSuccess"
    await deliver(services, box)
    assert "password was changed" in box.to(email)[-1]["Subject"]


async def test_of_two_at_once_one_sets_the_password(app: Starlette, services: Services, box: Mailbox) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    token = await ask_reset(browser, services, box, email)
    answers = await asyncio.gather(
        *(Browser(app).ask(RESET, input={"token": token, "password": f"{NEW} {number}"}) for number in range(4))
    )
    assert sorted(each["__typename"] for each in answers) == ["InvalidInputError"] * 3 + ["ResetPasswordSuccess"]


async def test_a_weak_password_leaves_the_link_good(app: Starlette, services: Services, box: Mailbox) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    token = await ask_reset(browser, services, box, email)
    for weak in ("short", email, "qwertyqwerty"):
        answer = await browser.ask(RESET, input={"token": token, "password": weak})
        assert (answer["__typename"], answer["path"]) == ("InvalidInputError", ["password"])
    assert (await browser.ask(RESET, input={"token": token, "password": NEW}))["__typename"] == "ResetPasswordSuccess"


async def statements(app: Starlette, services: Services, email: str) -> tuple[Any, list[str]]:
    """The answer to a wish for a new password, and what the database was asked for it."""
    from sqlalchemy import event

    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = services.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        return await Browser(app).post(REQUEST, input={"email": email}), seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_known_and_unknown_addresses_look_the_same(app: Starlette, services: Services, box: Mailbox) -> None:
    known, unknown, disabled = address(), address(), address()
    await Browser(app).register(known)
    await Browser(app).register(disabled)
    async with services.db.system() as session:
        await session.execute(text("UPDATE users SET disabled_at = now() WHERE email = :email"), {"email": disabled})
    # the same work: nothing is looked up that could differ, so no clock can tell either
    first, *others = [await statements(app, services, each) for each in (known, unknown, disabled)]
    assert first[1]
    assert not any("users" in statement for statement in first[1])
    assert others == [first, first]
    await deliver(services, box)
    assert any("new password" in each["Subject"] for each in box.to(known))
    assert box.to(unknown) == []
    assert not any("new password" in each["Subject"] for each in box.to(disabled))
    async with services.db.system() as session:
        rows = await session.execute(select(Mail.recipient, Mail.status).where(Mail.kind == "RESET_PASSWORD"))
        states = {str(email): str(status) for email, status in rows}
    assert [states[each] for each in (known, unknown, disabled)] == ["SENT", "DROPPED", "DROPPED"]


async def test_wishes_are_limited_by_address_whether_it_has_an_account(app: Starlette) -> None:
    for email in (address(), address()):
        await Browser(app).register(email)
        for wanted in (email, address()):
            for _ in range(3):
                await Browser(app).ask(REQUEST, input={"email": wanted})
            assert await Browser(app).code(REQUEST, input={"email": wanted}) == "RATE_LIMITED"
    assert (await Browser(app).ask(REQUEST, input={"email": "nonsense"}))["code"] == "EMAIL_INVALID"


async def test_made_up_tokens(app: Starlette) -> None:
    for token in ("", "x", "é" * 300, "\x00"):
        assert await Browser(app).ask(VERIFY, input={"token": token}) == VOID
        assert await Browser(app).ask(RESET, input={"token": token, "password": NEW}) == VOID


async def test_a_service_may_demand_verified_addresses(
    app: Starlette, services: Services, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    token = opened["accessToken"]
    await browser.ask(DATASETS, token)  # not by default
    demanding = services.settings.model_copy(update={"require_verified_email": True})
    monkeypatch.setattr(services.authenticator, "_settings", demanding)
    made = await browser.ask(CREATE_TOKEN, token, input={"name": "n", "scopes": ["READ"]})
    for each in (token, made["token"]):
        assert await browser.code(DATASETS, each) == "EMAIL_UNVERIFIED"
        assert (await browser.ask(ME, each))["email"] == email
    await deliver(services, box)
    await browser.ask(VERIFY, input={"token": token_in(box, email, "verify-email")})
    await browser.ask(DATASETS, token)  # the same session, at once
    refreshed = await browser.ask(REFRESH)
    await browser.ask(DATASETS, refreshed["accessToken"])
