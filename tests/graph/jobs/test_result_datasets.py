"""A result as a data set: nothing is copied, and job and data set each live as long as they are wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from graph.context import Services
from graph.core.ids import from_global
from graph.models import AuditLog, Dataset, Job, Workspace
from graph.retention.service import RetentionService
from tests.graph.client import User
from tests.workers.conftest import StartWorker
from tests.workers.helpers import DELETE, look, make_dataset, run_job, until, wait_for

MAKE = """mutation ($input: CreateDatasetsFromJobInput!) { createDatasetsFromJob(input: $input) { __typename
  ... on CreateDatasetsFromJobSuccess { datasets { id name fileName status sourceJobId
    origin { jobId jobName file partition { column value } } } } ... on Error { code path } } }"""
DATASET = """query ($id: ID!) { dataset(id: $id) { name status format rowEstimate sourceJobId url
  schema { name type } preview(first: 5) { columns rows } origin { jobId jobName file } } }"""
FILES = "query ($id: ID!) { job(id: $id) { result { expired files { name dataset { id } } } } }"
DROP = """mutation ($input: DeleteDatasetInput!) { deleteDataset(input: $input) { __typename
  ... on Error { code } } }"""
USAGE = "{ me { workspaces { usage { storageBytes } } } }"


async def finished(user: User, **output: Any) -> str:
    """A job of four rows that has succeeded."""
    dataset = await make_dataset(user)
    spec = {"version": 1, "steps": [], "output": output}
    job = await run_job(user, dataset, spec=spec)
    await wait_for(user, job)
    return job


async def make(user: User, job: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await user.ask(MAKE, input={"jobId": job, **more})
    return answer


async def ready(user: User, dataset: str) -> dict[str, Any]:
    """The data set once it was inspected."""

    async def read() -> dict[str, Any]:
        found: dict[str, Any] = await user.ask(DATASET, id=dataset)
        return found

    found = await until(read, lambda found: found["status"] != "INSPECTING", what="inspection")
    assert found["status"] == "READY", found
    return found


async def key_of(user: User, dataset: str) -> str:
    async with user.services.db.tenant(user.workspace_id) as session:
        query = select(Dataset.s3_key).where(Dataset.id == from_global(dataset, "Dataset"))
        return (await session.scalars(query)).one()


async def is_stored(user: User, key: str) -> bool:
    return await user.services.storage.head(key) is not None


async def stored_bytes(user: User) -> int:
    return int((await user.ask(USAGE))["workspaces"][0]["usage"]["storageBytes"])


@pytest.mark.parametrize("format_name", ["csv", "tsv", "ndjson", "parquet", "arrow"])
async def test_a_job_reads_what_another_made(user: User, start_worker: StartWorker, format_name: str) -> None:
    await start_worker()
    job = await finished(user, format=format_name)
    before = await stored_bytes(user)
    answer = await make(user, job, name="only the best")
    (made,) = answer["datasets"]
    assert (made["name"], made["status"], made["sourceJobId"]) == ("only the best", "INSPECTING", job)
    assert (made["origin"]["jobId"], made["origin"]["partition"]) == (job, [])
    found = await ready(user, made["id"])
    assert found["format"] in {format_name, "csv"}
    assert [column["name"] for column in found["schema"]] == ["id", "country", "amount"]
    assert len(found["preview"]["rows"]) == 4
    assert await stored_bytes(user) == before, "it is stored, and counted, once"
    spec = {"version": 1, "steps": [{"filter": {"where": "amount > 8"}}], "output": {"format": "csv"}}
    next_job = await run_job(user, made["id"], spec=spec)
    assert (await wait_for(user, next_job))["result"]["rows"] == 2
    shown = await user.ask(FILES, id=job)
    assert [file["dataset"] for file in shown["result"]["files"]] == [{"id": made["id"]}]
    async with user.services.db.system() as session:
        query = select(AuditLog.action).where(AuditLog.object_id == from_global(made["id"], "Dataset"))
        assert (await session.scalars(query)).all() == ["dataset.fromJob"]


async def test_asking_again_gives_the_same(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await finished(user, format="csv")
    first, second = await make(user, job), await make(user, job, name="another name")
    assert first["datasets"][0]["id"] == second["datasets"][0]["id"]
    # once it is deleted a new one can be made; the result was not touched
    await ready(user, first["datasets"][0]["id"])
    assert (await user.ask(DROP, input={"id": first["datasets"][0]["id"]}))["__typename"] == "DeleteDatasetSuccess"
    third = await make(user, job)
    assert third["datasets"][0]["id"] != first["datasets"][0]["id"]
    await ready(user, third["datasets"][0]["id"])


async def test_each_partition_becomes_a_data_set(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await finished(user, format="parquet", partitionBy=["country"])
    made = (await make(user, job))["datasets"]
    values = [each["origin"]["partition"] for each in made]
    # in the order of the result's files: as the values came
    assert values == [[{"column": "country", "value": each}] for each in ("India", "Nepal", "Bhutan")]
    assert made[0]["name"].endswith(" (country=India)")
    found = await ready(user, made[0]["id"])
    assert [column["name"] for column in found["schema"]] == ["id", "amount"]
    assert found["rowEstimate"] == 2
    files = [each["name"] for each in (await user.ask(FILES, id=job))["result"]["files"]]
    (one,) = (await make(user, job, files=[files[2]]))["datasets"]
    assert one["id"] == made[2]["id"]
    refused = await make(user, job, files=["part-00009.parquet"])
    assert (refused["code"], refused["path"]) == ("FILE_UNKNOWN", ["files", "0"])
    assert (await make(user, job, name="x"))["code"] == "NAME_OF_MANY"
    assert (await make(user, job, files=[]))["code"] == "FILES_MISSING"
    # the next pipeline puts two of them together again
    spec = {"version": 1, "steps": [{"union": {"inputs": ["other"]}}], "output": {"format": "csv"}}
    await ready(user, made[2]["id"])
    inputs = [{"name": "input", "datasetId": made[0]["id"]}, {"name": "other", "datasetId": made[2]["id"]}]
    both = await run_job(user, made[0]["id"], spec=spec, inputs=inputs)
    assert (await wait_for(user, both))["result"]["rows"] == 3


async def test_the_data_set_survives_the_job_and_then_goes_whole(user: User, start_worker: StartWorker) -> None:
    running = await start_worker()
    job = await finished(user, format="csv")
    made = (await make(user, job))["datasets"][0]["id"]
    await ready(user, made)
    key = await key_of(user, made)
    before = await stored_bytes(user)
    assert (await user.ask(DELETE, input={"id": job}))["__typename"] == "DeleteJobSuccess"
    assert await stored_bytes(user) == before, "the data set holds the bytes now"
    assert (await user.ask(DATASET, id=made))["sourceJobId"] is None
    # the purge comes when no attempt of the job can write any more, and takes the row too
    job_id = from_global(job, "Job")
    async with user.services.db.tenant(user.workspace_id) as session:
        row = (await session.scalars(select(Job).where(Job.id == job_id))).one()
        row.deleted_at = datetime.now(UTC) - timedelta(hours=1)

    async def gone() -> bool:
        await running.worker.leases.clear_deleted_jobs()
        async with user.services.db.tenant(user.workspace_id) as session:
            return (await session.scalars(select(Job).where(Job.id == job_id))).one_or_none() is None

    await until(gone, bool, what="the purge")
    assert await is_stored(user, key)
    assert await stored_bytes(user) == before
    found = await user.ask(DATASET, id=made)
    assert found["sourceJobId"] is None
    assert (found["origin"]["jobId"], found["origin"]["file"]) == (job, "part-00000.csv")
    spec = {"version": 1, "steps": [], "output": {"format": "csv"}}
    assert (await wait_for(user, await run_job(user, made, spec=spec)))["result"]["rows"] == 4
    await user.ask(DROP, input={"id": made})
    assert not await is_stored(user, key)


async def test_the_result_survives_the_data_set(user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await finished(user, format="csv")
    made = (await make(user, job))["datasets"][0]["id"]
    await ready(user, made)
    key = await key_of(user, made)
    await user.ask(DROP, input={"id": made})
    assert await is_stored(user, key)
    assert (await look(user, job))["result"]["rows"] == 4
    await user.ask(DELETE, input={"id": job})
    assert not await is_stored(user, key)


async def test_a_result_expires_under_its_data_set(services: Services, user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await finished(user, format="csv")
    made = (await make(user, job))["datasets"][0]["id"]
    await ready(user, made)
    key = await key_of(user, made)
    retention = RetentionService(services.db, services.storage, services.events, services.settings)
    async with services.db.tenant(user.workspace_id) as session:
        row = (await session.scalars(select(Job).where(Job.id == from_global(job, "Job")))).one()
        row.result_expired_at = datetime.now(UTC)
    while await retention.clear_expired():
        pass
    assert await is_stored(user, key)
    assert (await user.ask(DATASET, id=made))["status"] == "READY"
    assert (await make(user, job))["code"] == "RESULT_EXPIRED"
    await user.ask(DROP, input={"id": made})
    assert not await is_stored(user, key)


async def test_what_has_no_result_makes_no_data_set(user: User, stranger: User, start_worker: StartWorker) -> None:
    dataset = await make_dataset(user)
    spec = {"version": 1, "steps": [], "output": {"format": "csv"}}
    waiting = await run_job(user, dataset, spec=spec)
    answer = await make(user, waiting)
    assert (answer["code"], answer["path"]) == ("RESULT_NOT_READY", ["jobId"])
    await start_worker()
    await wait_for(user, waiting)
    # another tenant's job is as one that does not exist
    assert (await make(stranger, waiting))["code"] == "NOT_FOUND"
    empty = await run_job(
        user, dataset, spec={"version": 1, "steps": [{"limit": {"rows": 0}}], "output": {"format": "ndjson"}}
    )
    await wait_for(user, empty)
    assert (await make(user, empty))["code"] == "RESULT_EMPTY"


async def test_a_full_workspace_keeps_nothing_longer(services: Services, user: User, start_worker: StartWorker) -> None:
    await start_worker()
    job = await finished(user, format="csv")
    async with services.db.system() as session:
        row = (await session.scalars(select(Workspace).where(Workspace.id == user.workspace_id))).one()
        row.max_storage_bytes = 1
    assert (await make(user, job))["code"] == "QUOTA_EXCEEDED"
