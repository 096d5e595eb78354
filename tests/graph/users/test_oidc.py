"""Single sign-on with a real provider: the way there and back, and the session that comes of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, update
from starlette.applications import Starlette

from graph.context import Services
from graph.core.errors import ConfigurationError
from graph.core.ids import from_global
from graph.core.settings import load_settings
from graph.models import AuditLog, Session, User
from graph.users.oidc_state import Begun, safe_place, unseal
from tests.graph.users.asking import ME, PASSWORD, REFRESH, REGISTER, Browser, address
from tests.graph.users.signing_on import LOG_OUT, METHODS, PUBLIC_URL, Person, problem, signing_on
from tests.oidc_provider import OidcProvider, oidc_provider
from tests.stack import Backends

COOKIE = "karyaksham-oidc"


async def test_what_is_asked_of_the_provider(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    url = await person.start("/jobs")
    assert url.startswith(f"{provider.issuer}/auth?")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
    begun = unseal(person.http.cookies[COOKIE], sso.state.services.keys)
    assert begun is not None
    challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
    assert asked == {
        "response_type": "code",
        "client_id": "karyaksham",
        "redirect_uri": f"{PUBLIC_URL}/auth/oidc/callback",
        "scope": "openid email profile",
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    again = unseal((await _cookie_of_a_start(sso)), sso.state.services.keys)
    assert again is not None
    assert {again.state, again.nonce, again.verifier}.isdisjoint({begun.state, begun.nonce, begun.verifier})


async def _cookie_of_a_start(app: Starlette) -> str:
    person = Person(app)
    await person.start()
    return person.http.cookies[COOKIE]


async def test_the_session_is_that_of_a_password(sso: Starlette) -> None:
    person, services = Person(sso), sso.state.services
    assert await person.sign_on("/jobs?status=FAILED") == "/jobs?status=FAILED"
    assert person.last is not None
    kept = {each.partition("=")[0]: each for each in person.last.headers.get_list("set-cookie")}
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=2592000"):
        assert part in kept["karyaksham-refresh"]
    assert "Max-Age=0" in kept[COOKIE]
    assert person.last.headers["cache-control"] == "no-store"

    opened = await person.opened()
    assert (opened["user"]["email"], opened["user"]["name"]) == (person.email, person.name)
    (workspace,) = opened["user"]["workspaces"]
    assert (workspace["role"], workspace["personal"]) == ("OWNER", True)
    assert (await person.ask(ME, opened["accessToken"]))["role"] == "USER"

    # a family of refresh tokens: an older one that comes back ends it
    stolen = person.http.cookies["karyaksham-refresh"]
    await person.ask(REFRESH)
    thief = Browser(sso, PUBLIC_URL)
    thief.http.cookies.set("karyaksham-refresh", stolen)
    assert await thief.code(REFRESH) == "UNAUTHENTICATED"
    assert await person.code(REFRESH) == "UNAUTHENTICATED"

    user_id = from_global(opened["user"]["id"], "User")
    async with services.db.system() as session:
        rows = list(await session.scalars(select(AuditLog).where(AuditLog.actor_id == user_id).order_by(AuditLog.id)))
    assert [row.action for row in rows] == ["user.register", "identity.link", "user.login", "session.reuse_detected"]
    assert rows[2].data == {"issuer": services.settings.oidc_issuer}
    assert rows[2].address


async def test_who_comes_again_is_the_same_account(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    first = await person.enter()
    # the provider's address and name change: the subject does not
    provider.account(person.name, email=address(), name="Another Name")
    second = await Person(sso, person.name).enter()
    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["email"] == person.email


async def test_two_tabs_at_once_make_one_account(sso: Starlette) -> None:
    one = Person(sso)
    other = Person(sso, one.name)
    urls = [await each.authorize(await each.start()) for each in (one, other)]
    await asyncio.gather(one.back(urls[0]), other.back(urls[1]))
    assert (await one.opened())["user"]["id"] == (await other.opened())["user"]["id"]


async def test_a_public_client_and_another_algorithm(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, oidc_client_id="public", oidc_client_secret=None) as app:
        assert (await Person(app).enter())["user"]["email"]


async def test_claims_in_the_id_token_go_before_those_of_userinfo(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    with provider.forging("inside"):
        opened = await person.enter()
    assert (opened["user"]["email"], opened["user"]["name"]) == (f"inside-{person.name}@example.org", "Inside")


async def test_a_new_key_of_the_provider_is_found(sso: Starlette, provider: OidcProvider) -> None:
    await Person(sso).enter()
    provider.rotate()
    await Person(sso).enter()


async def test_a_session_ends_whatever_its_use(sso: Starlette) -> None:
    person, services = Person(sso), sso.state.services
    opened = await person.enter()
    user_id = from_global(opened["user"]["id"], "User")
    hours = timedelta(hours=services.settings.oidc_session_hours)
    async with services.db.system() as session:
        row = (await session.scalars(select(Session).where(Session.user_id == user_id))).one()
        assert row.ends_at is not None
        assert row.expires_at == row.ends_at
        assert timedelta(0) < datetime.now(UTC) + hours - row.ends_at < timedelta(hours=1)
        # as if it had been refreshed by the version before, which knows no end
        row.ends_at, row.expires_at = datetime.now(UTC), datetime.now(UTC) + timedelta(days=30)
    assert await person.code(REFRESH) == "UNAUTHENTICATED"


async def test_who_is_disabled_here_does_not_enter(sso: Starlette) -> None:
    person, services = Person(sso), sso.state.services
    opened = await person.enter()
    async with services.db.system() as session:
        user_id = from_global(opened["user"]["id"], "User")
        await session.execute(update(User).where(User.id == user_id).values(disabled_at=func.now()))
    assert problem(await person.sign_on()) == "ACCOUNT_DISABLED"


async def test_logging_out_tells_the_page_of_the_provider(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    opened = await person.enter()
    answer = await person.ask(LOG_OUT, opened["accessToken"])
    back = f"{PUBLIC_URL}/sign-in"
    assert await person.visitor.sign_in(answer["providerUrl"], person.name, until=back) == back
    assert await person.code(REFRESH) == "UNAUTHENTICATED"
    # at the provider the session has ended too: it asks who is there
    page = await person.visitor.http.get(await person.start(), follow_redirects=True)
    assert 'name="login"' in page.text

    other = Browser(sso, PUBLIC_URL)
    by_password = await other.register()
    assert (await other.ask(LOG_OUT, by_password["accessToken"]))["providerUrl"] is None


async def test_the_cookie_on_https_is_bound_to_the_host(backends: Backends) -> None:
    url = "https://kar.example.org"
    with oidc_provider() as own:
        own.serve(url)
        async with signing_on(backends.settings, own, public_url=url) as app:
            person = Person(app, base_url=url)
            answer = await person.http.get("/auth/oidc/start")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-karyaksham-oidc=")
            assert "Domain" not in cookie
            for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
                assert part in cookie
            assert await person.sign_on() == "/"
            assert person.last is not None
            assert any(
                each.startswith("__Host-karyaksham-refresh=") for each in person.last.headers.get_list("set-cookie")
            )


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "https://evil.example.org",
        "//evil.example.org",
        "/\\evil.example.org",
        "/\t/evil.example.org",
        "\\/evil.example.org",
        "/a\r\nset-cookie: x=y",
        "javascript:alert(1)",
        "jobs",
        "/auth/oidc/start",
        "/" + "x" * 2000,
    ],
)
async def test_it_leads_nowhere_else(text: str | None) -> None:
    assert safe_place(text) == "/"


async def test_a_place_elsewhere_is_forgotten(sso: Starlette) -> None:
    assert await Person(sso).sign_on("//evil.example.org/jobs") == "/"
    assert safe_place("/jobs/abc?view=x&y=%2F#z") == "/jobs/abc?view=x&y=%2F#z"


async def test_the_page_learns_how_one_signs_in(app: Starlette, backends: Backends, provider: OidcProvider) -> None:
    assert await Browser(app).ask(METHODS) == {"password": True, "provider": None}
    assert (await Browser(app).http.get("/auth/oidc/start")).json()["code"] == "OIDC_OFF"
    async with signing_on(backends.settings, provider, oidc_name="Example ID", password_login="off") as only:
        person = Person(only)
        assert await person.ask(METHODS) == {
            "password": False,
            "provider": {"name": "Example ID", "url": "/auth/oidc/start"},
        }
        assert (await person.log_in(address(), PASSWORD))["code"] == "PASSWORD_LOGIN_OFF"
        variables = {"email": address(), "password": PASSWORD, "name": "Ann"}
        assert (await person.ask(REGISTER, input=variables))["code"] == "PASSWORD_LOGIN_OFF"
        await person.enter()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OIDC_ISSUER", "http://id.example.org", "https://"),
        ("OIDC_ISSUER", "https://id.example.org?x=y", "https://"),
        ("OIDC_ISSUER", "id.example.org", "https://"),
        ("OIDC_CLIENT_ID", "", "OIDC_CLIENT_ID"),
        ("OIDC_SCOPES", "email", "openid"),
        ("OIDC_ADMIN_CLAIM", "groups", "OIDC_ADMIN_VALUES"),
    ],
)
def test_settings_that_cannot_work_are_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("OIDC_ISSUER", "https://id.example.org")
    monkeypatch.setenv("OIDC_CLIENT_ID", "karyaksham")
    load_settings()
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        load_settings()


def test_without_a_provider_passwords_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_LOGIN", "off")
    with pytest.raises(ConfigurationError, match="nobody could log in"):
        load_settings()


async def test_only_our_own_cookie_of_that_kind_is_read(sso: Starlette) -> None:
    services: Services = sso.state.services
    person = Person(sso)
    opened = await person.enter()
    assert unseal(opened["accessToken"], services.keys) is None
    assert unseal(None, services.keys) is None
    begun = Begun.new("/")
    assert begun.to_link is None
    assert begun.answers(begun.state)
    assert not begun.answers(None)
