"""Tables that Flight clients send, seen from the API: a place first, a data set when the object is there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from graph.core.ids import from_global, to_global, uuid7
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CANCEL, make_dataset, run_job, spec, wait_for

TOKEN = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message } } }"""
DATASET = "query ($id: ID!) { dataset(id: $id) { id name status } }"


async def ask(user: User, method: str, path: str, json: Any = None, token: str | None = None) -> httpx.Response:
    """Ask as the Flight server does."""
    headers = {"Authorization": f"Bearer {token or user.token}"}
    return await user.http.request(
        method,
        f"/internal/flight{path}" if path.startswith("?") else f"/internal/flight/{path}",
        json=json,
        headers=headers,
    )


async def begin(user: User, name: str) -> dict[str, Any]:
    """A place for a table."""
    answer = await ask(user, "POST", "datasets", {"name": name})
    assert answer.status_code == 200, answer.text
    place: dict[str, Any] = answer.json()
    return place


async def test_an_object_becomes_a_data_set_once(user: User) -> None:
    place = await begin(user, "orders")
    dataset_id = from_global(place["id"], "Dataset")
    assert place["key"] == f"w/{user.workspace_id}/datasets/{dataset_id}/source"
    assert place["maxBytes"] > 10**9
    # Nothing shows before the object is there.
    assert await user.ask(DATASET, id=place["id"]) is None
    announced = {"name": "orders", "sizeBytes": 4}
    early = await ask(user, "PUT", f"datasets/{place['id']}", announced)
    assert (early.status_code, early.json()["code"]) == (409, "PUT_GONE")
    await user.services.storage.put(place["key"], b"PAR1")
    wrong = await ask(user, "PUT", f"datasets/{place['id']}", announced | {"sizeBytes": 5})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "PUT_SIZE_MISMATCH")
    for _ in range(2):  # an answer that got lost is asked for again
        answer = await ask(user, "PUT", f"datasets/{place['id']}", announced)
        assert answer.json() == {"id": place["id"], "status": "INSPECTING", "sizeBytes": 4}
    assert (await user.ask(DATASET, id=place["id"]))["name"] == "orders"
    progress = await ask(user, "GET", f"datasets/{place['id']}/progress")
    assert progress.json() == {"status": "INSPECTING", "done": False, "fraction": None, "sequence": 0}


async def test_a_name_is_given_once(user: User) -> None:
    first, second = await begin(user, "same"), await begin(user, "same")
    for place in (first, second):
        await user.services.storage.put(place["key"], b"PAR1")
    announced = {"name": "same", "sizeBytes": 4}
    assert (await ask(user, "PUT", f"datasets/{first['id']}", announced)).status_code == 200
    for answer in (
        await ask(user, "PUT", f"datasets/{second['id']}", announced),
        await ask(user, "POST", "datasets", {"name": "same"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "NAME_TAKEN")
        assert "'same'" in answer.json()["title"]


async def test_nobody_makes_a_data_set_of_what_is_not_theirs(user: User, stranger: User) -> None:
    place = await begin(user, "mine")
    await user.services.storage.put(place["key"], b"PAR1")
    answer = await ask(stranger, "PUT", f"datasets/{place['id']}", {"name": "stolen", "sizeBytes": 4})
    assert (answer.status_code, answer.json()["code"]) == (409, "PUT_GONE")
    # An upload's object, or a job's, cannot be named at all.
    other = to_global("Dataset", uuid7())
    assert (await ask(user, "PUT", f"datasets/{other}", {"name": "x", "sizeBytes": 4})).status_code == 409


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "a/b"}, "FILE_NAME_INVALID"),
        ({"name": " "}, "FILE_NAME_INVALID"),
        ({"name": 1}, "BODY_INVALID"),
        ([], "BODY_INVALID"),
        ({"name": "x" * 20_000}, "BODY_TOO_LARGE"),
    ],
)
async def test_bodies_that_are_none(user: User, body: Any, code: str) -> None:
    answer = await ask(user, "POST", "datasets", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await ask(user, "PUT", f"datasets/{to_global('Dataset', uuid7())}", {"name": "x"})).status_code == 400


async def test_reading_is_not_writing(user: User, app: Starlette) -> None:
    made = await user.ask(TOKEN, input={"name": "reader", "scopes": ["READ"]})
    job = await run_job(user, await make_dataset(user))
    for method, path in (("POST", "datasets"), ("PUT", f"datasets/{job}"), ("POST", f"jobs/{job}/cancel")):
        answer = await ask(user, method, path, {"name": "x"}, made["token"])
        assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_MISSING")
        assert (await user.http.request(method, f"/internal/flight/{path}")).status_code == 401
    await user.ask(CANCEL, input={"id": job})


async def test_a_job_is_followed_and_cancelled(user: User, stranger: User) -> None:
    job = await run_job(user, await make_dataset(user))
    found = (await ask(user, "GET", f"jobs/{job}/progress")).json()
    assert found == {"status": "PENDING", "done": False, "fraction": None, "sequence": 1}
    for method, path in (("GET", "progress"), ("GET", "urls"), ("POST", "cancel")):
        assert (await ask(stranger, method, f"jobs/{job}/{path}")).status_code == 404
    assert (await ask(user, "POST", f"jobs/{job}/cancel")).json() == {"status": "CANCELLED"}
    answer = await ask(user, "GET", f"jobs/{job}/progress")
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_CANCELLED")
    assert (await ask(user, "POST", f"datasets/{job}/cancel")).status_code == 404


async def test_downloads_and_pages(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dataset = await make_dataset(user)
    jobs = [await run_job(user, dataset, spec=spec(output="parquet")) for _ in range(3)]
    for job in jobs:
        await wait_for(user, job)
    assert (await ask(user, "GET", f"jobs/{jobs[0]}/progress")).json()["done"] is True
    [file] = (await ask(user, "GET", f"jobs/{jobs[0]}/urls")).json()["files"]
    assert (file["name"], file["format"], file["rows"]) == ("part-00000.parquet", "parquet", 2)
    assert file["url"].startswith("http")
    [file] = (await ask(user, "GET", f"datasets/{dataset}/urls")).json()["files"]
    assert (file["format"], set(file)) == ("csv", {"name", "format", "sizeBytes", "rows", "url", "expiresAt"})
    seen: list[str] = []
    after = ""
    while True:
        page = (await ask(user, "GET", f"?first=2{after}")).json()
        assert len(page["tables"]) <= 2
        seen += [item["id"] for item in page["tables"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [*reversed(jobs), dataset]
    for bad in ("first=0", "first=x", "first=10000", "after=job:x", "after=x", f"after=user:{uuid7()}"):
        assert (await ask(user, "GET", f"?{bad}")).status_code == 400, bad
