"""What the Flight server asks: the caller's own credentials decide, the answer is a ticket that verifies."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from graph.core.ids import from_global, to_global, uuid7
from graph.core.tickets import verify_ticket
from tests.graph.client import User, upload
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CANCEL, job_uuid, make_dataset, run_job, spec, wait_for

TOKEN = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message } } }"""


async def get(user: User, path: str, token: str | None = None) -> httpx.Response:
    """Ask as the Flight server does."""
    return await user.http.get(path, headers={"Authorization": f"Bearer {token or user.token}"})


async def test_a_result_by_either_id_and_either_kind_of_token(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await run_job(user, await make_dataset(user), spec=spec(output="parquet"))
    await wait_for(user, job)
    made = await user.ask(TOKEN, input={"name": "notebook", "scopes": ["READ"]})
    for gid in (job, str(job_uuid(job))):
        for token in (user.token, made["token"]):
            answer = await get(user, f"/internal/flight/jobs/{gid}", token)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            claims = verify_ticket(body["ticket"], user.services.keys)
            assert (claims.kind, claims.id, claims.workspace) == ("job", job_uuid(job), user.workspace_id)
            assert (claims.format, claims.rows, body["rows"]) == ("parquet", 2, 2)
            assert all(item.key.startswith(f"w/{user.workspace_id}/jobs/") for item in claims.files)
            assert [column["name"] for column in body["schema"]] == ["id", "country", "amount"]
            assert answer.headers["cache-control"] == "no-store"


async def test_a_data_set_has_a_ticket_once_it_is_ready(user: User) -> None:
    fresh = await upload(user, b"a,b\n1,2\n")
    answer = await get(user, f"/internal/flight/datasets/{fresh['id']}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "DATASET_NOT_READY"
    ready = await make_dataset(user)
    body = (await get(user, f"/internal/flight/datasets/{ready}")).json()
    claims = verify_ticket(body["ticket"], user.services.keys)
    assert (claims.kind, claims.id, claims.format) == ("dataset", from_global(ready, "Dataset"), "csv")
    assert claims.dialect is not None
    assert claims.dialect["delimiter"] == ","


async def test_no_result_is_told_with_the_reason(user: User) -> None:
    job = await run_job(user, await make_dataset(user))
    answer = await get(user, f"/internal/flight/jobs/{job}")
    assert (answer.status_code, answer.json()["code"]) == (409, "RESULT_NOT_READY")
    await user.ask(CANCEL, input={"id": job})
    answer = await get(user, f"/internal/flight/jobs/{job}")
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_CANCELLED")


async def test_what_one_may_not_see_is_absent(user: User, stranger: User) -> None:
    job = await run_job(user, await make_dataset(user))
    paths = [
        f"/internal/flight/jobs/{job}",
        f"/internal/flight/jobs/{to_global('Job', uuid7())}",
        "/internal/flight/jobs/nonsense",
        f"/internal/flight/tables/{job}",
        f"/internal/flight/datasets/{job}",
    ]
    for path in paths:
        assert (await get(stranger, path)).status_code == 404, path
    assert (await get(stranger, "/internal/flight")).json() == {"tables": [], "next": None}


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic dTpw", "Bearer kar_" + "x" * 43])
async def test_without_good_credentials_nothing(app: Starlette, user: User, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    for path in ("/internal/flight", f"/internal/flight/jobs/{to_global('Job', uuid7())}"):
        assert (await user.http.get(path, headers=headers)).status_code == 401


async def test_the_list_names_results_and_data_sets(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dataset = await make_dataset(user)
    job = await run_job(user, dataset)
    await wait_for(user, job)
    await run_job(user, dataset, spec=spec("amount < 0"))
    listed = (await get(user, "/internal/flight")).json()["tables"]
    by_id = {item["id"]: item for item in listed}
    assert by_id[job] == {
        "kind": "job",
        "id": job,
        "name": "orders.csv",
        "rows": 2,
        "sizeBytes": by_id[job]["sizeBytes"],
    }
    assert by_id[dataset]["kind"] == "dataset"
