"""A person gives themselves another name; nobody else does it for them."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from tests.graph.users.asking import CREATE_TOKEN, Browser

RENAME = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename
  ... on UpdateProfileSuccess { user { name workspaces { name personal } } } ... on Error { code path } } }"""
ME = "{ me { name workspaces { name personal } } }"


async def test_the_personal_workspace_goes_with_the_name(app: Starlette) -> None:
    browser, stranger = Browser(app), Browser(app)
    token = (await browser.register())["accessToken"]
    other = (await stranger.register())["accessToken"]
    answer = await browser.ask(RENAME, token, input={"name": "  Ann Lee "})
    assert answer["user"] == {"name": "Ann Lee", "workspaces": [{"name": "Ann Lee", "personal": True}]}
    assert await browser.ask(ME, token) == answer["user"]
    assert (await stranger.ask(ME, other))["name"] == "Ann"


@pytest.mark.parametrize("name", ["", "   ", "a\u0007b", "x" * 500])
async def test_a_name_that_is_none_is_refused(app: Starlette, name: str) -> None:
    browser = Browser(app)
    token = (await browser.register())["accessToken"]
    answer = await browser.ask(RENAME, token, input={"name": name})
    assert (answer["code"], answer["path"]) == ("NAME_INVALID", ["name"])
    assert (await browser.ask(ME, token))["name"] == "Ann"


async def test_a_program_may_not_do_it(app: Starlette) -> None:
    browser = Browser(app)
    token = (await browser.register())["accessToken"]
    program = (await browser.ask(CREATE_TOKEN, token, input={"name": "n", "scopes": ["READ", "WRITE"]}))["token"]
    assert (await browser.ask(RENAME, program, input={"name": "Program"}))["code"] == "SESSION_REQUIRED"
