"""The allow-list of documents: what a service in production executes for browsers, and what for programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from graph.context import Services
from graph.core.settings import Settings
from graph.http.documents import FOLDER, digest, read_documents
from ops.cli.login import SESSION_DOCUMENTS
from tests.graph.http.serving import served
from tests.graph.http.test_sockets import connected, receive
from tests.graph.users.asking import PASSWORD, Browser, address

OWN = "{ me { email } }"
OWN_WATCH = "subscription { jobsChanged { id } }"


def listed(name: str) -> str:
    """The one document of the web application with this operation."""
    texts: list[str] = orjson.loads((FOLDER / "web.json").read_bytes())
    (text,) = (text for text in texts if text.split("(")[0].split("{")[0].split()[-1] == name)
    return text


def by_hash(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}


@pytest.fixture
async def production(services: Services) -> AsyncIterator[tuple[str, Starlette]]:
    """A running server with the settings of production."""
    settings = services.settings.model_copy(update={"environment": "production"})
    async with served(settings) as running:
        yield running


class Caller:
    """Asks a running service, with the text of a document, its hash, or both."""

    def __init__(self, app: Starlette, token: str | None = None) -> None:
        self.browser, self.token = Browser(app), token

    async def answer(self, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return (await self.browser.http.post("/graphql", json=body, headers=headers)).json()

    async def code(self, body: dict[str, Any]) -> str:
        answer = await self.answer(body)
        assert answer["data"] is None
        (error,) = answer["errors"]
        return str(error["extensions"]["code"])

    async def register(self) -> Any:
        fields = {"email": address(), "password": PASSWORD, "name": "Ann"}
        body = {"extensions": by_hash(listed("Register")), "variables": {"input": fields}}
        opened = (await self.answer(body))["data"]["register"]
        self.token = opened["accessToken"]
        return opened | fields


async def test_the_lists_hold_documents_of_this_schema_and_those_before_an_api_token() -> None:
    documents = read_documents()
    assert len(documents) > 50
    assert all(digest(text) == key for key, text in documents.items())
    assert set(SESSION_DOCUMENTS) <= set(documents.values())


async def test_a_browser_executes_listed_documents_only(production: tuple[str, Starlette]) -> None:
    caller = Caller(production[1])
    opened = await caller.register()
    account = listed("AccountPage")
    for body in ({"extensions": by_hash(account)}, {"query": account}, {"query": "", "extensions": by_hash(account)}):
        assert (await caller.answer(body))["data"]["me"]["email"] == opened["email"]
    assert await caller.code({"query": OWN}) == "PERSISTED_QUERY_NOT_IN_LIST"
    # the hash of a listed document is no pass for another text
    assert await caller.code({"query": OWN, "extensions": by_hash(account)}) == "PERSISTED_QUERY_NOT_IN_LIST"
    assert await caller.code({"extensions": by_hash(OWN)}) == "PERSISTED_QUERY_NOT_FOUND"
    assert await caller.code({"query": "{ me { id "}) == "PERSISTED_QUERY_NOT_IN_LIST"


async def test_callers_without_a_session_are_bound_too(production: tuple[str, Starlette]) -> None:
    caller = Caller(production[1])
    assert await caller.code({"query": "{ __schema { types { name } } }"}) == "PERSISTED_QUERY_NOT_IN_LIST"
    assert await caller.code({"extensions": by_hash(OWN)}) == "PERSISTED_QUERY_NOT_FOUND"
    # a program whose token has ended hears of its token, not of a list it never needed
    assert await Caller(production[1], "kar_nothing").code({"query": OWN}) == "UNAUTHENTICATED"


async def test_an_api_token_may_send_its_own_documents(production: tuple[str, Starlette]) -> None:
    caller = Caller(production[1])
    opened = await caller.register()
    log_in, _, create, _ = SESSION_DOCUMENTS
    again = await Caller(production[1]).answer(
        {"query": log_in, "variables": {"i": {"email": opened["email"], "password": PASSWORD}}}
    )
    caller.token = again["data"]["logIn"]["accessToken"]
    made = await caller.answer(
        {"query": create, "variables": {"i": {"name": "x", "scopes": ["READ"], "expiresAt": None}}}
    )
    program = Caller(production[1], made["data"]["createApiToken"]["token"])
    assert (await program.answer({"query": OWN}))["data"] == {"me": {"email": opened["email"]}}
    assert (await program.answer({"extensions": by_hash(listed("AccountPage"))}))["data"]["me"]["id"]

    async with connected(production[0], {"authorization": f"Bearer {program.token}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": OWN}}))
        assert (await receive(socket))["payload"] == {"data": {"me": {"email": opened["email"]}}}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": OWN_WATCH}, "PERSISTED_QUERY_NOT_IN_LIST"),
        ({"query": "", "extensions": by_hash(OWN_WATCH)}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)
async def test_a_socket_refuses_what_is_not_listed_and_stays_open(
    production: tuple[str, Starlette], payload: dict[str, Any], code: str
) -> None:
    caller = Caller(production[1])
    opened = await caller.register()
    async with connected(production[0], {"authorization": f"Bearer {caller.token}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        message = await receive(socket)
        assert (message["type"], message["id"]) == ("error", "1")
        assert [error["extensions"]["code"] for error in message["payload"]] == [code]

        named = {"query": "", "extensions": by_hash(listed("AccountPage"))}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": named}))
        message = await receive(socket)
        assert message["payload"]["data"]["me"]["email"] == opened["email"]


@pytest.mark.parametrize("payload", [{}, {"query": None}, {"query": 3}, None, "x"])
async def test_a_socket_closes_on_messages_without_a_document(production: tuple[str, Starlette], payload: Any) -> None:
    caller = Caller(production[1])
    await caller.register()
    async with connected(production[0], {"authorization": f"Bearer {caller.token}"}) as socket:
        assert (await receive(socket))["type"] == "connection_ack"
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        await socket.wait_closed()
        assert socket.close_code == 4400


async def test_while_developing_everything_is_executed_and_hashes_too(app: Starlette) -> None:
    caller = Caller(app)
    opened = await caller.register()
    assert (await caller.answer({"query": OWN}))["data"] == {"me": {"email": opened["email"]}}
    assert await caller.code({"extensions": by_hash(OWN)}) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("extensions", [{}, {"persistedQuery": 3}, {"persistedQuery": {"sha256Hash": 3}}, None])
async def test_extensions_of_others_are_no_hash(app: Starlette, extensions: Any) -> None:
    answer = await Browser(app).http.post("/graphql", json={"extensions": extensions})
    assert answer.status_code == 400


def test_the_setting_decides_and_production_is_its_default() -> None:
    def bound(**values: Any) -> bool:
        return Settings(**values).listed_documents_only

    assert [bound(environment="production"), bound(environment="development")] == [True, False]
    assert [bound(environment="production", graphql_documents="any"), bound(graphql_documents="listed")] == [
        False,
        True,
    ]
    assert bound(environment="production", graphql_documents="")
