"""What /graphql offers and what it refuses."""

from __future__ import annotations

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Message
from structlog.testing import capture_logs

from graph.app import create_app
from graph.context import Services
from graph.http.middleware import MAX_BODY_BYTES
from tests.graph.users.asking import ME, Browser


async def test_no_queries_by_get(app: Starlette) -> None:
    answer = await Browser(app).http.get("/graphql", params={"query": "{ me { id } }"})
    assert answer.status_code in {400, 405}
    assert "data" not in answer.text


async def test_a_client_that_leaves_while_it_sends_is_no_error_of_ours(app: Starlette) -> None:
    messages = iter([{"type": "http.request", "body": b'{"query"', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"testserver")]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "raw_path": b"/graphql", "query_string": b""}
    with capture_logs() as logs:
        await app({**scope, "headers": headers, "scheme": "http", "http_version": "1.1"}, receive, send)
    assert sent == []
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


@pytest.mark.parametrize("path", ["/", "/graphql", "/export/audit", "/internal/flight", "/healthz", "/assets/x.js"])
async def test_trace_and_connect_are_no_methods_here(app: Starlette, path: str) -> None:
    for method in ("TRACE", "CONNECT", "DEBUG"):
        answer = await Browser(app).http.request(method, path)
        assert answer.status_code in {404, 405}, method
        assert "authorization" not in answer.text.lower()


async def test_answers_about_people_are_kept_by_no_cache(app: Starlette) -> None:
    browser = Browser(app)
    opened = await browser.register()
    await browser.ask(ME, opened["accessToken"])
    assert browser.last is not None
    assert browser.last.headers["cache-control"] == "no-store"
    for path in ("/export/audit", "/internal/flight", "/auth/oidc/start"):
        assert (await browser.http.get(path)).headers["cache-control"] == "no-store"


async def test_no_batches(app: Starlette) -> None:
    answer = await Browser(app).http.post("/graphql", json=[{"query": ME}, {"query": ME}])
    assert answer.status_code == 400


async def test_no_multipart(app: Starlette) -> None:
    operations = json.dumps({"query": ME})
    answer = await Browser(app).http.post("/graphql", data={"operations": operations, "map": "{}"}, files={"0": b"x"})
    assert answer.status_code in {400, 415}
    assert "data" not in answer.json() if answer.headers["content-type"] == "application/json" else True


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"3", b'"x"', b"[]", b"\xff\xfe", b'{"query": 3}', b"{}"])
async def test_broken_bodies_are_client_errors(app: Starlette, body: bytes) -> None:
    answer = await Browser(app).http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500


async def test_big_bodies_are_refused(app: Starlette) -> None:
    answer = await Browser(app).http.post(
        "/graphql", content=b" " * (MAX_BODY_BYTES + 1), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "BODY_TOO_LARGE"


async def test_syntax_and_validation_errors_have_codes(app: Starlette) -> None:
    browser = Browser(app)
    assert await browser.code("{ me { id ") == "GRAPHQL_PARSE_FAILED"
    assert await browser.code("{ nothing }") == "GRAPHQL_VALIDATION_FAILED"
    assert await browser.code("{ me { id } " + "me { id } " * 3000 + "}") == "GRAPHQL_PARSE_FAILED"


async def test_introspection_and_suggestions_are_off_in_production(services: Services, app: Starlette) -> None:
    document = "{ __schema { types { name } } }"
    assert "data" in await Browser(app).post(document)
    # the list of documents would refuse these before the rules that are looked at here
    changed = {"environment": "production", "graphql_documents": "any"}
    production = create_app(services.settings.model_copy(update=changed))
    made: Services = production.state.services
    try:
        browser = Browser(production)
        body = await browser.post(document)
        assert body["data"] is None
        assert {error["extensions"]["code"] for error in body["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
        body = await browser.post("{ mee { id } }")
        assert "Did you mean" not in body["errors"][0]["message"]
        page = await browser.http.get("/graphql", headers={"accept": "text/html"})
        assert page.status_code == 404
    finally:
        await made.events.close()
        await made.queue.close()
        await made.db.close()


async def test_bugs_are_masked_and_carry_the_request_id(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    browser = Browser(app)
    opened = await browser.register()
    monkeypatch.setattr(app.state.services.accounts, "user", broken)
    body = await browser.post(ME, opened["accessToken"], {"X-Request-Id": "abc-123"})
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "INTERNAL_ERROR", "requestId": "abc-123"}
    assert "hunter2" not in json.dumps(body)


async def test_cached_documents_are_not_mixed_up(app: Starlette) -> None:
    browser = Browser(app)
    opened = await browser.register()
    document = "query ($id: ID!) { node(id: $id) { id } }"
    for _ in range(3):
        gid = opened["user"]["id"]
        assert (await browser.ask(document, opened["accessToken"], id=gid))["id"] == gid
        assert await browser.ask(document, opened["accessToken"], id="x") is None
        assert await browser.code(document, opened["accessToken"]) == "GRAPHQL_VALIDATION_FAILED"


async def test_other_sites_get_no_cors(app: Starlette, services: Services) -> None:
    http = Browser(app).http
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    evil = await http.options("/graphql", headers={"Origin": "https://evil.example", **preflight})
    assert "access-control-allow-origin" not in evil.headers
    ours = await http.options("/graphql", headers={"Origin": services.settings.public_url, **preflight})
    assert ours.headers["access-control-allow-origin"] == services.settings.public_url


async def test_form_posts_of_other_sites_are_refused(app: Starlette) -> None:
    answer = await Browser(app).http.post("/graphql", data={"query": "mutation { logOut { __typename } }"})
    assert 400 <= answer.status_code < 500


async def test_header_injection_through_the_request_id_is_refused(app: Starlette) -> None:
    answer: httpx.Response = await Browser(app).http.get("/healthz", headers={"X-Request-Id": "a b<script>"})
    assert answer.headers["x-request-id"] != "a b<script>"
