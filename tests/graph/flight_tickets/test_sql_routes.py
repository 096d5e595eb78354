"""What Flight SQL asks beside tickets: the caller's workspaces, and which tables a name stands for."""

from __future__ import annotations

import httpx

from graph.core.ids import to_global
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import make_dataset, run_job, wait_for

TOKEN = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message } } }"""
WORKSPACE = """mutation ($input: CreateWorkspaceInput!) { createWorkspace(input: $input) {
  __typename ... on CreateWorkspaceSuccess { workspace { id } } ... on Error { code message } } }"""


async def get(user: User, path: str, token: str | None = None, workspace: str | None = None) -> httpx.Response:
    """Ask as the Flight server does."""
    headers = {"Authorization": f"Bearer {token or user.token}"}
    return await user.http.get(path, headers=headers | ({"X-Workspace": workspace} if workspace else {}))


async def test_workspaces_are_those_that_the_credentials_open(user: User, stranger: User) -> None:
    shared = (await user.ask(WORKSPACE, input={"name": "Shared"}))["workspace"]["id"]
    own = to_global("Workspace", user.workspace_id)
    listed = (await get(user, "/internal/flight-sql/workspaces")).json()["workspaces"]
    assert [(item["id"], item["current"]) for item in listed] == [(own, True), (shared, False)]
    listed = (await get(user, "/internal/flight-sql/workspaces", workspace=shared)).json()["workspaces"]
    assert [(item["id"], item["name"], item["current"]) for item in listed][:1] == [(shared, "Shared", True)]
    # an API token is of one workspace, whatever else its owner may see
    token = (await user.ask(TOKEN, input={"name": "sql", "scopes": ["READ"]}))["token"]
    listed = (await get(user, "/internal/flight-sql/workspaces", token)).json()["workspaces"]
    assert [item["id"] for item in listed] == [own]
    assert (await get(stranger, "/internal/flight-sql/workspaces", workspace=shared)).status_code == 404
    listed = (await get(stranger, "/internal/flight-sql/workspaces")).json()["workspaces"]
    assert {own, shared}.isdisjoint(item["id"] for item in listed)
    assert (await user.http.get("/internal/flight-sql/workspaces")).status_code == 401


async def test_a_name_stands_for_the_tables_that_have_it(user: User, stranger: User, start_worker: StartWorker) -> None:
    await start_worker()
    first, second = await make_dataset(user, name="twice.csv"), await make_dataset(user, name="twice.csv")
    job = await run_job(user, first)
    assert (await get(user, "/internal/flight-sql/jobs?name=twice.csv")).json() == {"ids": []}
    await wait_for(user, job)
    assert (await get(user, "/internal/flight-sql/jobs?name=twice.csv")).json() == {"ids": [job]}
    assert (await get(user, "/internal/flight-sql/datasets?name=twice.csv")).json() == {"ids": [second, first]}
    for name in ("Twice.csv", "twice", "", "%00", "a%00b", "%25"):
        assert (await get(user, f"/internal/flight-sql/datasets?name={name}")).json() == {"ids": []}
    assert (await get(stranger, "/internal/flight-sql/datasets?name=twice.csv")).json() == {"ids": []}
    assert (await get(user, "/internal/flight-sql/tables?name=twice.csv")).status_code == 404
    assert (await user.http.get("/internal/flight-sql/datasets?name=twice.csv")).status_code == 401
