"""Whose account a subject of the provider is: linked by its owner, made where the settings allow it, never taken."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update
from starlette.applications import Starlette

from graph.context import Services
from graph.mails.texts import VERIFY_EMAIL
from graph.models import AuditLog, Identity, Mail, User
from tests.graph.users.asking import CREATE_TOKEN, LOG_OUT, ME, PASSWORD, REFRESH, Browser
from tests.graph.users.signing_on import LINK, LINKS, PUBLIC_URL, UNLINK, Person, problem, signing_on
from tests.oidc_provider import OidcProvider
from tests.stack import Backends

VERIFIED = "{ me { emailVerified } }"


class Owner(Person):
    """Somebody with a password."""

    token: str

    async def join(self) -> Any:
        """Register under the address that the provider knows."""
        opened = await self.register(self.email)
        self.token = opened["accessToken"]
        return opened["user"]

    async def link(self) -> str:
        """Link on the page of the account; returns where it led."""
        begun = await self.ask(LINK, self.token)
        return (await self.back(await self.authorize(begun["url"]))).headers["location"]

    async def links(self) -> list[dict[str, Any]]:
        """What the page of the account shows."""
        shown: list[dict[str, Any]] = (await self.ask(LINKS, self.token))["linkedSignIns"]
        return shown


async def test_an_address_alone_opens_nothing(sso: Starlette) -> None:
    owner = Owner(sso)
    await owner.join()
    stranger = Person(sso, owner.name)
    assert problem(await stranger.sign_on()) == "OIDC_EMAIL_TAKEN"
    assert await stranger.code(REFRESH) == "UNAUTHENTICATED"
    assert await owner.links() == []


async def test_who_is_logged_in_links(sso: Starlette, provider: OidcProvider) -> None:
    owner = Owner(sso)
    user = await owner.join()
    cookie = owner.http.cookies["karyaksham-refresh"]
    assert await owner.link() == "/account"
    # the session went on
    assert owner.http.cookies["karyaksham-refresh"] == cookie
    (link,) = await owner.links()
    assert (link["issuer"], link["email"]) == (provider.issuer, owner.email)
    assert link["usedAt"]
    assert await owner.link() == "/account"  # again: nothing to do
    assert len(await owner.links()) == 1
    assert (await Person(sso, owner.name).enter())["user"]["id"] == user["id"]
    # the password stays
    assert (await Browser(sso, PUBLIC_URL).log_in(owner.email))["user"]["id"] == user["id"]


async def test_a_subject_belongs_to_one_account(sso: Starlette) -> None:
    first = Person(sso)
    await first.enter()
    owner = Owner(sso)
    await owner.join()
    owner.name = first.name
    assert await owner.link() == "/account?problem=OIDC_IDENTITY_TAKEN"
    assert await owner.links() == []


async def test_a_link_ends_with_the_session_that_began_it(sso: Starlette) -> None:
    owner = Owner(sso)
    await owner.join()
    begun = await owner.ask(LINK, owner.token)
    url = await owner.authorize(begun["url"])
    await owner.ask(LOG_OUT, owner.token)
    assert (await owner.back(url)).headers["location"] == "/account?problem=OIDC_STATE_UNKNOWN"
    assert problem(await Person(sso, owner.name).sign_on()) == "OIDC_EMAIL_TAKEN"


async def test_nobody_links_for_another(sso: Starlette) -> None:
    """A link is begun in the browser that ends it: an attacker's page at the provider gives them no way in."""
    victim, attacker = Owner(sso), Owner(sso)
    await victim.join()
    await attacker.join()
    begun = await attacker.ask(LINK, attacker.token)
    url = await victim.authorize(begun["url"])
    assert problem((await victim.back(url)).headers["location"]) == "OIDC_STATE_UNKNOWN"
    assert (await victim.links(), await attacker.links()) == ([], [])


async def test_api_tokens_link_nothing(sso: Starlette) -> None:
    owner = Owner(sso)
    await owner.join()
    made = await owner.ask(CREATE_TOKEN, owner.token, input={"name": "x", "scopes": ["READ", "WRITE"]})
    assert (await owner.ask(LINK, made["token"]))["code"] == "SESSION_REQUIRED"
    variables = {"id": "x", "password": PASSWORD}
    assert (await owner.ask(UNLINK, made["token"], input=variables))["code"] == "SESSION_REQUIRED"


async def test_unlinking_needs_the_password_and_ends_its_sessions(sso: Starlette) -> None:
    owner, stranger = Owner(sso), Owner(sso)
    await owner.join()
    await stranger.join()
    await owner.link()
    (link,) = await owner.links()
    by_provider = Person(sso, owner.name)
    await by_provider.enter()

    wrong = await owner.ask(UNLINK, owner.token, input={"id": link["id"], "password": "wrong horse battery"})
    assert (wrong["code"], wrong["path"]) == ("CREDENTIALS_WRONG", ["password"])
    theirs = await stranger.ask(UNLINK, stranger.token, input={"id": link["id"], "password": PASSWORD})
    assert theirs["code"] == "NOT_FOUND"
    assert (await owner.ask(UNLINK, owner.token, input={"id": link["id"], "password": PASSWORD}))["ok"]
    assert await owner.links() == []
    assert await by_provider.code(REFRESH) == "UNAUTHENTICATED"
    assert (await owner.ask(ME, owner.token))["email"] == owner.email
    assert problem(await by_provider.sign_on()) == "OIDC_EMAIL_TAKEN"


async def test_the_only_way_in_stays(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, password_login="off") as app:
        person = Person(app)
        token = (await person.enter())["accessToken"]
        (link,) = (await person.ask(LINKS, token))["linkedSignIns"]
        answer = await person.ask(UNLINK, token, input={"id": link["id"], "password": PASSWORD})
        assert answer["code"] == "PASSWORD_LOGIN_OFF"


async def test_an_address_that_a_trusted_provider_verified(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, oidc_trust_email="on") as app:
        owner, careless, trap = Owner(app), Owner(app), Owner(app)
        user = await owner.join()
        await verified(app.state.services, owner.email)
        assert (await Person(app, owner.name).enter())["user"]["id"] == user["id"]
        assert len(await owner.links()) == 1
        # somebody registered with an address of another's, whose sign-in they wait for
        await trap.join()
        assert problem(await Person(app, trap.name).sign_on()) == "OIDC_EMAIL_TAKEN"
        await careless.join()
        await verified(app.state.services, careless.email)
        for unverified in (False, "true", None):
            provider.account(careless.name, email_verified=unverified)
            assert problem(await Person(app, careless.name).sign_on()) in {"OIDC_EMAIL_UNVERIFIED", "OIDC_EMAIL_TAKEN"}


async def verified(services: Services, email: str) -> None:
    """As if the link of the mail had been followed."""
    async with services.db.system() as session:
        await session.execute(update(User).where(User.email == email).values(email_verified_at=func.now()))


async def test_what_the_provider_verified_need_not_be_verified_again(
    backends: Backends, provider: OidcProvider
) -> None:
    async with signing_on(backends.settings, provider, require_verified_email=True) as app:
        person, quiet, services = Person(app), Person(app), app.state.services
        provider.silent(quiet.name, "email_verified")
        assert (await person.ask(VERIFIED, (await person.enter())["accessToken"]))["emailVerified"] is True
        # a provider that says nothing of it vouches for nothing: we ask ourselves
        assert (await quiet.ask(VERIFIED, (await quiet.enter())["accessToken"]))["emailVerified"] is False
        async with services.db.system() as session:
            mailed = set(await session.scalars(select(Mail.recipient).where(Mail.kind == VERIFY_EMAIL)))
        assert quiet.email in mailed
        assert person.email not in mailed
        provider.account(quiet.name, email_verified=True)
        again = await Person(app, quiet.name).enter()
        assert (await quiet.ask(VERIFIED, again["accessToken"]))["emailVerified"] is True


async def test_domains(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, oidc_allowed_domains="Example.org, example.com") as app:
        await Person(app).enter()
        for email in ("ann@evil.org", "ann@sub.example.org", "ann@example.org.evil.org", "ann@example.org@evil.org"):
            person = Person(app)
            provider.account(person.name, email=email)
            assert problem(await person.sign_on()) in {"OIDC_DOMAIN_FORBIDDEN", "OIDC_EMAIL_MISSING"}
        person = Person(app)
        provider.silent(person.name, "email_verified")
        assert problem(await person.sign_on()) == "OIDC_DOMAIN_FORBIDDEN"


async def test_an_address_that_is_said_to_be_unverified(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    provider.account(person.name, email_verified=False)
    assert problem(await person.sign_on()) == "OIDC_EMAIL_UNVERIFIED"
    # a provider that says nothing of it, as Entra
    quiet = Person(sso)
    provider.silent(quiet.name, "email_verified")
    await quiet.enter()
    # who has an account may be called what they like
    provider.account(quiet.name, email_verified=False)
    await Person(sso, quiet.name).enter()


@pytest.mark.parametrize("email", [None, "", "nonsense", 5])
async def test_without_an_address_there_is_no_account(sso: Starlette, provider: OidcProvider, email: object) -> None:
    person = Person(sso)
    provider.account(person.name, email=email)
    assert problem(await person.sign_on()) == "OIDC_EMAIL_MISSING"


async def test_accounts_are_made_only_where_that_is_wanted(backends: Backends, provider: OidcProvider) -> None:
    async with signing_on(backends.settings, provider, oidc_create_accounts="off") as app:
        assert problem(await Person(app).sign_on()) == "OIDC_NO_ACCOUNT"
        owner = Owner(app)
        user = await owner.join()
        await owner.link()
        assert (await Person(app, owner.name).enter())["user"]["id"] == user["id"]
    # what closes registration closes not this door: each has a setting
    async with signing_on(backends.settings, provider, registration="closed") as app:
        await Person(app).enter()


@pytest.mark.parametrize("name", [None, "", "x" * 500, "a\x00b"])
async def test_a_name_is_found(sso: Starlette, provider: OidcProvider, name: object) -> None:
    person = Person(sso)
    provider.account(person.name, name=name)
    user = (await person.enter())["user"]
    assert user["name"] == ("x" * 200 if name == "x" * 500 else person.name)


async def test_the_provider_says_who_is_an_administrator(backends: Backends, provider: OidcProvider) -> None:
    changes = {
        "oidc_scopes": "openid, email, profile, groups",
        "oidc_admin_claim": "groups",
        "oidc_admin_values": "data-admins, owners",
    }
    async with signing_on(backends.settings, provider, **changes) as app:
        person, services = Person(app), app.state.services
        for groups, role in (
            (["staff", "data-admins"], "ADMIN"),
            (["staff"], "USER"),
            ("owners", "ADMIN"),
            ("owners, staff", "USER"),
            (None, "USER"),
        ):
            provider.account(person.name, groups=groups)
            assert (await Person(app, person.name).enter())["user"]["role"] == role
        assert await _actions(services, "user.role", person.name) == 4


async def _actions(services: Services, action: str, subject: str) -> int:
    async with services.db.system() as session:
        user = select(Identity.user_id).where(Identity.subject == subject).scalar_subquery()
        rows = await session.scalar(select(func.count()).where(AuditLog.action == action, AuditLog.object_id == user))
        return int(rows or 0)


async def test_without_that_setting_roles_are_ours(sso: Starlette, provider: OidcProvider) -> None:
    person = Person(sso)
    provider.account(person.name, groups=["data-admins"], role="ADMIN")
    assert (await person.enter())["user"]["role"] == "USER"
