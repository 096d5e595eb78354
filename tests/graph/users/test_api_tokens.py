"""API tokens and the workspace in which a request acts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from starlette.applications import Starlette

from graph.context import Services
from graph.core.ids import from_global
from graph.core.security import token_digest
from graph.models import ApiToken
from graph.users.authentication import Authenticator
from tests.graph.users.asking import CREATE_TOKEN, ME, REVOKE_TOKEN, Browser, address
from tests.processes import PATIENCE

CREATE_WORKSPACE = """mutation ($input: CreateWorkspaceInput!) { createWorkspace(input: $input) {
  ... on CreateWorkspaceSuccess { workspace { id name role personal } } ... on Error { code path } } }"""
SET_MEMBER = """mutation ($input: SetWorkspaceMemberInput!) { setWorkspaceMember(input: $input) {
  __typename ... on Error { code path } } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


async def create(browser: Browser, token: str, **changes: Any) -> Any:
    """Make a token."""
    wanted = {"name": "laptop", "scopes": ["READ", "WRITE"], **changes}
    return await browser.ask(CREATE_TOKEN, token, input=wanted)


async def refused_within(seconds: float, browser: Browser, token: str) -> bool:
    """Ask until the token is refused."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if "errors" in await browser.post(ME, token):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_ended_session_voids_its_access_token(app: Starlette, listening: Authenticator) -> None:
    browser = Browser(app)
    opened = await browser.register()
    await browser.ask(ME, opened["accessToken"])
    await browser.ask("mutation { logOut { __typename } }", opened["accessToken"])
    assert await refused_within(1, browser, opened["accessToken"])


async def test_revocation_arrives_through_postgresql_alone(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    await browser.ask("mutation { logOut { __typename } }", opened["accessToken"])
    other = Authenticator(services.settings, services.db, services.events, services.tokens)
    polling = asyncio.create_task(other._poll())
    viewer = await other.viewer(f"Bearer {opened['accessToken']}")
    assert viewer is not None
    assert await asyncio.wait_for(other.until_invalid(viewer), PATIENCE) == "Token revoked"
    polling.cancel()


async def test_a_token_works_and_only_its_digest_is_stored(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    made = await create(browser, opened["accessToken"])
    assert made["token"].startswith("kar_")
    assert made["token"].startswith(made["apiToken"]["prefix"])
    assert (await Browser(app).ask(ME, made["token"]))["id"] == opened["user"]["id"]
    async with services.db.system() as session:
        row = await session.scalar(
            select(ApiToken).where(ApiToken.id == from_global(made["apiToken"]["id"], "ApiToken"))
        )
        assert row is not None
        assert row.token_digest == token_digest(made["token"])
        assert row.last_used_at is not None
        everything = await session.scalar(text("SELECT count(*) FROM api_tokens t WHERE t::text LIKE :text"), {
            "text": f"%{made['token'][10:]}%"
        })  # fmt: skip
        assert everything == 0


async def test_revoked_token_is_refused_at_once(app: Starlette, listening: Authenticator) -> None:
    browser = Browser(app)
    opened = await browser.register()
    made = await create(browser, opened["accessToken"])
    await browser.ask(ME, made["token"])  # now it is remembered
    await browser.ask(REVOKE_TOKEN, opened["accessToken"], input={"id": made["apiToken"]["id"]})
    assert await refused_within(1, browser, made["token"])
    again = await browser.ask(REVOKE_TOKEN, opened["accessToken"], input={"id": made["apiToken"]["id"]})
    assert again["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"scopes": []}, "SCOPE_UNKNOWN", ["scopes"]),
        ({"name": ""}, "NAME_INVALID", ["name"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "EXPIRY_OUT_OF_RANGE", ["expiresAt"]),
        ({"expiresAt": "2120-01-01T00:00:00Z"}, "EXPIRY_OUT_OF_RANGE", ["expiresAt"]),
    ],
)
async def test_bad_tokens_name_the_field(app: Starlette, changes: dict[str, Any], code: str, path: list[str]) -> None:
    browser = Browser(app)
    opened = await browser.register()
    answer = await create(browser, opened["accessToken"], **changes)
    assert (answer["code"], answer["path"]) == (code, path)


async def test_expired_token_is_refused(app: Starlette, services: Services) -> None:
    browser = Browser(app)
    opened = await browser.register()
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await create(browser, opened["accessToken"], expiresAt=soon)
    async with services.db.system() as session:
        await session.execute(
            text("UPDATE api_tokens SET expires_at = now() WHERE id = :id"),
            {"id": from_global(made["apiToken"]["id"], "ApiToken")},
        )
    assert await browser.code(ME, made["token"]) == "UNAUTHENTICATED"


async def test_made_up_token_is_refused(app: Starlette) -> None:
    assert await Browser(app).code(ME, "kar_" + "x" * 43) == "UNAUTHENTICATED"


async def test_scope_read_does_not_write_and_tokens_make_no_tokens(app: Starlette) -> None:
    browser = Browser(app)
    opened = await browser.register()
    made = await create(browser, opened["accessToken"], scopes=["READ"])
    refused = await browser.ask(SET_MEMBER, made["token"], input={"email": address()})
    assert (refused["__typename"], refused["code"]) == ("ForbiddenError", "SCOPE_MISSING")
    refused = await create(browser, made["token"])
    assert refused["code"] == "SESSION_REQUIRED"


async def test_others_tokens_are_neither_seen_nor_revoked(app: Starlette) -> None:
    mine, other = Browser(app), Browser(app)
    opened, stranger = await mine.register(), await other.register()
    made = await create(mine, opened["accessToken"])
    gid = made["apiToken"]["id"]
    assert (await mine.ask(NODE, opened["accessToken"], id=gid))["__typename"] == "ApiToken"
    assert await other.ask(NODE, stranger["accessToken"], id=gid) is None
    assert (await other.ask(REVOKE_TOKEN, stranger["accessToken"], input={"id": gid}))["code"] == "NOT_FOUND"
    assert (await mine.ask(ME, made["token"]))["id"] == opened["user"]["id"]


async def test_another_persons_account_and_workspace_are_no_nodes(app: Starlette) -> None:
    mine, other = Browser(app), Browser(app)
    opened, stranger = await mine.register(), await other.register()
    for gid in (opened["user"]["id"], opened["user"]["workspaces"][0]["id"]):
        assert (await mine.ask(NODE, opened["accessToken"], id=gid))["id"] == gid
        assert await other.ask(NODE, stranger["accessToken"], id=gid) is None
    assert await mine.ask(NODE, opened["accessToken"], id="nonsense") is None


async def test_shared_workspace_roles(app: Starlette) -> None:
    owner, guest = Browser(app), Browser(app)
    opened = await owner.register()
    email = address()
    invited = await guest.register(email)
    token, guest_token = opened["accessToken"], invited["accessToken"]
    made = await owner.ask(CREATE_WORKSPACE, token, input={"name": "Team"})
    inside = {"X-Workspace": made["workspace"]["id"]}
    assert (await guest.post(NODE, guest_token, inside, id="x"))["errors"][0]["extensions"][
        "code"
    ] == "WORKSPACE_UNKNOWN"

    async def share(role: str | None) -> Any:
        body = await owner.post(SET_MEMBER, token, inside, input={"email": email, "role": role})
        return body["data"]["setWorkspaceMember"]

    assert (await share("VIEWER"))["__typename"] == "SetWorkspaceMemberSuccess"
    assert (await guest.post(NODE, guest_token, inside, id=made["workspace"]["id"]))["data"]["node"] is not None
    refused = (await guest.post(SET_MEMBER, guest_token, inside, input={"email": email}))["data"]["setWorkspaceMember"]
    assert refused["code"] == "FORBIDDEN"
    writer = {"name": "t", "scopes": ["WRITE"]}
    refused = (await guest.post(CREATE_TOKEN, guest_token, inside, input=writer))["data"]["createApiToken"]
    assert (refused["code"], refused["path"]) == ("FORBIDDEN", ["scopes"])
    await share(None)
    assert (await guest.post(NODE, guest_token, inside, id="x"))["errors"][0]["extensions"][
        "code"
    ] == "WORKSPACE_UNKNOWN"


async def test_a_removed_members_sockets_end(
    app: Starlette, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.users.authentication._ROLE_SECONDS", 0.1)
    authenticator = Authenticator(services.settings, services.db, services.events, services.tokens)
    owner, guest, email = Browser(app), Browser(app), address()
    opened, invited = await owner.register(), await guest.register(email)
    made = await owner.ask(CREATE_WORKSPACE, opened["accessToken"], input={"name": "Team"})
    inside = {"X-Workspace": made["workspace"]["id"]}
    await owner.post(SET_MEMBER, opened["accessToken"], inside, input={"email": email, "role": "EDITOR"})
    viewer = await authenticator.viewer(f"Bearer {invited['accessToken']}", made["workspace"]["id"])
    assert viewer is not None
    waiting = asyncio.create_task(authenticator.until_invalid(viewer))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await owner.post(SET_MEMBER, opened["accessToken"], inside, input={"email": email, "role": None})
    assert await asyncio.wait_for(waiting, PATIENCE) == "Role changed"


async def test_personal_workspaces_are_not_shared(app: Starlette) -> None:
    owner = Browser(app)
    opened = await owner.register()
    answer = await owner.ask(SET_MEMBER, opened["accessToken"], input={"email": address(), "role": "VIEWER"})
    assert answer["code"] == "WORKSPACE_PERSONAL"


async def test_a_token_stays_in_its_workspace(app: Starlette) -> None:
    owner = Browser(app)
    opened = await owner.register()
    made = await owner.ask(CREATE_WORKSPACE, opened["accessToken"], input={"name": "Team"})
    token = (await create(owner, opened["accessToken"]))["token"]
    body = await owner.post(ME, token, {"X-Workspace": made["workspace"]["id"]})
    assert body["errors"][0]["extensions"]["code"] == "WORKSPACE_UNKNOWN"


@pytest.mark.parametrize("value", ["nonsense", "V29ya3NwYWNlOjA=", "00000000-0000-7000-8000-000000000000"])
async def test_unknown_workspace_header(app: Starlette, value: str) -> None:
    browser = Browser(app)
    opened = await browser.register()
    body = await browser.post(ME, opened["accessToken"], {"X-Workspace": value})
    assert body["errors"][0]["extensions"]["code"] == "WORKSPACE_UNKNOWN"
