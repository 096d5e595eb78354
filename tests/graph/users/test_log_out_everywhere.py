"""Logging out everywhere ends all sessions of the account, and nobody else's."""

from __future__ import annotations

from starlette.applications import Starlette

from graph.users.authentication import Authenticator
from tests.graph.users.asking import CREATE_TOKEN, LOG_OUT, ME, REFRESH, Browser, address
from tests.graph.users.test_api_tokens import refused_within
from tests.processes import PATIENCE

EVERYWHERE = """mutation { logOutEverywhere { __typename ... on LogOutEverywhereSuccess { sessions }
  ... on Error { code } } }"""


async def test_all_sessions_of_the_account_end_at_once(app: Starlette, listening: Authenticator) -> None:
    mail = address()
    one, other, third, stranger = Browser(app), Browser(app), Browser(app), Browser(app)
    first = (await one.register(mail))["accessToken"]
    second = (await other.log_in(mail))["accessToken"]
    ended = (await third.log_in(mail))["accessToken"]
    await third.ask(LOG_OUT, ended)
    elsewhere = (await stranger.register())["accessToken"]
    program = (await one.ask(CREATE_TOKEN, first, input={"name": "n", "scopes": ["READ"]}))["token"]

    assert await one.ask(EVERYWHERE, first) == {"__typename": "LogOutEverywhereSuccess", "sessions": 2}

    assert await refused_within(PATIENCE, one, first)
    assert await refused_within(PATIENCE, other, second)
    assert await other.code(REFRESH) == "UNAUTHENTICATED"
    assert await one.code(REFRESH) == "UNAUTHENTICATED"
    assert (await stranger.ask(ME, elsewhere))["name"] == "Ann"
    assert (await one.ask(ME, program))["email"] == mail  # API tokens are revoked one by one
    assert (await Browser(app).log_in(mail))["user"]["email"] == mail


async def test_a_program_may_not_do_it(app: Starlette) -> None:
    browser = Browser(app)
    token = (await browser.register())["accessToken"]
    program = (await browser.ask(CREATE_TOKEN, token, input={"name": "n", "scopes": ["READ", "WRITE"]}))["token"]
    answer = await browser.post(EVERYWHERE, program)
    assert answer["data"]["logOutEverywhere"]["code"] == "SESSION_REQUIRED"
