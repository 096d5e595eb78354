"""Registration, log-in, refresh, log-out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.core.ids import from_global
from graph.models import AuditLog, Session
from graph.users.authentication import Authenticator
from tests.graph.users.asking import LOG_IN, LOG_OUT, ME, PASSWORD, REFRESH, REGISTER, Browser, address
from tests.graph.users.test_api_tokens import refused_within
from tests.processes import PATIENCE


async def test_register_gives_a_session_and_a_personal_workspace(app: Starlette) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(f"  {email.upper()} ")
    assert opened["user"]["email"] == email
    assert opened["user"]["role"] == "USER"
    (workspace,) = opened["user"]["workspaces"]
    assert (workspace["role"], workspace["personal"]) == ("OWNER", True)
    assert (await browser.ask(ME, opened["accessToken"]))["email"] == email
    left = datetime.fromisoformat(opened["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("email", "password", "name", "code", "path"),
    [
        ("nonsense", PASSWORD, "Ann", "EMAIL_INVALID", ["email"]),
        ("a@b@c.org", PASSWORD, "Ann", "EMAIL_INVALID", ["email"]),
        ("a b@c.org", PASSWORD, "Ann", "EMAIL_INVALID", ["email"]),
        (f"{'x' * 250}@c.org", PASSWORD, "Ann", "EMAIL_INVALID", ["email"]),
        ("ann@example.org", "short", "Ann", "PASSWORD_TOO_SHORT", ["password"]),
        ("ann@example.org", "QwertyQwerty", "Ann", "PASSWORD_COMMON", ["password"]),
        ("ann.anders@example.org", "ann.anders@example.org", "Ann", "PASSWORD_TOO_SIMPLE", ["password"]),
        ("ann@example.org", PASSWORD, "  ", "NAME_INVALID", ["name"]),
        ("ann@example.org", PASSWORD, "a\nb", "NAME_INVALID", ["name"]),
        ("ann@example.org", PASSWORD, "a\x00b", "NAME_INVALID", ["name"]),
    ],
)
async def test_bad_registrations_name_the_field(
    app: Starlette, email: str, password: str, name: str, code: str, path: list[str]
) -> None:
    answer = await Browser(app).ask(REGISTER, input={"email": email, "password": password, "name": name})
    assert (answer["__typename"], answer["code"], answer["path"]) == ("InvalidInputError", code, path)


async def test_an_address_registers_once_however_it_is_written(app: Starlette) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    again = await browser.register(email.upper())
    assert again["code"] == "EMAIL_TAKEN"


async def test_wrong_password_and_unknown_user_look_the_same(app: Starlette) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    wrong = await browser.log_in(email, "wrong horse battery")
    unknown = await browser.log_in(address(), PASSWORD)
    assert wrong == unknown
    assert wrong["code"] == "CREDENTIALS_WRONG"
    assert (await browser.log_in(email))["user"]["email"] == email


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Starlette) -> None:
    browser = Browser(app)
    await browser.register()
    assert browser.last is not None
    cookie = browser.last.headers["set-cookie"]
    assert cookie.startswith("karyaksham-refresh=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie  # plain http on localhost


async def test_the_cookie_on_https_is_bound_to_the_host(services: Services) -> None:
    settings = services.settings.model_copy(update={"public_url": "https://kar.example.org"})
    secure = create_app(settings)
    try:
        browser = Browser(secure, "https://kar.example.org")
        await browser.register()
        assert browser.last is not None
        cookie = browser.last.headers["set-cookie"]
        assert cookie.startswith("__Host-karyaksham-refresh=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert "strict-transport-security" in browser.last.headers
        assert (await browser.ask(REFRESH))["__typename"] == "RefreshSessionSuccess"
    finally:
        made: Services = secure.state.services
        await made.events.close()
        await made.queue.close()
        await made.db.close()


async def test_refresh_rotates(app: Starlette) -> None:
    browser = Browser(app)
    opened = await browser.register()
    first = browser.http.cookies["karyaksham-refresh"]
    refreshed = await browser.ask(REFRESH)
    assert refreshed["user"]["id"] == opened["user"]["id"]
    assert browser.http.cookies["karyaksham-refresh"] != first
    assert (await browser.ask(ME, refreshed["accessToken"]))["id"] == opened["user"]["id"]


async def test_reuse_of_a_refresh_token_ends_the_session_for_both(app: Starlette, services: Services) -> None:
    owner, thief = Browser(app), Browser(app)
    opened = await owner.register()
    stolen = owner.http.cookies["karyaksham-refresh"]
    await owner.ask(REFRESH)
    await owner.ask(REFRESH)  # an older one than the last is recognised too
    thief.http.cookies.set("karyaksham-refresh", stolen)
    assert await thief.code(REFRESH) == "UNAUTHENTICATED"
    assert await owner.code(REFRESH) == "UNAUTHENTICATED"
    assert "karyaksham-refresh" not in owner.http.cookies
    async with services.db.system() as session:
        found = await session.scalars(
            select(AuditLog.action).where(AuditLog.actor_id == from_global(opened["user"]["id"], "User"))
        )
        assert "session.reuse_detected" in set(found)


async def test_two_refreshes_at_once_do_not_both_win(app: Starlette) -> None:
    import asyncio

    browser = Browser(app)
    await browser.register()
    token = browser.http.cookies["karyaksham-refresh"]
    others = [Browser(app) for _ in range(4)]
    for other in others:
        other.http.cookies.set("karyaksham-refresh", token)
    answers = await asyncio.gather(*(other.post(REFRESH) for other in others))
    assert sum("errors" not in answer for answer in answers) == 1


@pytest.mark.parametrize("token", ["", "x", "00000000000070008000000000000000.abc", "%E9", "." * 500])
async def test_made_up_refresh_tokens(app: Starlette, token: str) -> None:
    browser = Browser(app)
    body = await browser.post(REFRESH, headers={"Cookie": f"karyaksham-refresh={token}"})
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_expired_session_cannot_refresh(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    async with services.db.system() as session:
        await session.execute(
            update(Session)
            .where(Session.user_id == from_global(opened["user"]["id"], "User"))
            .values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        )
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"


async def aged(services: Services, user_id: str, age: timedelta) -> None:
    """Let the sessions of somebody have begun so long ago; used a moment ago, as their expiry says."""
    async with services.db.system() as session:
        await session.execute(
            update(Session)
            .where(Session.user_id == from_global(user_id, "User"))
            .values(created_at=datetime.now(UTC) - age)
        )


async def test_a_session_that_is_used_ends_by_its_age(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    assert services.settings.session_max_days == 30
    await aged(services, opened["user"]["id"], timedelta(days=30, seconds=-90))
    refreshed = await browser.ask(REFRESH)
    # neither the session nor its access token outlives the end
    left = datetime.fromisoformat(refreshed["expiresAt"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=90)
    async with services.db.system() as session:
        query = select(Session).where(Session.user_id == from_global(opened["user"]["id"], "User"))
        row = (await session.scalars(query)).one()
        assert row.expires_at - row.created_at <= timedelta(days=30)
        # as a version of before, which knows no such end, would leave it
        row.expires_at = datetime.now(UTC) + timedelta(days=30)
    await aged(services, opened["user"]["id"], timedelta(days=30))
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"
    assert "karyaksham-refresh" not in browser.http.cookies


async def test_a_shorter_life_holds_for_sessions_of_before(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    await aged(services, opened["user"]["id"], timedelta(days=8))
    cookie = browser.http.cookies["karyaksham-refresh"]
    shorter = create_app(services.settings.model_copy(update={"session_max_days": 7}))
    made: Services = shorter.state.services
    try:
        other = Browser(shorter)
        other.http.cookies.set("karyaksham-refresh", cookie)
        assert await other.code(REFRESH) == "UNAUTHENTICATED"
    finally:
        await made.events.close()
        await made.queue.close()
        await made.db.close()
    assert (await browser.ask(REFRESH))["__typename"] == "RefreshSessionSuccess"


async def test_log_out_ends_cookie_and_session(app: Starlette) -> None:
    browser = Browser(app)
    await browser.register()
    token = browser.http.cookies["karyaksham-refresh"]
    await browser.ask(LOG_OUT)
    assert "karyaksham-refresh" not in browser.http.cookies
    browser.http.cookies.set("karyaksham-refresh", token)
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"


async def test_a_log_in_ends_the_session_that_the_browser_had(app: Starlette, listening: Authenticator) -> None:
    """And no other: not when it fails, and not one of another browser."""
    mail = address()
    browser, elsewhere = Browser(app), Browser(app)
    first = (await browser.register(mail))["accessToken"]
    other = (await elsewhere.log_in(mail))["accessToken"]
    await browser.log_in(mail, "wrong horse battery")
    assert (await browser.ask(ME, first))["email"] == mail
    second = (await browser.log_in(mail))["accessToken"]
    assert await refused_within(PATIENCE, browser, first)
    assert (await browser.ask(ME, second))["email"] == mail
    assert (await elsewhere.ask(ME, other))["email"] == mail


async def test_log_out_without_a_session_is_fine(app: Starlette) -> None:
    assert (await Browser(app).ask(LOG_OUT))["__typename"] == "LogOutSuccess"


async def test_disabled_account_is_shut_out(app: Starlette, services: Services) -> None:
    browser, email = Browser(app), address()
    await browser.register(email)
    async with services.db.system() as session:
        await session.execute(text("UPDATE users SET disabled_at = now() WHERE email = :email"), {"email": email})
    assert (await browser.log_in(email))["code"] == "CREDENTIALS_WRONG"
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"


async def test_me_without_and_with_broken_credentials(app: Starlette) -> None:
    browser = Browser(app)
    assert await browser.ask(ME) is None
    assert await browser.code(ME, "broken") == "UNAUTHENTICATED"
    body = await browser.post(ME, headers={"Authorization": "Basic abc"})
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    email = address()
    await browser.register(email)
    answer = await browser.post(
        LOG_IN, "expired", input={"email": email, "password": PASSWORD}
    )  # an old token in the header must not stop a log-in
    assert answer["data"]["logIn"]["user"]["email"] == email


async def test_closed_registration(services: Services) -> None:
    closed = create_app(services.settings.model_copy(update={"registration": "closed"}))
    try:
        assert (await Browser(closed).register())["code"] == "REGISTRATION_CLOSED"
    finally:
        made: Services = closed.state.services
        await made.events.close()
        await made.queue.close()
        await made.db.close()


async def test_the_administrator_is_made_once(services: Services, app: Starlette) -> None:
    from graph.core.settings import Settings

    email = address()
    settings: Settings = services.settings.model_copy(
        update={"admin_email": email, "admin_password": Settings(admin_password=PASSWORD).admin_password}  # type: ignore[arg-type]
    )
    accounts = services.accounts
    original = accounts._settings
    accounts._settings = settings
    try:
        assert await accounts.ensure_administrator()
        assert not await accounts.ensure_administrator()
    finally:
        accounts._settings = original
    assert (await Browser(app).log_in(email))["user"]["role"] == "ADMIN"


async def test_one_log_in_per_document(app: Starlette) -> None:
    one = 'logIn(input: {email: "a@b.c", password: "x"}) { __typename }'
    code = await Browser(app).code(f"mutation {{ a: {one} b: {one} }}")
    assert code == "DOCUMENT_LIMIT_EXCEEDED"
