"""A real OpenID provider for tests, started from `oidc_provider.mjs`, and a person's browser at its pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from ops.setup.package_tools import node_modules
from tests.processes import PATIENCE

_SCRIPT = Path(__file__).with_suffix(".mjs")


@dataclass
class OidcProvider:
    """The provider; its clients are `karyaksham`, with a secret, and `public`, without."""

    issuer: str
    secret: str
    process: subprocess.Popen[str]

    def _control(self, what: str, value: Any) -> None:
        httpx.post(f"{self.issuer}/control/{what}", json=value, timeout=PATIENCE).raise_for_status()

    def serve(self, public_url: str) -> None:
        """Let browsers be sent back to this service, and to that alone."""
        uris = {"uris": [f"{public_url}/auth/oidc/callback"], "logoutUris": [f"{public_url}/sign-in"]}
        self._control("clients", uris)

    def account(self, login: str, **claims: Any) -> None:
        """Say something about who logs in under this name; else the address is `{login}@example.org`, verified."""
        self._control("accounts", {login: claims})

    def silent(self, login: str, *claims: str) -> None:
        """Say nothing of these claims of somebody."""
        self._control("accounts", {login: {"silent": claims}})

    @contextmanager
    def forging(self, kind: str) -> Iterator[None]:
        """Lie, in the way that the script has under this name."""
        self._control("forge", {"kind": kind})
        try:
            yield
        finally:
            self._control("forge", {"kind": None})

    def rotate(self) -> None:
        """Sign with new keys; the old ones are gone."""
        self._control("rotate", {})


@contextmanager
def oidc_provider() -> Iterator[OidcProvider]:
    """Run one on a free port of this machine."""
    environment = os.environ | {"MODULES": str(node_modules()), "PORT": "0"}
    with subprocess.Popen(["node", str(_SCRIPT)], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the provider did not start: its complaint is above"
            yield OidcProvider(**json.loads(line), process=process)
        finally:
            process.kill()


class Visitor:
    """Somebody's browser at the provider: cookies, and the pages where one logs in and agrees."""

    def __init__(self) -> None:
        self.http = httpx.AsyncClient(timeout=PATIENCE)

    async def sign_in(self, url: str, login: str, *, until: str) -> str:
        """Go to `url` and do what the pages ask until sent to a place that begins with `until`; returns that URL."""
        return await self._go(await self.http.get(url), login, until)

    async def refuse(self, url: str, *, until: str) -> str:
        """Go to `url` and cancel."""
        page = await self.http.get(url, follow_redirects=True)
        (cancel,) = re.findall(r'href="([^"]+/abort)"', page.text)
        return await self._go(await self.http.get(cancel), "", until)

    async def _go(self, answer: httpx.Response, login: str, until: str) -> str:
        for _ in range(12):
            if answer.is_redirect:
                place = str(answer.url.join(answer.headers["location"]))
                if place.startswith(until):
                    return place
                answer = await self.http.get(place)
                continue
            assert answer.status_code == 200, answer.text
            (action,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
            values = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
            if values.get("prompt") == "login":
                values |= {"login": login, "password": "any"}
            if "xsrf" in values:
                values["logout"] = "yes"
            answer = await self.http.post(unescape(action), data=values)
        raise AssertionError(f"no way to {until}, but {answer.url}")
