"""Data sets through GraphQL, inspected by the engine as the workers do it."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from graph.context import Services
from graph.core.errors import ServiceUnavailable
from graph.core.ids import from_global, uuid7
from graph.datasets.service import DatasetService
from tests.graph.client import User, upload

DATASET = """query ($id: ID!) { dataset(id: $id) {
  id name fileName status format compression encoding sizeBytes rowEstimate rowsExact warnings inspectedAt sourceJobId
  dialect { delimiter quote escape header encoding lineEnding }
  schema { name type nullable reason } preview(first: 3) { columns rows } error { code message hint }
  url urlExpiresAt flight { location ticket descriptor expiresAt snippets { pandas polars duckdb } } } }"""
DELETE = """mutation ($input: DeleteDatasetInput!) { deleteDataset(input: $input) {
  __typename ... on DeleteDatasetSuccess { id } ... on Error { code message path } } }"""
PAGE = """query ($first: Int!, $after: String) { datasets(first: $first, after: $after) {
  edges { cursor node { name } } pageInfo { hasNextPage endCursor } } }"""

ORDERS = b"id;country;amount;ordered_on\n" + b"".join(
    f'{n};"In;dia";{n}.50;2026-01-{n % 28 + 1:02d}\n'.encode() for n in range(1, 201)
)


def service_of(services: Services) -> DatasetService:
    return DatasetService(services.db, services.storage, services.queue)


async def inspected(user: User, data: bytes, name: str) -> dict[str, Any]:
    made = await upload(user, data, name)
    await service_of(user.services).inspect(from_global(made["id"], "Dataset"))
    dataset: dict[str, Any] = await user.ask(DATASET, id=made["id"])
    return dataset


async def test_a_csv_in_a_dialect_of_its_own(user: User, services: Services) -> None:
    dataset = await inspected(user, ORDERS, "orders.csv")
    assert dataset["status"] == "READY"
    assert (dataset["format"], dataset["encoding"], dataset["sizeBytes"]) == ("csv", "utf-8", len(ORDERS))
    assert dataset["dialect"]["delimiter"] == ";"
    assert dataset["dialect"]["header"] is True
    assert [(column["name"], column["type"]) for column in dataset["schema"]] == [
        ("id", "int64"),
        ("country", "utf8"),
        ("amount", "float64"),
        ("ordered_on", "date"),
    ]
    assert all(column["reason"] for column in dataset["schema"])
    assert dataset["rowEstimate"] == 200
    assert dataset["preview"]["columns"] == ["id", "country", "amount", "ordered_on"]
    assert [row[:2] for row in dataset["preview"]["rows"]] == [[1, "In;dia"], [2, "In;dia"], [3, "In;dia"]]
    assert dataset["error"] is None
    assert dataset["flight"]["location"] == services.settings.flight_public_url
    assert dataset["flight"]["descriptor"] == ["datasets", dataset["id"]]
    assert dataset["flight"]["ticket"] in dataset["flight"]["snippets"]["polars"]


async def test_before_inspection(user: User) -> None:
    made = await upload(user, ORDERS, "orders.csv")
    dataset = await user.ask(DATASET, id=made["id"])
    assert dataset["status"] == "INSPECTING"
    for name in ("format", "schema", "preview", "dialect", "error", "flight", "rowEstimate", "inspectedAt"):
        assert dataset[name] is None


async def test_a_parquet_file_knows_its_rows(user: User) -> None:
    table = pa.table({"id": pa.array(range(1000), pa.int64()), "name": ["x"] * 1000})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    dataset = await inspected(user, buffer.getvalue(), "table.parquet")
    assert (dataset["status"], dataset["format"]) == ("READY", "parquet")
    assert (dataset["rowEstimate"], dataset["rowsExact"]) == (1000, True)
    assert [column["type"] for column in dataset["schema"]] == ["int64", "utf8"]


async def test_a_header_without_rows(user: User) -> None:
    dataset = await inspected(user, b"a,b,c\n", "header.csv")
    assert dataset["status"] == "READY"
    assert [column["name"] for column in dataset["schema"]] == ["a", "b", "c"]
    assert dataset["rowEstimate"] == 0
    assert dataset["preview"]["rows"] == []


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (bytes(range(256)) * 64, "noise.csv", "INPUT_BINARY"),
        (b"name\nJos\xe9\nJo\xc3\xa3o\n", "latin.csv", "INPUT_ENCODING"),
        (b"PAR1 but nothing else", "broken.parquet", None),
    ],
)
async def test_files_that_cannot_be_read(user: User, data: bytes, name: str, code: str | None) -> None:
    dataset = await inspected(user, data, name)
    assert dataset["status"] == "FAILED"
    assert dataset["error"]["message"]
    assert dataset["flight"] is None
    if code is not None:
        assert dataset["error"]["code"] == code


async def test_inspection_runs_once_and_is_harmless_when_repeated(user: User, services: Services) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    dataset_id = from_global(made["id"], "Dataset")
    service = service_of(services)
    outcomes = await asyncio.gather(*(service.inspect(dataset_id) for _ in range(4)))
    assert "READY" in outcomes
    assert await service.inspect(dataset_id) is None
    assert await service.inspect(uuid7()) is None


async def test_a_storage_that_is_away_leaves_the_data_set_waiting(user: User, services: Services) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    dataset_id = from_global(made["id"], "Dataset")

    async def away(_: str) -> str:
        error = ServiceUnavailable("S3")
        error.retryable = True  # type: ignore[attr-defined]
        raise error

    with pytest.raises(ServiceUnavailable):
        await service_of(services).inspect(dataset_id, away)
    assert (await user.ask(DATASET, id=made["id"]))["status"] == "INSPECTING"
    assert await service_of(services).inspect(dataset_id) == "READY"


async def test_a_file_that_crashes_the_engine_fails_at_the_third_crash(user: User, services: Services) -> None:
    """What the worker's child reports when it dies is raised as it is, until the file itself must be at fault."""
    made = await upload(user, b"a\n1\n", "a.csv")
    dataset_id = from_global(made["id"], "Dataset")

    class Crash(Exception):
        code, message, retryable, hint = "ENGINE_CRASHED", "killed by SIGSEGV", True, None

    async def crash(_: str) -> str:
        raise Crash

    for _ in range(2):
        with pytest.raises(Crash):
            await service_of(services).inspect(dataset_id, crash)
        dataset = await user.ask(DATASET, id=made["id"])
        assert (dataset["status"], dataset["error"]) == ("INSPECTING", None)
    assert await service_of(services).inspect(dataset_id, crash) == "FAILED"
    dataset = await user.ask(DATASET, id=made["id"])
    assert dataset["error"] == {"code": "ENGINE_CRASHED", "message": "killed by SIGSEGV", "hint": None}


async def test_lost_rings_are_repeated_and_hopeless_ones_given_up(user: User, services: Services) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    dataset_id = from_global(made["id"], "Dataset")
    await services.queue.redis.flushdb()

    async def age(hours: float) -> None:
        async with services.db.system() as session:
            await session.execute(
                text("UPDATE datasets SET created_at = now() - make_interval(secs => :age) WHERE id = :id"),
                {"age": hours * 3600, "id": dataset_id},
            )

    await service_of(services).ring_stuck()
    assert await services.queue.redis.exists(f"arq:job:inspect:{dataset_id}") == 0
    await age(0.1)
    assert await service_of(services).ring_stuck() >= 1
    assert await services.queue.redis.exists(f"arq:job:inspect:{dataset_id}") == 1
    await age(25)
    await service_of(services).ring_stuck()
    dataset = await user.ask(DATASET, id=made["id"])
    assert (dataset["status"], dataset["error"]["code"]) == ("FAILED", "INSPECTION_TIMEOUT")


async def test_delete_removes_row_and_object(user: User, services: Services) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    row = await service_of(services).get(user.workspace_id, from_global(made["id"], "Dataset"))
    assert row is not None
    answer = await user.ask(DELETE, input={"id": made["id"]})
    assert answer["id"] == made["id"]
    assert await user.ask(DATASET, id=made["id"]) is None
    assert await services.storage.head(row.s3_key) is None
    again = await user.ask(DELETE, input={"id": made["id"]})
    assert again["__typename"] == "NotFoundError"
    async with services.db.system() as session:
        left = await session.execute(text("SELECT count(*) FROM datasets WHERE id = :id"), {"id": row.id})
        assert left.scalar_one() == 0


async def test_an_interrupted_deletion_is_finished_by_the_sweep(user: User, services: Services) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    service = service_of(services)
    row = await service.get(user.workspace_id, from_global(made["id"], "Dataset"))
    assert row is not None
    async with services.db.system() as session:
        await session.execute(text("UPDATE datasets SET deleted_at = now() WHERE id = :id"), {"id": row.id})
    assert await user.ask(DATASET, id=made["id"]) is None
    assert await services.storage.head(row.s3_key) is not None
    assert await service.purge_deleted() >= 1
    assert await services.storage.head(row.s3_key) is None


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
async def test_a_data_set_that_a_job_reads_stays(user: User, services: Services, status: str) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    dataset_id = from_global(made["id"], "Dataset")
    job_id = uuid7()
    async with services.db.system() as session:
        await session.execute(
            text(
                "INSERT INTO jobs (id, workspace_id, name, spec, inputs, status) VALUES (:id, :ws, 'job', '{}', "
                "jsonb_build_array(jsonb_build_object('name', 'input', 'datasetId', CAST(:dataset AS text))), :status)"
            ),
            {"id": job_id, "ws": user.workspace_id, "dataset": str(dataset_id), "status": status},
        )
    refused = await user.ask(DELETE, input={"id": made["id"]})
    assert (refused["__typename"], refused["code"]) == ("ConflictError", "DATASET_IN_USE")
    async with services.db.system() as session:
        await session.execute(text("UPDATE jobs SET status = 'CANCELLED' WHERE id = :id"), {"id": job_id})
    assert (await user.ask(DELETE, input={"id": made["id"]}))["__typename"] == "DeleteDatasetSuccess"


async def test_another_workspace_sees_and_changes_nothing(user: User, stranger: User) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    assert await stranger.ask(DATASET, id=made["id"]) is None
    assert await stranger.ask("query ($id: ID!) { node(id: $id) { id } }", id=made["id"]) is None
    assert (await stranger.ask(DELETE, input={"id": made["id"]}))["__typename"] == "NotFoundError"
    assert (await stranger.ask(PAGE, first=100))["edges"] == []
    assert (await user.ask("query ($id: ID!) { node(id: $id) { id } }", id=made["id"]))["id"] == made["id"]


async def test_pages_are_stable_while_data_sets_arrive(user: User) -> None:
    for number in range(3):
        await upload(user, b"a\n1\n", f"{number}.csv")
    first = await user.ask(PAGE, first=2)
    assert [edge["node"]["name"] for edge in first["edges"]] == ["2.csv", "1.csv"]
    await upload(user, b"a\n1\n", "3.csv")
    second = await user.ask(PAGE, first=2, after=first["pageInfo"]["endCursor"])
    assert [edge["node"]["name"] for edge in second["edges"]] == ["0.csv"]
    assert second["pageInfo"]["hasNextPage"] is False


async def test_a_list_gives_previews_when_asked(user: User) -> None:
    await inspected(user, b"a\n1\n", "a.csv")
    listed = await user.ask("{ datasets(first: 5) { nodes { name preview(first: 5) { columns rows } } } }")
    assert listed["nodes"] == [{"name": "a.csv", "preview": {"columns": ["a"], "rows": [[1]]}}]


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_pages_have_a_size(user: User, first: int) -> None:
    body = await user.post(PAGE, first=first)
    assert body["errors"][0]["extensions"]["code"] == "FIRST_OUT_OF_RANGE"


async def test_a_read_only_token_changes_nothing(user: User) -> None:
    made = await upload(user, b"a\n1\n", "a.csv")
    create = """mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) {
      ... on CreateApiTokenSuccess { token } } }"""
    token = (await user.ask(create, input={"name": "reader", "scopes": ["READ"]}))["token"]
    reader = User(user.http, user.services, token, user.id, user.workspace_id)
    assert (await reader.ask(DATASET, id=made["id"]))["id"] == made["id"]
    refused = await reader.ask(DELETE, input={"id": made["id"]})
    assert (refused["__typename"], refused["code"]) == ("ForbiddenError", "SCOPE_MISSING")


def test_waiting_times_are_in_order() -> None:
    from graph.datasets import service

    assert timedelta(0) < service.RING_AGAIN_AFTER < service.GIVE_UP_AFTER
