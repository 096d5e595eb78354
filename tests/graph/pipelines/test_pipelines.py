"""Pipelines through GraphQL: versions, all problems at once, validation and preview on real data sets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from graph.context import Services
from graph.core.ids import from_global
from graph.datasets.service import DatasetService
from tests.graph.client import User, upload

SPECS = sorted((Path(__file__).parents[2] / "cases/specs").glob("*.json"))
ERRORS = "... on InvalidPipeline { problems { path code message hint } } ... on Error { code message path }"
CREATE = f"""mutation ($input: CreatePipelineInput!) {{ createPipeline(input: $input) {{ __typename
  ... on CreatePipelineSuccess {{ pipeline {{ id name spec latestVersion {{ version }} }} }} {ERRORS} }} }}"""
UPDATE = f"""mutation ($input: UpdatePipelineInput!) {{ updatePipeline(input: $input) {{ __typename
  ... on UpdatePipelineSuccess {{ pipeline {{ name spec }} version {{ version spec }} }} {ERRORS} }} }}"""
DELETE = """mutation ($input: DeletePipelineInput!) { deletePipeline(input: $input) { __typename
  ... on DeletePipelineSuccess { id } ... on Error { code message path } } }"""
PIPELINE = """query ($id: ID!) { pipeline(id: $id) { id name spec latestVersion { version }
  versions(first: 10) { nodes { version spec } } version(number: 1) { version spec } } }"""
VALIDATE = """query ($input: ValidatePipelineInput!) { validatePipeline(input: $input) {
  valid problems { path code message hint } } }"""
PREVIEW = f"""query ($input: PreviewPipelineInput!) {{ previewPipeline(input: $input) {{ __typename
  ... on PipelinePreview {{ columns rows schema {{ name type }} rowsIn rowsRejected rowsOut sampled
    ranges {{ input start end rows }}
    steps {{ index step rowsIn rowsOut columnsAdded {{ name type }} columnsRemoved columnsRetyped {{ name }} note }}
    rejects {{ line byteOffset column reason raw }} }} {ERRORS} }} }}"""

FILTER = {"version": 1, "steps": [{"filter": {"where": "amount > 100"}}], "output": {"format": "csv"}}
ORDERS = b"id,country,amount\n1,India,50.5\n2,Nepal,150.25\n3,India,300\n4,,120\n"


async def create(user: User, spec: dict[str, Any], name: str = "p") -> dict[str, Any]:
    answer = await user.ask(CREATE, input={"name": name, "spec": spec})
    assert answer["__typename"] == "CreatePipelineSuccess", answer
    pipeline: dict[str, Any] = answer["pipeline"]
    return pipeline


async def ready(user: User, data: bytes = ORDERS, name: str = "orders.csv") -> str:
    made = await upload(user, data, name)
    services = user.services
    outcome = await DatasetService(services.db, services.storage, services.queue).inspect(
        from_global(made["id"], "Dataset")
    )
    assert outcome == "READY"
    return str(made["id"])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
async def test_the_ten_specs_are_stored_as_they_are(user: User, services: Services, path: Path) -> None:
    spec = json.loads(path.read_text())
    pipeline = await create(user, spec, path.stem)
    assert (pipeline["name"], pipeline["spec"], pipeline["latestVersion"]["version"]) == (path.stem, spec, 1)
    async with services.db.system() as session:
        stored = await session.execute(
            text("SELECT spec FROM pipeline_versions WHERE pipeline_id = :id"),
            {"id": from_global(pipeline["id"], "Pipeline")},
        )
        assert stored.scalar_one() == spec


async def test_versions_are_added_and_never_changed(user: User, services: Services) -> None:
    pipeline = await create(user, FILTER)
    second = {**FILTER, "output": {"format": "parquet"}}
    answer = await user.ask(UPDATE, input={"id": pipeline["id"], "spec": second})
    assert answer["version"] == {"version": 2, "spec": second}
    seen = await user.ask(PIPELINE, id=pipeline["id"])
    assert [node["version"] for node in seen["versions"]["nodes"]] == [2, 1]
    assert seen["version"] == {"version": 1, "spec": FILTER}
    assert seen["spec"] == second
    pipeline_id = from_global(pipeline["id"], "Pipeline")
    with pytest.raises(DBAPIError):
        async with services.db.system() as session:
            await session.execute(
                text("UPDATE pipeline_versions SET spec = '{}' WHERE pipeline_id = :id"), {"id": pipeline_id}
            )


async def test_an_unchanged_specification_makes_no_version(user: User) -> None:
    pipeline = await create(user, FILTER)
    answer = await user.ask(UPDATE, input={"id": pipeline["id"], "spec": FILTER, "name": "renamed"})
    assert (answer["version"]["version"], answer["pipeline"]["name"]) == (1, "renamed")


async def test_racing_updates_number_the_versions_one_by_one(user: User) -> None:
    pipeline = await create(user, FILTER)
    specs = [{**FILTER, "maxRejects": number} for number in range(8)]
    answers = await asyncio.gather(*(user.ask(UPDATE, input={"id": pipeline["id"], "spec": spec}) for spec in specs))
    assert sorted(answer["version"]["version"] for answer in answers) == list(range(2, 10))


async def test_all_problems_at_once_with_places_and_hints(user: User) -> None:
    spec = {
        "version": 1,
        "steps": [{"sample": {"fraction": 2.0}}, {"select": {"columns": []}}, {"limit": {"rows": -1}}],
        "output": {"format": "csv", "level": 99},
    }
    refused = await user.ask(CREATE, input={"name": "bad", "spec": spec})
    assert (refused["__typename"], refused["code"], refused["path"]) == (
        "InvalidPipeline",
        "INVALID_PIPELINE",
        ["spec"],
    )
    assert len(refused["problems"]) >= 3
    places = {problem["path"] for problem in refused["problems"]}
    assert {"steps[0].sample.fraction", "steps[2].limit.rows", "output.level"} <= places
    assert (await user.ask("{ pipelines(first: 1) { nodes { id } } }"))["nodes"] == []
    pipeline = await create(user, FILTER)
    refused = await user.ask(UPDATE, input={"id": pipeline["id"], "spec": spec})
    assert refused["__typename"] == "InvalidPipeline"
    assert (await user.ask(PIPELINE, id=pipeline["id"]))["latestVersion"]["version"] == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"version": 1, "stepz": []}, "stepz"),
        ({"version": 1, "steps": [{"filtr": {"where": "a"}}]}, "filtr"),
        ({"version": 1, "steps": [{"filter": {"where": "a"}, "limit": {"rows": 1}}]}, "one"),
        ({"version": 1, "output": {"format": "xlsx"}}, "xlsx"),
    ],
)
async def test_unknown_fields_are_refused_by_name(user: User, spec: dict[str, Any], words: str) -> None:
    body = await user.post(CREATE, input={"name": "p", "spec": spec})
    assert not body.get("data")
    assert any(words in error["message"] for error in body["errors"]), body
    assert all(error.get("extensions", {}).get("code") != "INTERNAL_ERROR" for error in body["errors"]), body


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb"])
async def test_names_that_may_not_be(user: User, name: str) -> None:
    refused = await user.ask(CREATE, input={"name": name, "spec": FILTER})
    assert (refused["code"], refused["path"]) == ("NAME_INVALID", ["name"])


async def test_a_deleted_pipeline_is_gone(user: User) -> None:
    pipeline = await create(user, FILTER)
    assert (await user.ask(DELETE, input={"id": pipeline["id"]}))["id"] == pipeline["id"]
    assert await user.ask(PIPELINE, id=pipeline["id"]) is None
    assert (await user.ask("{ pipelines(first: 9) { nodes { id } } }"))["nodes"] == []
    for document, extra in ((DELETE, {}), (UPDATE, {"spec": FILTER})):
        refused = await user.ask(document, input={"id": pipeline["id"], **extra})
        assert refused["__typename"] == "NotFoundError"


async def test_another_workspace_sees_and_changes_nothing(user: User, stranger: User) -> None:
    pipeline = await create(user, FILTER)
    assert await stranger.ask(PIPELINE, id=pipeline["id"]) is None
    assert (await stranger.ask("{ pipelines(first: 9) { nodes { id } } }"))["nodes"] == []
    for document, extra in ((DELETE, {}), (UPDATE, {"spec": FILTER})):
        refused = await stranger.ask(document, input={"id": pipeline["id"], **extra})
        assert refused["__typename"] == "NotFoundError"
    dataset = await upload(user, ORDERS, "orders.csv")
    named = [{"name": "input", "datasetId": dataset["id"]}]
    body = await stranger.post(VALIDATE, input={"spec": FILTER, "inputs": named})
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    refused = await stranger.ask(PREVIEW, input={"spec": FILTER, "inputs": named})
    assert (refused["__typename"], refused["path"]) == ("NotFoundError", ["inputs", "0", "datasetId"])


async def test_validation_knows_the_columns_of_the_data_sets(user: User) -> None:
    named = [{"name": "input", "datasetId": await ready(user)}]
    assert await user.ask(VALIDATE, input={"spec": FILTER, "inputs": named}) == {"valid": True, "problems": []}
    spec = {
        "version": 1,
        "steps": [{"filter": {"where": "amuont > 100"}}, {"select": {"columns": ["id", "contry"]}}],
    }
    without = await user.ask(VALIDATE, input={"spec": spec})
    assert without == {"valid": True, "problems": []}
    answer = await user.ask(VALIDATE, input={"spec": spec, "inputs": named})
    assert answer["valid"] is False
    by_path = {problem["path"]: problem for problem in answer["problems"]}
    assert any(path.startswith("steps[0].filter") for path in by_path)
    assert any(path.startswith("steps[1].select") for path in by_path)
    assert any("country" in (problem["hint"] or "") for problem in answer["problems"])


async def test_a_data_set_that_is_not_ready_cannot_be_used(user: User) -> None:
    made = await upload(user, ORDERS, "orders.csv")
    named = [{"name": "input", "datasetId": made["id"]}]
    refused = await user.ask(PREVIEW, input={"spec": FILTER, "inputs": named})
    assert (refused["__typename"], refused["code"]) == ("ConflictError", "DATASET_NOT_READY")


async def test_two_inputs_of_one_name(user: User) -> None:
    dataset = await ready(user)
    named = [{"name": "input", "datasetId": dataset}] * 2
    refused = await user.ask(PREVIEW, input={"spec": FILTER, "inputs": named})
    assert (refused["code"], refused["path"]) == ("INPUT_NAME_REPEATED", ["inputs", "1", "name"])


async def test_a_preview_shows_what_comes_out(user: User) -> None:
    named = [{"name": "input", "datasetId": await ready(user)}]
    spec = {
        "version": 1,
        "steps": [{"filter": {"where": "amount > 100"}}, {"select": {"columns": ["id", "amount"]}}],
    }
    preview = await user.ask(PREVIEW, input={"spec": spec, "inputs": named, "rows": 2})
    assert preview["columns"] == ["id", "amount"]
    assert preview["rows"] == [[2, 150.25], [3, 300.0]]
    assert [column["type"] for column in preview["schema"]] == ["int64", "float64"]
    assert (preview["rowsIn"], preview["rowsOut"], preview["sampled"]) == (4, 3, False)
    assert preview["ranges"] == [{"input": "input", "start": 0, "end": len(ORDERS), "rows": 4}]
    filtered, selected = preview["steps"]
    assert (filtered["step"], filtered["rowsIn"], filtered["rowsOut"], filtered["note"]) == ("filter", 4, 3, None)
    assert (selected["index"], selected["columnsAdded"], selected["columnsRemoved"]) == (1, [], ["country"])


async def test_a_preview_shows_rejected_rows_with_their_places(user: User) -> None:
    named = [{"name": "input", "datasetId": await ready(user, b"a,b\n1,x\nfoo,y\n2\n3,z\n", "dirty.csv")}]
    spec = {"version": 1, "inputs": [{"name": "input", "columns": [{"name": "a", "type": "int64"}]}], "steps": []}
    preview = await user.ask(PREVIEW, input={"spec": spec, "inputs": named})
    assert preview["rows"] == [[1, "x"], [3, "z"]]
    assert (preview["rowsIn"], preview["rowsRejected"]) == (4, 2)
    assert [(reject["line"], reject["byteOffset"], reject["raw"]) for reject in preview["rejects"]] == [
        (3, 8, "foo,y"),
        (4, 14, "2"),
    ]


async def test_a_preview_of_an_invalid_pipeline_lists_the_problems(user: User) -> None:
    named = [{"name": "input", "datasetId": await ready(user)}]
    spec = {"version": 1, "steps": [{"drop": {"columns": ["nothing"]}}]}
    refused = await user.ask(PREVIEW, input={"spec": spec, "inputs": named})
    assert refused["__typename"] == "InvalidPipeline"
    assert refused["problems"][0]["code"] == "UNKNOWN_COLUMN"


@pytest.mark.parametrize("rows", [0, 101])
async def test_previews_are_short(user: User, rows: int) -> None:
    refused = await user.ask(PREVIEW, input={"spec": FILTER, "inputs": [], "rows": rows})
    assert (refused["code"], refused["path"]) == ("ROWS_OUT_OF_RANGE", ["rows"])


async def test_a_preview_that_takes_too_long_is_ended(user: User, services: Services) -> None:
    from graph.core.errors import Conflict
    from graph.pipelines.preview import run_preview

    with pytest.raises(Conflict) as caught:
        await run_preview({}, 1, seconds=0.001)
    assert caught.value.code == "PREVIEW_TIMEOUT"


async def test_a_preview_child_that_dies_is_one_clear_refusal() -> None:
    from graph.core.errors import Conflict
    from graph.pipelines.preview import run_preview

    with pytest.raises(Conflict) as caught:
        await run_preview({}, 1 << 70)  # no number of rows that the engine's binding can take: an unexpected exception
    assert caught.value.code == "PREVIEW_CRASHED"


async def test_the_engine_s_refusal_of_a_preview_keeps_its_code(user: User, services: Services) -> None:
    dataset_id = await ready(user)
    row = await DatasetService(services.db, services.storage, services.queue).get(
        user.workspace_id, from_global(dataset_id, "Dataset")
    )
    assert row is not None
    await services.storage.delete_prefix(row.s3_key)
    refused = await user.ask(PREVIEW, input={"spec": FILTER, "inputs": [{"name": "input", "datasetId": dataset_id}]})
    assert refused["__typename"] == "InvalidInputError", refused
    assert refused["code"] == "INPUT_NOT_FOUND"


async def test_validation_where_the_specification_says_how_the_bytes_are_read(user: User) -> None:
    """Types alone leave the names known; another delimiter makes the columns unknown until the job runs."""
    named = [{"name": "input", "datasetId": await ready(user)}]
    steps = [{"select": {"columns": ["id", "contry"]}}]
    types = {"name": "input", "columns": [{"name": "id", "type": "utf8"}]}
    answer = await user.ask(
        VALIDATE, input={"spec": {"version": 1, "inputs": [types], "steps": steps}, "inputs": named}
    )
    assert [problem["code"] for problem in answer["problems"]] == ["UNKNOWN_COLUMN"]
    other = {"name": "input", "delimiter": "|"}
    answer = await user.ask(
        VALIDATE, input={"spec": {"version": 1, "inputs": [other], "steps": steps}, "inputs": named}
    )
    assert answer["problems"] == []
    preview = await user.ask(
        PREVIEW, input={"spec": {"version": 1, "inputs": [other], "steps": []}, "inputs": named, "rows": 1}
    )
    assert (preview["__typename"], preview["code"]) == ("InvalidInputError", "INPUT_FORMAT")
    assert "`|`" in preview["message"]
    assert "`,`" in preview["message"]
    other = {"name": "input", "header": False}
    preview = await user.ask(
        PREVIEW, input={"spec": {"version": 1, "inputs": [other], "steps": []}, "inputs": named, "rows": 1}
    )
    assert preview["columns"] == ["column_1", "column_2", "column_3"]
