"""A second factor that is demanded: who has none can set it up, and nothing else; then everything is as ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.core.ids import from_global, uuid7
from graph.models import AuditLog, Identity, Session, User
from tests.graph.second_factor.app import Clock, code_of
from tests.graph.second_factor.test_second_factor import BEGIN, CONFIRM, DISABLE, STATE, Person
from tests.graph.users.asking import CREATE_TOKEN, LOG_OUT, ME, PASSWORD, REGISTER, Browser, address

NEEDED = "SECOND_FACTOR_SETUP_NEEDED"
HELD = "... on SecondFactorSetUpNeeded { accessToken expiresAt email } ... on Error { code message path }"
LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{ __typename
  ... on LogInSuccess {{ accessToken }} ... on SecondFactorNeeded {{ challenge }} {HELD} }} }}"""
REFRESH = f"""mutation {{ refreshSession {{ __typename
  ... on RefreshSessionSuccess {{ accessToken user {{ email }} }} {HELD} }} }}"""
WORKSPACES = "{ me { workspaces { id members { email } } apiTokens { id } } }"
DATASETS = "{ datasets(first: 1) { edges { node { id } } } }"
WORKSPACE = """mutation { createWorkspace(input: {name: "x"}) { __typename ... on Error { code } } }"""
EVERYWHERE = "mutation { logOutEverywhere { __typename } }"
ADMIN = "{ adminUsers(first: 1) { edges { node { id } } } }"
CONFIRM_LOG_IN = """mutation ($input: ConfirmLogInInput!) { confirmLogIn(input: $input) { __typename
  ... on ConfirmLogInSuccess { accessToken } ... on Error { code } } }"""


@asynccontextmanager
async def demanding(services: Services, of: str) -> AsyncIterator[Starlette]:
    """An API that demands a second factor, on the same database."""
    made = create_app(services.settings.model_copy(update={"require_second_factor": of}))
    parts: Services = made.state.services
    try:
        yield made
    finally:
        await parts.events.close()
        await parts.queue.close()
        await parts.db.close()


@pytest.fixture
async def strict(services: Services) -> AsyncIterator[Starlette]:
    async with demanding(services, "everybody") as made:
        yield made


async def refusal(browser: Browser, document: str, token: str, **variables: Any) -> str:
    """The code of a refusal, in the result or beside it; empty when there is none."""
    body = await browser.post(document, token, **variables)
    for error in body.get("errors") or ():
        return str(error["extensions"]["code"])
    (value,) = body["data"].values()
    return str((value or {}).get("code", ""))


async def held(browser: Browser, email: str) -> str:
    answer = await browser.ask(LOG_IN, input={"email": email, "password": PASSWORD})
    assert (answer["__typename"], answer["code"], answer["email"]) == ("SecondFactorSetUpNeeded", NEEDED, email)
    return str(answer["accessToken"])


async def set_up(browser: Browser, token: str, clock: Clock) -> str:
    secret = (await browser.ask(BEGIN, token, input={"password": PASSWORD}))["secret"]
    done = await browser.ask(CONFIRM, token, input={"code": code_of(secret, clock.now)})
    assert len(done["recoveryCodes"]) == 10
    clock.now += 30
    return str(secret)


async def test_one_can_set_it_up_and_nothing_else(app: Starlette, strict: Starlette, clock: Clock) -> None:
    email = address()
    await Browser(app).register(email)
    browser = Browser(strict)
    token = await held(browser, email)
    documents = [ME, WORKSPACES, DATASETS, WORKSPACE]
    assert {each: await refusal(browser, each, token) for each in documents} == dict.fromkeys(documents, NEEDED)
    made = {"input": {"name": "t", "scopes": ["READ"]}}
    assert await refusal(browser, CREATE_TOKEN, token, **made) == NEEDED
    off = {"input": {"password": PASSWORD, "code": "123456"}}
    assert await refusal(browser, DISABLE, token, **off) == NEEDED
    again = await browser.ask(REFRESH)
    assert again["__typename"] == "SecondFactorSetUpNeeded"
    assert await refusal(browser, DATASETS, again["accessToken"]) == NEEDED
    assert (await browser.ask(STATE, token))["since"] is None
    secret = await set_up(browser, token, clock)
    # the session that has set it up goes on, with the token at hand
    assert [await refusal(browser, each, token) for each in documents] == [""] * 4
    assert (await browser.ask(REFRESH))["user"]["email"] == email
    later = Browser(strict)
    asked = await later.ask(LOG_IN, input={"email": email, "password": PASSWORD})
    assert asked["__typename"] == "SecondFactorNeeded"
    code = code_of(secret, clock.now)
    opened = await later.ask(CONFIRM_LOG_IN, input={"challenge": asked["challenge"], "code": code})
    assert opened["__typename"] == "ConfirmLogInSuccess"
    async with strict.state.services.db.system() as session:
        query = select(AuditLog.data).where(AuditLog.action == "user.login", AuditLog.address == later.address)
        assert list(await session.scalars(query)) == [{"factors": ["password", "code"]}]
    async with strict.state.services.db.system() as session:
        query = select(AuditLog.data).where(AuditLog.action == "user.login", AuditLog.address == browser.address)
        assert list(await session.scalars(query)) == [{"factors": ["password"]}]


async def test_registration_leads_to_it_too(strict: Starlette, clock: Clock) -> None:
    browser, email = Browser(strict), address()
    document = REGISTER.replace("... on Error { code message path }", HELD)
    answer = await browser.ask(document, input={"email": email, "password": PASSWORD, "name": "Ann"})
    assert answer["__typename"] == "SecondFactorSetUpNeeded"
    await set_up(browser, answer["accessToken"], clock)
    assert await refusal(browser, DATASETS, answer["accessToken"]) == ""


async def test_who_is_held_can_leave(app: Starlette, strict: Starlette) -> None:
    email = address()
    await Browser(app).register(email)
    browser = Browser(strict)
    token = await held(browser, email)
    assert (await browser.ask(LOG_OUT, token))["__typename"] == "LogOutSuccess"
    assert await browser.code(REFRESH) == "UNAUTHENTICATED"
    token = await held(browser, email)
    assert (await browser.ask(EVERYWHERE, token))["__typename"] == "LogOutEverywhereSuccess"


async def test_sessions_and_api_tokens_of_before_are_held_too(
    app: Starlette, strict: Starlette, services: Services, clock: Clock
) -> None:
    browser, email = Browser(app), address()
    opened = await browser.register(email)
    token = opened["accessToken"]
    api = (await browser.ask(CREATE_TOKEN, token, input={"name": "t", "scopes": ["READ", "WRITE"]}))["token"]
    other = Browser(strict)
    assert await refusal(other, DATASETS, token) == NEEDED
    assert await refusal(other, DATASETS, api) == NEEDED
    assert await refusal(other, ME, api) == NEEDED
    export = await other.http.get("/export/audit", headers={"Authorization": f"Bearer {token}"})
    assert export.status_code == 403
    flight = await other.http.get("/internal/flight", headers={"Authorization": f"Bearer {api}"})
    assert flight.status_code == 403
    await set_up(other, token, clock)
    assert await refusal(other, DATASETS, token) == ""
    authenticator = strict.state.services.authenticator
    authenticator._api_tokens.clear()  # what was remembered of the token: half a minute
    assert await refusal(other, DATASETS, api) == ""


async def test_sessions_of_single_sign_on_are_exempt(app: Starlette, strict: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    user_id = from_global(opened["user"]["id"], "User")
    token = opened["accessToken"]
    api = (await browser.ask(CREATE_TOKEN, token, input={"name": "t", "scopes": ["READ"]}))["token"]
    async with services.db.system() as session:
        await session.execute(update(Session).where(Session.user_id == user_id).values(issuer="https://id.example.org"))
        session.add(Identity(id=uuid7(), user_id=user_id, issuer="https://id.example.org", subject=str(user_id)))
    other = Browser(strict)
    assert await refusal(other, DATASETS, token) == ""
    assert await refusal(other, DATASETS, api) == ""


async def test_of_administrators_alone(app: Starlette, services: Services, clock: Clock) -> None:
    email, admin = address(), address()
    await Browser(app).register(email)
    opened = await Browser(app).register(admin)
    async with services.db.system() as session:
        user_id = from_global(opened["user"]["id"], "User")
        await session.execute(update(User).where(User.id == user_id).values(role="ADMIN"))
    async with demanding(services, "administrators") as strict:
        someone, chief = Browser(strict), Browser(strict)
        answer = await someone.ask(LOG_IN, input={"email": email, "password": PASSWORD})
        assert answer["__typename"] == "LogInSuccess"
        token = await held(chief, admin)
        assert await refusal(chief, ADMIN, token) == NEEDED
        await set_up(chief, token, clock)
        assert await refusal(chief, ADMIN, token) == ""


async def test_who_turns_it_off_is_held_again(app: Starlette, strict: Starlette, clock: Clock) -> None:
    person = await (await Person(app, clock).register()).set_up()
    browser = Browser(strict)
    assert await refusal(browser, DATASETS, person.token) == ""
    strict.state.services.authenticator._secured.clear()
    off = {"input": {"password": PASSWORD, "code": person.code()}}
    assert await refusal(browser, DISABLE, person.token, **off) == ""
    strict.state.services.authenticator._secured.clear()  # what was remembered: ten seconds
    assert await refusal(browser, DATASETS, person.token) == NEEDED
