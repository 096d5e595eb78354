"""Jobs through GraphQL: ordering, refusals, idempotency, lists, cancel, retry, delete; and whose they are."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from graph.core.events import Events
from graph.core.ids import to_global, uuid7
from graph.core.queue import Queue
from tests.graph.client import User, upload
from tests.workers.conftest import StartWorker
from tests.workers.helpers import (
    CANCEL,
    DELETE,
    RETRY,
    RUN_JOB,
    job_uuid,
    keys_of,
    look,
    make_dataset,
    order,
    rows_of,
    run_job,
    spec,
    wait_for,
)

CREATE = """mutation ($input: CreatePipelineInput!) { createPipeline(input: $input) {
  __typename ... on CreatePipelineSuccess { pipeline { id } } ... on Error { code message } } }"""
UPDATE = """mutation ($input: UpdatePipelineInput!) { updatePipeline(input: $input) {
  __typename ... on Error { code message } } }"""
JOBS = """query ($first: Int!, $after: String, $status: [JobStatus!]) {
  jobs(first: $first, after: $after, status: $status) {
  nodes { id status } pageInfo { hasNextPage endCursor } } }"""


async def test_a_job_keeps_the_pipeline_as_it_was(user: User) -> None:
    dataset = await make_dataset(user)
    made = await user.ask(CREATE, input={"name": "Only India", "spec": spec()})
    pipeline = made["pipeline"]["id"]
    job = await run_job(user, dataset, spec=None, pipelineId=pipeline)
    await user.ask(UPDATE, input={"id": pipeline, "spec": spec("country = 'Nepal'")})
    found = await look(user, job)
    assert found["name"] == "Only India"
    assert (found["pipelineId"], found["pipelineVersion"]) == (pipeline, 1)
    assert found["spec"]["steps"] == spec()["steps"]
    assert found["inputs"] == [{"name": "input", "datasetId": dataset, "dataset": {"name": "orders.csv"}}]
    later = await look(user, await run_job(user, dataset, spec=None, pipelineId=pipeline))
    assert later["pipelineVersion"] == 2


async def test_everything_wrong_with_a_pipeline_is_told_at_once(user: User) -> None:
    dataset = await make_dataset(user)
    wrong = {
        "version": 1,
        "steps": [{"filter": {"where": "amuont > 3"}}, {"select": {"columns": ["id", "nowhere"]}}],
        "output": {"format": "csv"},
    }
    answer = await order(user, dataset, spec=wrong)
    assert answer["__typename"] == "InvalidPipeline"
    assert answer["code"] == "INVALID_PIPELINE"
    paths = [problem["path"] for problem in answer["problems"]]
    assert any("0" in path for path in paths)
    assert any("1" in path for path in paths)
    assert all(problem["code"] and problem["message"] for problem in answer["problems"])
    assert (await user.ask(JOBS, first=10))["nodes"] == []


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"spec": None}, "PIPELINE_OR_SPEC", ["pipelineId"]),
        ({"pipelineId": to_global("Pipeline", uuid7())}, "PIPELINE_OR_SPEC", ["pipelineId"]),
        ({"spec": None, "pipelineId": to_global("Pipeline", uuid7())}, "NOT_FOUND", ["pipelineId"]),
        ({"spec": None, "pipelineId": "nonsense"}, "NOT_FOUND", ["pipelineId"]),
        ({"inputs": []}, "INPUTS_MISSING", ["inputs"]),
        (
            {"inputs": [{"name": "input", "datasetId": to_global("Dataset", uuid7())}]},
            "NOT_FOUND",
            ["inputs", "0", "datasetId"],
        ),
        ({"inputs": [{"name": "input", "datasetId": "x"}]}, "NOT_FOUND", ["inputs", "0", "datasetId"]),
        ({"idempotencyKey": ""}, "KEY_INVALID", ["idempotencyKey"]),
        ({"idempotencyKey": "k" * 201}, "KEY_INVALID", ["idempotencyKey"]),
    ],
)
async def test_refused_orders_name_the_field(user: User, changes: dict[str, Any], code: str, path: list[str]) -> None:
    answer = await order(user, await make_dataset(user), **changes)
    assert (answer.get("code"), answer.get("path")) == (code, path), answer


async def test_two_inputs_of_one_name_are_refused(user: User) -> None:
    dataset = await make_dataset(user)
    twice = [{"name": "input", "datasetId": dataset}] * 2
    answer = await order(user, dataset, inputs=twice)
    assert (answer["code"], answer["path"]) == ("INPUT_NAME_REPEATED", ["inputs", "1", "name"])


async def test_a_data_set_that_is_not_inspected_is_refused(user: User) -> None:
    fresh = await upload(user, b"a,b\n1,2\n")
    answer = await order(user, fresh["id"])
    assert (answer["__typename"], answer["code"]) == ("DatasetNotReady", "DATASET_NOT_READY")
    assert answer["path"] == ["inputs", "0", "datasetId"]


async def test_the_same_key_gives_the_same_job_also_at_once(user: User, stranger: User) -> None:
    dataset = await make_dataset(user)
    jobs = await asyncio.gather(*(run_job(user, dataset, idempotencyKey="monday") for _ in range(8)))
    assert len(set(jobs)) == 1
    _, _, events, _ = await rows_of(user, jobs[0])
    assert [item.kind for item in events] == ["created"]
    assert await run_job(user, dataset, idempotencyKey="tuesday") not in jobs
    # keys are the workspace's own
    assert await run_job(stranger, await make_dataset(stranger), idempotencyKey="monday") not in jobs


async def test_lists_page_by_keyset_and_filter(user: User) -> None:
    dataset = await make_dataset(user)
    jobs = [await run_job(user, dataset) for _ in range(5)]
    await user.ask(CANCEL, input={"id": jobs[0]})
    first = await user.ask(JOBS, first=2)
    assert [node["id"] for node in first["nodes"]] == [jobs[4], jobs[3]]
    assert first["pageInfo"]["hasNextPage"] is True
    newer = await run_job(user, dataset)  # does not shift the next page
    second = await user.ask(JOBS, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["id"] for node in second["nodes"]] == [jobs[2], jobs[1]]
    cancelled = await user.ask(JOBS, first=10, status=["CANCELLED"])
    assert [node["id"] for node in cancelled["nodes"]] == [jobs[0]]
    pending = await user.ask(JOBS, first=10, status="PENDING")
    assert {node["id"] for node in pending["nodes"]} == {newer, *jobs[1:]}
    for arguments in ({"first": 0}, {"first": 101}, {"first": 1, "after": "zzz"}):
        body = await user.post(JOBS, **arguments)
        assert body["errors"][0]["extensions"]["code"] in {"FIRST_OUT_OF_RANGE", "CURSOR_INVALID"}


async def test_anothers_jobs_are_as_if_absent(user: User, stranger: User) -> None:
    job = await run_job(user, await make_dataset(user))
    absent = to_global("Job", uuid7())
    node = "query ($id: ID!) { node(id: $id) { id __typename } }"
    assert (await user.ask(node, id=job)) == {"id": job, "__typename": "Job"}
    for gid in (job, absent, "nonsense", to_global("Dataset", job_uuid(job))):
        assert await look(stranger, gid) is None
        assert await stranger.ask(node, id=gid) is None
        for document in (CANCEL, RETRY, DELETE):
            answer = await stranger.ask(document, input={"id": gid})
            assert (answer["__typename"], answer["code"]) == ("NotFoundError", "NOT_FOUND")
    assert (await stranger.ask(JOBS, first=10))["nodes"] == []
    refused = await order(stranger, (await look(user, job))["inputs"][0]["datasetId"])
    assert refused["__typename"] == "NotFoundError"
    assert (await look(user, job))["status"] == "PENDING"


async def test_anonymous_callers_run_nothing(user: User) -> None:
    dataset = await make_dataset(user)
    anonymous = User(user.http, user.services, "no-token", user.id, user.workspace_id)
    for document, variables in (
        (RUN_JOB, {"input": {"inputs": [{"name": "input", "datasetId": dataset}], "spec": spec()}}),
        (JOBS, {"first": 1}),
    ):
        body = await anonymous.post(document, **variables)
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_cancel_retry_and_delete_of_a_waiting_job(user: User) -> None:
    job = await run_job(user, await make_dataset(user))
    for document, code in ((RETRY, "JOB_NOT_RETRYABLE"), (DELETE, "JOB_RUNNING")):
        answer = await user.ask(document, input={"id": job})
        assert (answer["__typename"], answer["code"]) == ("ConflictError", code)
    answer = await user.ask(CANCEL, input={"id": job})
    assert answer["job"]["status"] == "CANCELLED"
    cancelled = await look(user, job)
    assert cancelled["finishedAt"]
    assert cancelled["startedAt"] is None
    assert (await user.ask(CANCEL, input={"id": job}))["job"]["status"] == "CANCELLED"
    again = await user.ask(RETRY, input={"id": job})
    assert again["job"]["status"] == "PENDING"
    assert (await look(user, job))["finishedAt"] is None
    await user.ask(CANCEL, input={"id": job})
    gone = await user.ask(DELETE, input={"id": job})
    assert gone == {"__typename": "DeleteJobSuccess", "id": job}
    assert await look(user, job) is None
    assert (await user.ask(DELETE, input={"id": job}))["code"] == "NOT_FOUND"
    _, _, events, logs = await rows_of(user, job)
    assert [item.kind for item in events] == ["created", "cancelled", "retried", "cancelled", "deleted"]
    assert [item.sequence for item in events] == [1, 2, 3, 4, 5]
    assert [item.message for item in logs][-1] == "Deleted."


async def test_a_finished_job_cannot_be_cancelled_and_is_deleted_with_its_result(
    user: User, start_worker: StartWorker
) -> None:
    await start_worker()
    dataset = await make_dataset(user)
    job = await run_job(user, dataset, idempotencyKey="once")
    done = await wait_for(user, job)
    answer = await user.ask(CANCEL, input={"id": job})
    assert (answer["__typename"], answer["code"]) == ("ConflictError", "JOB_ENDED")
    assert await keys_of(user, job)
    await user.ask(DELETE, input={"id": job})
    assert await keys_of(user, job) == []
    async with httpx.AsyncClient() as client:
        assert (await client.get(done["result"]["files"][0]["url"])).status_code == 404
    assert await run_job(user, dataset, idempotencyKey="once") != job  # the key is free again


async def test_every_change_by_a_person_is_in_the_audit_log(user: User) -> None:
    from sqlalchemy import select

    from graph.models import AuditLog

    job = await run_job(user, await make_dataset(user))
    await user.ask(CANCEL, input={"id": job})
    await user.ask(RETRY, input={"id": job})
    async with user.services.db.tenant(user.workspace_id) as session:
        rows = await session.scalars(select(AuditLog).where(AuditLog.object_id == job_uuid(job)).order_by(AuditLog.id))
        found = [(row.action, row.actor_id) for row in rows]
    assert found == [("job.run", user.id), ("job.cancel", user.id), ("job.retry", user.id)]


async def test_a_job_is_accepted_while_redis_is_away(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = await make_dataset(user)
    broken = Queue(user.services.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    monkeypatch.setattr(user.services, "queue", broken)
    with pytest.raises(RedisConnectionError):
        await broken.ping()
    job = await run_job(user, dataset)
    assert (await look(user, job))["status"] == "PENDING"
    await broken.close()


async def test_a_redis_that_hangs_holds_nobody_up_for_long(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = await make_dataset(user)
    async with await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        hanging = user.services.settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})
        queue, events = Queue(hanging), Events(hanging)
        monkeypatch.setattr(user.services, "queue", queue)
        monkeypatch.setattr(user.services, "events", events)
        started = time.monotonic()
        job = await run_job(user, dataset)
        await user.ask(CANCEL, input={"id": job})
        assert time.monotonic() - started < 45  # not the 60 s that the other end takes
        assert (await look(user, job))["status"] == "CANCELLED"


@pytest.mark.parametrize(("name", "compression"), [("csv", "gzip"), ("tsv", "zstd"), ("ndjson", "gzip")])
async def test_the_preview_of_a_packed_text_is_unpacked(
    user: User, start_worker: StartWorker, name: str, compression: str
) -> None:
    await start_worker()
    wanted = spec() | {"output": {"format": name, "compression": compression}}
    job = await run_job(user, await make_dataset(user), spec=wanted)
    await wait_for(user, job)
    document = "query ($id: ID!) { job(id: $id) { result { preview(first: 1) { columns rows } } } }"
    preview = (await user.ask(document, id=job))["result"]["preview"]
    assert preview["columns"] == ["id", "country", "amount"]
    assert [row[:2] for row in preview["rows"]] == [[1, "India"]]


async def test_a_result_has_preview_snippets_and_a_receipt(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await run_job(user, await make_dataset(user), spec=spec(output="parquet"))
    done = await wait_for(user, job)
    result = done["result"]
    assert [column["name"] for column in result["schema"]] == ["id", "country", "amount"]
    document = "query ($id: ID!, $n: Int!) { job(id: $id) { result { preview(first: $n) { columns rows } } } }"
    preview = (await user.ask(document, id=job, n=1))["result"]["preview"]
    assert preview["columns"] == ["id", "country", "amount"]
    assert [row[:2] for row in preview["rows"]] == [[1, "India"]]
    body = await user.post(document, id=job, n=0)
    assert body["errors"][0]["extensions"]["code"] == "FIRST_OUT_OF_RANGE"
    flight = result["flight"]
    assert flight["descriptor"] == ["jobs", job]
    assert flight["ticket"] in flight["snippets"]["polars"]
    assert flight["location"] == user.services.settings.flight_public_url
    (read,) = result["receipt"]["inputs"]
    assert (read["name"], read["fileName"], read["sizeBytes"]) == ("input", "orders.csv", 67)
    assert result["receipt"]["attempt"] == 1
    (file,) = result["files"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(file["url"])
    assert answer.content[:4] == b"PAR1"
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert 'filename="orders.parquet"' in answer.headers["content-disposition"]


async def test_rejected_rows_are_a_download_of_their_own(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dirty = b"id,country,amount\n1,India,10\n2,Nepal,7,surplus\n3,India,250\n"
    job = await run_job(user, await make_dataset(user, dirty))
    done = await wait_for(user, job)
    assert done["result"]["rejects"]["rows"] == 1
    ledger = done["result"]["receipt"]
    assert ledger["rowsIn"] == ledger["rowsOut"] + ledger["rowsFiltered"] + ledger["rowsRejected"] == 3
    async with httpx.AsyncClient() as client:
        answer = await client.get(done["result"]["rejects"]["url"])
    assert b"2,Nepal,7,surplus" in answer.content
    assert 'filename="orders-rejects.csv"' in answer.headers["content-disposition"]
    assert any(line["level"] == "WARNING" and "rejected" in line["message"] for line in done["logs"]["nodes"])


async def test_a_pipeline_may_read_its_input_in_its_own_way(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    dataset = await make_dataset(user, b"id;no,te\n1;a,b\n2;c,d\n3;e,f\n")
    own = {
        "version": 1,
        "inputs": [{"name": "input", "delimiter": ",", "header": False}],
        "steps": [],
        "output": {"format": "ndjson"},
    }
    done = await wait_for(user, await run_job(user, dataset, spec=own))
    assert done["status"] == "SUCCEEDED", done["error"]
    assert len(done["result"]["schema"]) == 2
    assert done["result"]["schema"][0]["name"] != "id"


async def test_two_inputs_are_joined_by_name(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    orders = await make_dataset(user)
    capitals = await make_dataset(user, b"country,capital\nIndia,Delhi\nNepal,Kathmandu\n", "capitals.csv")
    both = {
        "version": 1,
        "steps": [
            {"join": {"input": "capitals", "how": "inner", "on": [{"left": "country", "right": "country"}]}},
            {"sort": {"by": [{"column": "id"}]}},
        ],
        "output": {"format": "csv"},
    }
    inputs = [{"name": "input", "datasetId": orders}, {"name": "capitals", "datasetId": capitals}]
    answer = await order(user, orders, spec=both, inputs=inputs)
    if answer["__typename"] == "InvalidPipeline":  # steps that are not there yet are refused, never ignored
        assert any("join" in problem["path"] or "join" in problem["message"] for problem in answer["problems"])
        return
    done = await wait_for(user, answer["job"]["id"])
    assert done["status"] == "SUCCEEDED", done["error"]
    assert done["result"]["rows"] == 3
