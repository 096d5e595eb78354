"""The API in this process, on the real stack, asked as a browser asks it: GraphQL in JSON, files by presigned URLs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from starlette.applications import Starlette

from graph.context import Services
from graph.core.ids import from_global
from tests.processes import PATIENCE

REGISTER = """mutation ($input: RegisterInput!) { register(input: $input) {
  ... on RegisterSuccess { accessToken user { id workspaces { id } } } ... on Error { code message } } }"""


@dataclass
class User:
    """A registered person with a personal workspace."""

    http: httpx.AsyncClient
    services: Services
    token: str
    id: UUID
    workspace_id: UUID

    async def post(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the whole answer of one GraphQL operation."""
        answer = await self.http.post(
            "/graphql",
            json={"query": document, "variables": variables},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        body: dict[str, Any] = answer.json()
        return body

    async def ask(self, document: str, **variables: Any) -> Any:
        """Return the one root field's value; fails on top-level errors."""
        body = await self.post(document, **variables)
        assert "errors" not in body, body["errors"]
        (value,) = body["data"].values()
        return value


async def register(app: Starlette) -> User:
    """A new person."""
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver")
    name = secrets.token_hex(8)
    variables = {"input": {"email": f"{name}@example.org", "password": f"correct horse {name}", "name": name}}
    body = (await http.post("/graphql", json={"query": REGISTER, "variables": variables})).json()
    session = body["data"]["register"]
    assert "accessToken" in session, body
    user = session["user"]
    return User(
        http=http,
        services=app.state.services,
        token=session["accessToken"],
        id=from_global(user["id"], "User"),
        workspace_id=from_global(user["workspaces"][0]["id"], "Workspace"),
    )


BEGIN = """mutation ($input: BeginUploadInput!) { beginUpload(input: $input) {
  __typename ... on BeginUploadSuccess { upload { id partSizeBytes partCount fileName sizeBytes status contentType
    expiresAt createdAt } } ... on Error { code message path } } }"""
SIGN = """mutation ($input: SignUploadPartsInput!) { signUploadParts(input: $input) {
  __typename ... on SignUploadPartsSuccess { parts { partNumber url expiresAt sizeBytes contentType } }
  ... on Error { code message path } } }"""
COMPLETE = """mutation ($input: CompleteUploadInput!) { completeUpload(input: $input) {
  __typename ... on CompleteUploadSuccess { dataset { id name status sizeBytes } }
  ... on Error { code message path } } }"""
ABORT = """mutation ($input: AbortUploadInput!) { abortUpload(input: $input) {
  __typename ... on AbortUploadSuccess { upload { id status } } ... on Error { code message path } } }"""


async def put(url: str, body: bytes, content_type: str = "application/x-karyaksham") -> httpx.Response:
    """PUT to object storage as a browser does."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        return await client.put(url, content=body, headers={"Content-Type": content_type})


async def send_parts(user: User, upload: dict[str, Any], data: bytes, numbers: list[int] | None = None) -> None:
    """Sign and PUT these parts (all by default)."""
    wanted = numbers or list(range(1, upload["partCount"] + 1))
    signed = await user.ask(SIGN, input={"uploadId": upload["id"], "partNumbers": wanted})
    for part in signed["parts"]:
        start = (part["partNumber"] - 1) * upload["partSizeBytes"]
        answer = await put(part["url"], data[start : start + upload["partSizeBytes"]])
        assert answer.status_code == 200, answer.text


async def begin(user: User, data: bytes, name: str = "data.csv") -> dict[str, Any]:
    """Begin the upload of these bytes."""
    answer = await user.ask(BEGIN, input={"fileName": name, "sizeBytes": len(data)})
    upload: dict[str, Any] = answer["upload"]
    return upload


async def upload(user: User, data: bytes, name: str = "data.csv") -> dict[str, Any]:
    """Upload bytes; returns the data set as completeUpload gives it."""
    begun = await begin(user, data, name)
    await send_parts(user, begun, data)
    answer = await user.ask(COMPLETE, input={"uploadId": begun["id"]})
    dataset: dict[str, Any] = answer["dataset"]
    return dataset
