"""A tenant with one of everything, all of it named so that a leak is seen, and what the database holds of them."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import text

from graph.core.db import Database
from graph.core.ids import from_global, to_global, try_global, uuid7
from graph.core.settings import Settings
from tests.graph.tenants.documents import NODES, documents
from tests.processes import PATIENCE
from tests.stack import Account, Stack

OUTPUT: Final = {"format": "csv"}
ME: Final = "{ me { id email workspaces { id } } }"
# what the service itself writes without anybody asking
OWN_TIME: Final = ("last_seen_at", "last_used_at", "updated_at", "cleaned_at")


@dataclass
class Tenant:
    """Somebody with a world of their own; `word` is in every text that they gave."""

    account: Account
    word: str
    ids: dict[str, str]
    workspaces: dict[str, str]
    token: str
    all_ids: set[str] = field(default_factory=set)

    @property
    def secrets(self) -> set[str]:
        """Texts that nobody else may be told: the word, and each id as the API, the database and keys write it."""
        keys = {UUID(base64.b64decode(each + "==").decode().rsplit(":", 1)[1]) for each in self.all_ids}
        return {self.word, *self.all_ids, *map(str, keys), *(key.hex for key in keys)}

    def caller(self, *, token: str | None = None, workspace: str | None = None) -> Account:
        """The same person with another token or in another workspace."""
        headers = {"X-Workspace": workspace} if workspace else {}
        http = httpx.Client(timeout=PATIENCE, headers=headers)
        return Account(self.account.graphql_url, token or self.account.token, http=http)


def unknown_ids() -> dict[str, str]:
    """An id of each type that nothing has."""
    return {name: to_global(name, uuid7()) for name in NODES}


def settle(stack: Stack) -> Tenant:
    """Make a person, their things, and collect the ids of all that they see."""
    word = f"canary{secrets.token_hex(8)}"
    account = _register(stack, word)
    made: dict[str, str] = {"User": account.id}
    workspaces = {"personal": account.gql(ME)["me"]["workspaces"][0]["id"]}
    made["Workspace"] = workspaces["personal"]
    workspaces["shared"] = _make(account, "createWorkspace", {"name": word}, "workspace { id }")["workspace"]["id"]
    token = _make(account, "createApiToken", {"name": word, "scopes": ["READ", "WRITE"]}, "token apiToken { id }")
    made["ApiToken"] = token["apiToken"]["id"]
    # nothing listens on port 9, so that the delivery has an error to show
    url = f"http://127.0.0.1:9/{word}"
    made["Webhook"] = _make(account, "createWebhook", {"url": url}, "webhook { id }")["webhook"]["id"]
    rows = f"id,name\n1,{word}\n{word},{word}\n3,{word}\n"
    made["Dataset"] = account.upload(rows, f"{word}.csv")
    made["Upload"] = account.begin(f"{word}.csv", 10)["id"]
    spec = _spec(word, "reject")
    pipeline = _make(account, "createPipeline", {"name": word, "spec": spec}, "pipeline { id latestVersion { id } }")
    made["Pipeline"] = pipeline["pipeline"]["id"]
    made["PipelineVersion"] = pipeline["pipeline"]["latestVersion"]["id"]
    inputs = [{"name": "input", "datasetId": made["Dataset"]}]
    schedule = {"pipelineId": made["Pipeline"], "cron": "0 3 1 1 *", "inputs": inputs}
    made["Schedule"] = _make(account, "createSchedule", schedule, "schedule { id }")["schedule"]["id"]
    failing = account.start_job(_spec(word, "fail"), input=made["Dataset"])
    assert account.wait_job(failing)["status"] == "FAILED"
    run = _make(account, "runJob", {"pipelineId": made["Pipeline"], "inputs": inputs}, "job { id }")
    made["Job"] = run["job"]["id"]
    state = account.wait_job(made["Job"])
    assert state["status"] == "SUCCEEDED", state
    assert state["progress"]["rowsRejected"] == 1
    made["WebhookDelivery"] = _attempted(account, made["Webhook"])
    assert set(made) == set(NODES), "a new node type needs one of it here"
    tenant = Tenant(account, word, made, workspaces, token["token"])
    tenant.all_ids = {*made.values(), *workspaces.values(), *_seen_ids(tenant)}
    return tenant


def _spec(word: str, on_fail: str) -> dict[str, Any]:
    """Of three rows, one is no number."""
    expect = {"name": word, "that": "try_cast(id AS BIGINT) IS NOT NULL", "onFail": on_fail}
    steps = [{"expect": expect}, {"filter": {"where": f"name = '{word}'"}}]
    return {"version": 1, "steps": steps, "output": OUTPUT}


def _register(stack: Stack, word: str) -> Account:
    email, password = f"{word}@example.org", f"correct horse {word}"
    document = """mutation($i: RegisterInput!) { register(input: $i) {
      ... on RegisterSuccess { accessToken user { id } } ... on Error { code message } } }"""
    made = stack.anonymous().gql(document, {"i": {"email": email, "password": password, "name": word}})["register"]
    return Account(stack.graphql_url, made["accessToken"], email, password, made["user"]["id"])


def _make(account: Account, root: str, values: Mapping[str, Any], selection: str) -> Any:
    name = root[0].upper() + root[1:]
    document = f"""mutation($i: {name}Input!) {{ {root}(input: $i) {{ __typename
      ... on {name}Success {{ {selection} }} ... on Error {{ code message path }} }} }}"""
    return account.gql(document, {"i": values})[root]


def _attempted(account: Account, webhook: str) -> str:
    """Wait until each message was tried, disable the webhook so that nothing changes any more; one delivery's id."""
    document = """query($id: ID!) { webhook(id: $id) { deliveries(first: 5) { nodes { id error } } } }"""
    deadline = time.monotonic() + PATIENCE
    while True:
        nodes = account.gql(document, {"id": webhook})["webhook"]["deliveries"]["nodes"]
        if len(nodes) == 2 and all(node["error"] for node in nodes):
            break
        assert time.monotonic() < deadline, nodes
        time.sleep(0.05)
    _make(account, "updateWebhook", {"id": webhook, "enabled": False}, "webhook { id }")
    return str(nodes[0]["id"])


def _seen_ids(tenant: Tenant) -> Iterator[str]:
    """Each global id in what the tenant themselves are answered."""
    for document in documents():
        if document.kind == "query":
            asked = document.with_ids(tenant.ids)
            for value in strings(tenant.account.post(asked.text, asked.arguments)):
                if any(try_global(value, name) for name in NODES):
                    yield value


def strings(value: Any) -> Iterator[str]:
    """Every text in an answer, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def rows_of(stack: Stack, tenant: Tenant) -> dict[str, list[Any]]:
    """All rows of the tenant's workspaces and person, by table."""
    return asyncio.run(_rows_of(Settings.model_validate(_lower(stack.environment)), tenant))


def _lower(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in environment.items()}


async def _rows_of(settings: Settings, tenant: Tenant) -> dict[str, list[Any]]:
    db = Database(settings.database_url, pool_size=1)
    try:
        async with db.system() as session:
            found = await session.execute(
                text(
                    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
                    "AND (column_name IN ('workspace_id', 'user_id') OR (table_name, column_name) IN "
                    "(('users', 'id'), ('workspaces', 'id')))"
                )
            )
            owners = [str(from_global(each, "Workspace")) for each in tenant.workspaces.values()]
            owners.append(str(from_global(tenant.account.id, "User")))
            rows: dict[str, list[Any]] = {}
            for table, column in found.all():
                result = await session.execute(
                    text(
                        f"SELECT to_jsonb(t) - CAST(:own AS text[]) FROM {table} t "  # names of the catalogue
                        f"WHERE {column}::text = ANY(:owners) ORDER BY 1"
                    ),
                    {"own": list(OWN_TIME), "owners": owners},
                )
                rows[f"{table}.{column}"] = [json.dumps(row, sort_keys=True) for row in result.scalars()]
            return rows
    finally:
        await db.close()
