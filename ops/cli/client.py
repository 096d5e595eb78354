"""The service as the command asks it: stored log-in, GraphQL over HTTP, subscriptions over SSE."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.cli.errors import CommandError

# what every mutation may answer instead, and what those with a specification may
REFUSED = "... on Error { code message path }"
PROBLEMS = "... on InvalidPipeline { problems { path code message hint } }"
_RETRIES = 5


def config_dir() -> Path:
    """`~/.config/karyaksham`, or where XDG_CONFIG_HOME says."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "karyaksham"


@dataclass(frozen=True, slots=True)
class Login:
    """A server and the token for it."""

    url: str
    token: str
    email: str = ""

    def save(self) -> Path:
        """Keep it for other commands, readable by this user alone; returns the file."""
        folder = config_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "login.json"
        temporary = path.with_name(f".login.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        temporary.replace(path)
        return path

    @classmethod
    def load(cls) -> Login:
        """Return KARYAKSHAM_URL and KARYAKSHAM_TOKEN, else the stored log-in."""
        url, token = os.environ.get("KARYAKSHAM_URL"), os.environ.get("KARYAKSHAM_TOKEN")
        path = config_dir() / "login.json"
        stored: dict[str, str] = {}
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise CommandError("LOGIN_UNREADABLE", f"{path}: {error}", hint="Log in again.") from error
        url, token = url or stored.get("url"), token or stored.get("token")
        if not url or not token:
            raise CommandError(
                "NOT_LOGGED_IN",
                "No server is known.",
                hint="Run `karyaksham login URL`, or set KARYAKSHAM_URL and KARYAKSHAM_TOKEN.",
            )
        return cls(url.rstrip("/"), token, stored.get("email", ""))


class Server:
    """A server, asked with a token."""

    def __init__(self, login: Login) -> None:
        self.login = login
        headers = {"Authorization": f"Bearer {login.token}"} if login.token else {}
        self.http = httpx.Client(timeout=httpx.Timeout(60, connect=10), headers=headers)

    @classmethod
    def stored(cls) -> Server:
        """The server of the stored log-in."""
        return cls(Login.load())

    def ask(self, document: str, variables: Mapping[str, Any] | None = None) -> Any:
        """Return the value of the one root field; `CommandError` for every kind of refusal."""
        url = f"{self.login.url}/graphql"
        for attempt in range(_RETRIES):
            try:
                answer = self.http.post(url, json={"query": document, "variables": dict(variables or {})})
            except httpx.ConnectError as error:
                # nothing has reached the server: asking again is safe
                if attempt + 1 < _RETRIES:
                    time.sleep(0.2 * 2**attempt)
                    continue
                raise self._unreachable(error) from error
            except httpx.HTTPError as error:
                raise self._unreachable(error) from error
            break
        try:
            body = answer.json()
        except ValueError as error:
            raise CommandError(
                "NOT_KARYAKSHAM",
                f"{url} answers {answer.status_code}, but not as Karyaksham does.",
                hint="Check the URL.",
            ) from error
        return _value(body)

    def _unreachable(self, error: Exception) -> CommandError:
        return CommandError(
            "SERVER_UNREACHABLE",
            f"{self.login.url} does not answer: {error}",
            hint="Is the server running? Is the URL right? `karyaksham doctor` on the server looks for causes.",
        )

    def subscribe(self, document: str, variables: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the values of a subscription until it ends; `httpx.HTTPError` when the connection breaks."""
        body = {"query": document, "variables": dict(variables)}
        timeout = httpx.Timeout(60, read=60)
        headers = {"Accept": "text/event-stream"}
        with self.http.stream(
            "POST", f"{self.login.url}/graphql", json=body, headers=headers, timeout=timeout
        ) as answer:
            if "text/event-stream" not in answer.headers.get("content-type", ""):
                answer.read()
                try:
                    yield _value(answer.json())
                except ValueError as error:
                    raise CommandError("NOT_KARYAKSHAM", f"The server answers {answer.status_code}.") from error
                return
            event, data = "", ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line:
                    if event == "complete":
                        return
                    if event == "next" and data:
                        yield _value(json.loads(data))
                    event, data = "", ""
        raise httpx.RemoteProtocolError("the stream ended early")

    def follow(self, document: str, variables: Mapping[str, Any]) -> Iterator[Any]:
        """Like `subscribe`, reconnecting; each connection begins with the state as it is then."""
        failures = 0
        while True:
            try:
                for value in self.subscribe(document, variables):
                    failures = 0
                    yield value
            except httpx.HTTPError as error:
                failures += 1
                if failures > _RETRIES * 2:
                    raise self._unreachable(error) from error
                time.sleep(min(0.2 * 2**failures, 5))
            else:
                return


def _value(body: Any) -> Any:
    if not isinstance(body, dict):
        raise CommandError("NOT_KARYAKSHAM", "The server answers with something else than GraphQL.")
    errors = body.get("errors") or []
    data = body.get("data") or {}
    if errors:
        first = errors[0]
        code = (first.get("extensions") or {}).get("code") or "REFUSED"
        hint = {
            "UNAUTHENTICATED": "Run `karyaksham login URL` again: the token is unknown, expired or revoked.",
            "RATE_LIMITED": "Wait a little and try again.",
        }.get(code, "")
        raise CommandError(code, str(first.get("message", "refused")), hint=hint)
    (value,) = data.values() if len(data) == 1 else (data,)
    if isinstance(value, dict) and "code" in value and "message" in value and "path" in value:
        problems = value.get("problems") or []
        # the server's sentence repeats the first problem, for clients that show nothing else
        message = "The pipeline cannot run:" if problems else value["message"]
        for problem in problems:
            message += f"\n  {problem['path']}: [{problem['code']}] {problem['message']}"
            if problem.get("hint"):
                message += f" ({problem['hint']})"
        raise CommandError(value["code"], message, place=".".join(value["path"] or ()))
    return value
