"""Single sign-on that must not succeed: answers that are forged, replayed or another's, and providers that are away."""

from __future__ import annotations

import re

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette

from graph.models import AuditLog, Identity
from graph.users.oidc_client import ANSWER_BYTES, Provider, ProviderAway
from tests.graph.users.asking import LOG_OUT, REFRESH, Browser
from tests.graph.users.signing_on import LINK, PUBLIC_URL, Person, problem, signing_on
from tests.oidc_provider import OidcProvider, oidc_provider
from tests.stack import Backends

COOKIE = "karyaksham-oidc"
CALLBACK = "/auth/oidc/callback"


async def refused(person: Person, url: str) -> str:
    """Come back with this URL: nobody is logged in, and the sign-in under way is over; returns the code."""
    answer = await person.back(url)
    assert "karyaksham-refresh" not in person.http.cookies
    assert COOKIE not in person.http.cookies
    assert await person.code(REFRESH) == "UNAUTHENTICATED"
    return problem(answer.headers["location"])


@pytest.mark.parametrize(
    "kind",
    [
        *("nonce", "no-nonce", "expired", "audience", "azp", "audiences", "issuer", "subject"),
        *("key", "none", "hmac", "userinfo"),
    ],
)
async def test_a_token_that_lies(sso: Starlette, provider: OidcProvider, kind: str) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    with provider.forging(kind):
        assert await refused(person, url) == "OIDC_TOKEN_INVALID"
    async with sso.state.services.db.system() as session:
        assert (await session.scalars(select(Identity).where(Identity.subject == person.name))).all() == []
        failed = await session.scalars(
            select(AuditLog).where(AuditLog.action == "user.login_failed").order_by(AuditLog.id.desc()).limit(1)
        )
        assert failed.one().data == {"issuer": provider.issuer, "code": "OIDC_TOKEN_INVALID"}
    # the same person, once the provider tells the truth
    await person.enter()


async def test_a_state_of_another_sign_in(sso: Starlette) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    changed = re.sub(r"state=[^&]+", "state=another", url)
    assert await refused(person, changed) == "OIDC_STATE_UNKNOWN"


async def test_a_page_elsewhere_begins_no_sign_in(sso: Starlette) -> None:
    person = Person(sso)
    for site, place in (("cross-site", "/sign-in?next=%2Fjobs"), ("same-origin", "http"), ("none", "http")):
        answer = await person.http.get(
            "/auth/oidc/start", params={"next": "/jobs"}, headers={"Sec-Fetch-Site": site}, follow_redirects=False
        )
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(place)
        assert (COOKIE in answer.headers.get("set-cookie", "")) == (place == "http")


async def test_parameters_that_come_twice(sso: Starlette) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    assert await refused(person, f"{url}&code=another") == "OIDC_STATE_UNKNOWN"


async def test_a_sign_in_is_answered_once(sso: Starlette) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    assert await refused(person, re.sub(r"state=[^&]+", "state=another", url)) == "OIDC_STATE_UNKNOWN"
    # the cookie has ended with it: the true one is of no use any more
    assert await refused(person, url) == "OIDC_STATE_UNKNOWN"


async def test_an_answer_in_another_browser(sso: Starlette) -> None:
    """Nobody is logged in to an attacker's account by a link."""
    attacker, victim = Person(sso), Person(sso)
    url = await attacker.authorize(await attacker.start())
    assert await refused(victim, url) == "OIDC_STATE_UNKNOWN"
    # not even while a sign-in of their own is under way
    await victim.start()
    assert await refused(victim, url) == "OIDC_STATE_UNKNOWN"


async def test_an_altered_cookie(sso: Starlette) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    header, claims, signature = person.http.cookies[COOKIE].split(".")
    person.http.cookies.set(COOKIE, f"{header}.{claims}.{signature[::-1]}", domain="testserver.local", path="/")
    assert await refused(person, url) == "OIDC_STATE_UNKNOWN"


async def test_a_code_that_was_used(sso: Starlette) -> None:
    person, thief = Person(sso), Person(sso)
    url = await person.authorize(await person.start())
    cookie = person.http.cookies[COOKIE]
    assert (await person.back(url)).headers["location"] == "/"
    # even with the cookie of that sign-in the provider does not take it twice
    thief.http.cookies.set(COOKIE, cookie, domain="testserver.local", path="/")
    assert await refused(thief, url) == "OIDC_REFUSED"


async def test_a_code_without_its_verifier(sso: Starlette) -> None:
    """PKCE: a code that was caught is good for nothing in another sign-in."""
    person, thief = Person(sso), Person(sso)
    url = await person.authorize(await person.start())
    theirs = await thief.authorize(await thief.start())
    (code,) = re.findall(r"code=([^&]+)", url)
    assert await refused(thief, re.sub(r"code=[^&]+", f"code={code}", theirs)) == "OIDC_REFUSED"


@pytest.mark.parametrize("said", ["", "&iss=https%3A%2F%2Felsewhere.example.org"])
async def test_an_answer_of_another_provider(sso: Starlette, said: str) -> None:
    """RFC 9207: the provider says that it names itself, so it must."""
    person = Person(sso)
    url = await person.authorize(await person.start())
    assert await refused(person, re.sub(r"&iss=[^&]+", said, url)) == "OIDC_ISSUER_MISMATCH"


async def test_who_cancels(sso: Starlette) -> None:
    person = Person(sso)
    url = await person.visitor.refuse(await person.start("/jobs"), until=PUBLIC_URL)
    answer = await person.back(url)
    assert answer.headers["location"] == "/sign-in?problem=OIDC_DENIED&next=%2Fjobs"


@pytest.mark.parametrize("query", ["", "?error=server_error", "?code=x", "?state=&code="])
async def test_answers_without_a_sign_in(sso: Starlette, query: str) -> None:
    assert await refused(Person(sso), f"{CALLBACK}{query}") == "OIDC_STATE_UNKNOWN"


async def test_an_error_of_the_provider(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    url = await person.authorize(await person.start())
    (state,) = re.findall(r"state=([^&]+)", url)
    changed = f"{CALLBACK}?error=temporarily_unavailable&state={state}&iss={provider.issuer}"
    assert await refused(person, changed) == "OIDC_REFUSED"


async def test_a_wrong_secret(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, oidc_client_secret=SecretStr("another")) as app:
        person = Person(app)
        assert await refused(person, await person.authorize(await person.start())) == "OIDC_REFUSED"


async def test_too_many_attempts(backends: Backends, provider: OidcProvider) -> None:
    # one window, however slow the machine
    changes = {"login_rate_limit_address": 3, "login_rate_seconds": 10**9}
    async with signing_on(backends.settings, provider, **changes) as app:
        person = Person(app)
        for _ in range(5):
            await person.enter()  # who enters uses nothing up
        await person.ask(LOG_OUT)
        codes = [await refused(person, f"{CALLBACK}?code=x&state=x") for _ in range(4)]
        assert codes == [*["OIDC_STATE_UNKNOWN"] * 3, "RATE_LIMITED"]


async def test_a_provider_that_is_away(backends: Backends) -> None:
    with oidc_provider() as own:
        own.serve(PUBLIC_URL)
        async with signing_on(backends.settings, own) as app:
            person = Person(app)
            url = await person.authorize(await person.start())
            own.process.kill()
            own.process.wait()
            # in the middle of it
            assert await refused(person, url) == "OIDC_UNAVAILABLE"
            # what is known of the provider is remembered: the browser will say that it is not there
            assert (await person.start()).startswith(own.issuer)
        # a process that has just started knows nothing
        async with signing_on(backends.settings, own) as app:
            answer = await Person(app).http.get("/auth/oidc/start?next=/jobs")
            assert answer.headers["location"] == "/sign-in?problem=OIDC_UNAVAILABLE&next=%2Fjobs"
            browser = Browser(app, PUBLIC_URL)
            opened = await browser.register()  # passwords open accounts all the same
            assert await browser.code(LINK, opened["accessToken"]) == "OIDC_UNAVAILABLE"


async def test_a_provider_of_another_name(backends: Backends, provider: OidcProvider) -> None:
    with provider.forging("discovery"):
        async with signing_on(backends.settings, provider) as app:
            answer = await Person(app).http.get("/auth/oidc/start")
            assert problem(answer.headers["location"]) == "OIDC_UNAVAILABLE"


async def test_an_answer_that_is_too_big(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider) as app:
        person = Person(app)
        url = await person.authorize(await person.start())
        with provider.forging("huge"):
            assert len(httpx.get(f"{provider.issuer}/jwks").content) > ANSWER_BYTES
            assert await refused(person, url) == "OIDC_UNAVAILABLE"


@pytest.mark.parametrize(
    "document",
    [
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://id.example.org/token"},
        {"jwks_uri": None},
        {"userinfo_endpoint": "file:///etc/passwd"},
        {"end_session_endpoint": ["https://id.example.org"]},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
)
def test_documents_that_are_not_believed(backends: Backends, document: dict[str, object]) -> None:
    issuer = "https://id.example.org"
    sound = {"issuer": issuer} | {
        name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    settings = backends.settings.model_copy(
        update={"oidc_issuer": issuer, "oidc_client_id": "x", "oidc_client_secret": SecretStr("y")}
    )
    provider = Provider(settings)
    assert provider.read(sound).algorithms == {"RS256"}
    with pytest.raises(ProviderAway):
        provider.read(sound | document)
