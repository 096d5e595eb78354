"""Asking the API about accounts, with cookies as a browser keeps them."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
from starlette.applications import Starlette

PASSWORD = "correct horse battery"
OPENED = "{ accessToken expiresAt user { id email name role workspaces { id name role personal } } }"
REGISTER = f"""mutation ($input: RegisterInput!) {{ register(input: $input) {{
  __typename ... on RegisterSuccess {OPENED} ... on Error {{ code message path }} }} }}"""
LOG_IN = f"""mutation ($input: LogInInput!) {{ logIn(input: $input) {{
  __typename ... on LogInSuccess {OPENED} ... on Error {{ code message path }} }} }}"""
REFRESH = f"mutation {{ refreshSession {{ __typename ... on RefreshSessionSuccess {OPENED} }} }}"
LOG_OUT = "mutation { logOut { __typename } }"
ME = "{ me { id email name role } }"
CREATE_TOKEN = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  __typename ... on CreateApiTokenSuccess { token apiToken { id name prefix scopes expiresAt } }
  ... on Error { code message path } } }"""
REVOKE_TOKEN = """mutation ($input: RevokeApiTokenInput!) { revokeApiToken(input: $input) {
  __typename ... on RevokeApiTokenSuccess { apiToken { id } } ... on Error { code message path } } }"""


def address() -> str:
    """A new e-mail address."""
    return f"{secrets.token_hex(8)}@example.org"


class Browser:
    """A client with a cookie jar; each has its own network address."""

    def __init__(self, app: Starlette, base_url: str = "http://testserver") -> None:
        self.address = ".".join(str(byte) for byte in secrets.token_bytes(4))
        transport = httpx.ASGITransport(app=app, client=(self.address, 1))
        self.http = httpx.AsyncClient(transport=transport, base_url=base_url)
        self.last: httpx.Response | None = None

    async def post(
        self, document: str, token: str | None = None, headers: dict[str, str] | None = None, **variables: Any
    ) -> Any:
        """Return the whole answer."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        self.last = await self.http.post("/graphql", json={"query": document, "variables": variables}, headers=sent)
        return self.last.json()

    async def ask(self, document: str, token: str | None = None, **variables: Any) -> Any:
        """Return the root field's value; fails on top-level errors."""
        body = await self.post(document, token, **variables)
        assert "errors" not in body, body
        (value,) = body["data"].values()
        return value

    async def code(self, document: str, token: str | None = None, **variables: Any) -> str:
        """Return the code of the one top-level error."""
        body = await self.post(document, token, **variables)
        (error,) = body["errors"]
        code: str = error["extensions"]["code"]
        return code

    async def register(self, email: str | None = None, password: str = PASSWORD) -> Any:
        """Register."""
        return await self.ask(REGISTER, input={"email": email or address(), "password": password, "name": "Ann"})

    async def log_in(self, email: str, password: str = PASSWORD) -> Any:
        """Log in."""
        return await self.ask(LOG_IN, input={"email": email, "password": password})
