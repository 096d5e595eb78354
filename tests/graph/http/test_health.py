"""Health, readiness with parts down, metrics, keys, headers, the web app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.http.server import KEEP_ALIVE_SECONDS
from graph.http.spa import SinglePageApp
from tests.graph.http.serving import free_port, served
from tests.graph.users.asking import ME, PASSWORD, Browser, address
from tests.processes import PATIENCE

DOWN = {
    "postgresql": lambda: {"database_url": f"postgresql+asyncpg://app@127.0.0.1:{free_port()}/kar"},
    "redis": lambda: {"redis_url": f"redis://127.0.0.1:{free_port()}/0"},
    "s3": lambda: {"s3_endpoint_url": f"http://127.0.0.1:{free_port()}"},
}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        yield client


async def test_an_idle_connection_is_the_proxys_to_close(services: Services) -> None:
    """Longer than uvicorn would keep it: a proxy that sends into a connection which closes right then answers 502."""
    patient = httpx.Limits(keepalive_expiry=60)
    async with served(services.settings) as (url, _), httpx.AsyncClient(timeout=PATIENCE, limits=patient) as client:
        sockets = [(await client.get(f"{url}/healthz")).extensions["network_stream"].get_extra_info("socket")]
        await asyncio.sleep(6)
        sockets.append((await client.get(f"{url}/healthz")).extensions["network_stream"].get_extra_info("socket"))
    # httpx opens another when the first one was closed
    assert sockets[0] is sockets[1]
    assert KEEP_ALIVE_SECONDS > 600


async def test_ready_and_alive_when_all_answer(services: Services, http: httpx.AsyncClient) -> None:
    async with served(services.settings) as (url, app):
        await asyncio.wait_for(app.state.started.wait(), PATIENCE)
        assert (await http.get(f"{url}/healthz")).text == "ok\n"
        ready = await http.get(f"{url}/readyz")
        assert ready.status_code == 200
        assert ready.json()["parts"] == {"postgresql": "ok", "redis": "ok", "s3": "ok", "startup": "ok"}


async def test_one_that_leaves_is_not_ready_and_still_answers(services: Services, http: httpx.AsyncClient) -> None:
    async with served(services.settings) as (url, app):
        await asyncio.wait_for(app.state.started.wait(), PATIENCE)
        app.state.leaving = True
        ready = await http.get(f"{url}/readyz")
        assert (ready.status_code, ready.json()["parts"]["startup"]) == (503, "down: this process is leaving")
        assert (await http.get(f"{url}/healthz")).status_code == 200
        answer = await http.post(f"{url}/graphql", json={"query": "{ __typename }"})
        assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("part", list(DOWN))
async def test_starts_and_names_the_part_that_is_down(services: Services, http: httpx.AsyncClient, part: str) -> None:
    async with served(services.settings.model_copy(update=DOWN[part]())) as (url, _):
        assert (await http.get(f"{url}/healthz")).status_code == 200
        ready = await http.get(f"{url}/readyz")
        assert ready.status_code == 503
        states = ready.json()["parts"]
        assert states[part].startswith("down: ")
        assert [name for name in DOWN if name != part and states[name] != "ok"] == []


async def test_without_postgresql_requests_say_so(services: Services, http: httpx.AsyncClient) -> None:
    token, _ = services.tokens.issue(*[(await _user(services))] * 3, "USER")  # type: ignore[call-arg]
    async with served(services.settings.model_copy(update=DOWN["postgresql"]())) as (url, app):
        token, _ = app.state.services.tokens.issue(*[(await _user(services))] * 3, "USER")
        headers = {"Authorization": f"Bearer {token}"}
        answer = await http.post(f"{url}/graphql", json={"query": ME}, headers=headers)
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert "PostgreSQL" in error["message"]


async def _user(services: Services) -> object:
    from graph.core.ids import uuid7

    return uuid7()


async def test_without_redis_people_still_log_in(services: Services) -> None:
    lame = create_app(services.settings.model_copy(update=DOWN["redis"]()))
    made: Services = lame.state.services
    try:
        browser, email = Browser(lame), address()
        await browser.register(email)
        opened = await browser.log_in(email, PASSWORD)
        assert (await browser.ask(ME, opened["accessToken"]))["email"] == email
    finally:
        await made.events.close()
        await made.queue.close()
        await made.db.close()


async def test_recovers_when_connections_were_cut(services: Services, app: Starlette) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    browser = Browser(app)
    opened = await browser.register()
    owner = create_async_engine(services.settings.owner_database_url)
    try:
        for _ in range(3):
            async with owner.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE usename = 'karyaksham_app' AND application_name = 'karyaksham-api'"
                    )
                )
            await asyncio.sleep(0.05)
            assert (await browser.ask(ME, opened["accessToken"]))["id"] == opened["user"]["id"]
    finally:
        await owner.dispose()


async def test_metrics_name_operations_but_not_what_clients_invent(app: Starlette) -> None:
    browser = Browser(app)
    await browser.post("query Zebra { me { id } }")
    await browser.post("{ zebra }")
    text = (await browser.http.get("/metrics")).text
    assert 'karyaksham_api_request_seconds_count{kind="query",operation="me"}' in text
    assert 'karyaksham_api_errors_total{code="GRAPHQL_VALIDATION_FAILED",operation="invalid"}' in text
    assert "ebra" not in text


async def test_keys_are_published(app: Starlette, services: Services) -> None:
    keys = (await Browser(app).http.get("/.well-known/jwks.json")).json()["keys"]
    assert [key["kid"] for key in keys] == list(services.keys.public)
    assert {(key["kty"], key["crv"], key["alg"]) for key in keys} == {("OKP", "Ed25519", "EdDSA")}
    assert all(set(key) == {"kty", "crv", "use", "alg", "kid", "x"} for key in keys)  # no private part


@pytest.mark.parametrize("path", ["/healthz", "/graphql", "/", "/no/such/page"])
async def test_every_answer_has_security_headers(app: Starlette, services: Services, path: str) -> None:
    headers = (await Browser(app).http.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert str(services.settings.s3_public_endpoint) in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"]


async def test_the_web_app_serves_its_routes(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>app</title>")
    (tmp_path / "assets" / "main-1a2b.js").write_text("1")
    from starlette.routing import Mount

    made = Starlette(routes=[Mount("/", SinglePageApp(tmp_path))])
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app=made), base_url="http://testserver")
    for path in ("/", "/jobs", "/jobs/abc=="):
        page = await http.get(path)
        assert (page.status_code, page.text) == (200, "<title>app</title>"), path
        assert page.headers["cache-control"] == "no-cache"
    script = await http.get("/assets/main-1a2b.js")
    assert "immutable" in script.headers["cache-control"]
    assert (await http.get("/assets/other.js")).status_code == 404
    assert (await http.get("/../pyproject.toml")).status_code == 404
    assert (await http.get("/%2e%2e/%2e%2e/etc/passwd")).text in {"<title>app</title>", "Not Found"}
