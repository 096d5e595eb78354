"""Members of a workspace see one another; nobody else does."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette

from tests.graph.users.asking import Browser, address

CREATE = """mutation ($input: CreateWorkspaceInput!) { createWorkspace(input: $input) {
  ... on CreateWorkspaceSuccess { workspace { id members { email role owner } } } } }"""
SET = """mutation ($input: SetWorkspaceMemberInput!) { setWorkspaceMember(input: $input) {
  __typename ... on SetWorkspaceMemberSuccess { workspace { members { email role owner } } }
  ... on Error { code } } }"""
MINE = "{ me { workspaces { id personal members { userId name email role owner since } } } }"
NODE = "query ($id: ID!) { node(id: $id) { ... on Workspace { id members { email } } } }"


async def test_members_see_one_another_with_their_roles(app: Starlette) -> None:
    owner, guest, stranger = Browser(app), Browser(app), Browser(app)
    mail, guest_mail = address(), address()
    token = (await owner.register(mail))["accessToken"]
    guest_token = (await guest.register(guest_mail))["accessToken"]
    stranger_token = (await stranger.register())["accessToken"]
    made = (await owner.ask(CREATE, token, input={"name": "Team"}))["workspace"]
    assert made["members"] == [{"email": mail, "role": "OWNER", "owner": True}]

    async def set_role(role: str | None) -> Any:
        body = await owner.post(SET, token, {"X-Workspace": made["id"]}, input={"email": guest_mail, "role": role})
        return body["data"]["setWorkspaceMember"]

    answer = await set_role("VIEWER")
    assert answer["workspace"]["members"] == [
        {"email": mail, "role": "OWNER", "owner": True},
        {"email": guest_mail, "role": "VIEWER", "owner": False},
    ]
    seen = (await guest.ask(MINE, guest_token))["workspaces"]
    assert [len(each["members"]) for each in seen] == [1, 2]
    assert (await stranger.ask(NODE, stranger_token, id=made["id"])) is None
    assert len((await guest.ask(NODE, guest_token, id=made["id"]))["members"]) == 2

    assert len((await set_role(None))["workspace"]["members"]) == 1
    assert (await guest.ask(NODE, guest_token, id=made["id"])) is None
