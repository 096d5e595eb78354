"""What a client sends as `spec` in variables is what the engine, the store and the command line get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import strawberry
from strawberry.scalars import JSON

from graph.api.scalars import SCALARS
from graph.pipelines.spec_inputs import PipelineSpecInput, StepInput
from graph.pipelines.spec_json import spec_to_json

SPECS = sorted((Path(__file__).parents[2] / "cases/specs").glob("*.json"))

# One of each step, as design §4 shows them, and every field of inputs and output.
EVERYTHING: dict[str, Any] = {
    "version": 1,
    "inputs": [
        {
            "name": "input",
            "format": "csv",
            "delimiter": ";",
            "quote": '"',
            "escape": "\\",
            "header": False,
            "encoding": "utf-16le",
            "compression": "none",
            "nullValues": ["NA", "\\N", ""],
            "columns": [{"name": "a", "type": "decimal(12,2)"}],
        }
    ],
    "onBadRow": "reject",
    "maxRejects": 9_000_000_000,
    "steps": [
        {"filter": {"where": "country = 'India' AND amount > 100"}},
        {"select": {"columns": ["order_id", "amount"]}},
        {"drop": {"columns": ["note"]}},
        {"rename": {"columns": [{"from": "amt", "to": "amount"}]}},
        {"cast": {"columns": [{"name": "amount", "type": "decimal(12,2)"}]}},
        {"derive": {"columns": [{"name": "total", "expr": "unit_price * quantity"}]}},
        {"aggregate": {"groupBy": ["country"], "aggregates": [{"name": "n", "expr": "count(*)"}]}},
        {"sort": {"by": [{"column": "amount", "descending": True, "nulls": "last"}]}},
        {"limit": {"rows": 5_000_000_000, "offset": 0}},
        {"distinct": {"on": ["customer_id"]}},
        {"distinct": {}},
        {"join": {"input": "customers", "how": "left", "on": [{"left": "customer_id", "right": "id"}]}},
        {"union": {"inputs": ["other"]}},
        {"fillNull": {"columns": [{"name": "city", "value": "unknown"}]}},
        {"dropNull": {"columns": ["email"]}},
        {"sample": {"fraction": 0.01, "seed": 7}},
        {"extract": {"column": "line", "pattern": "(?<ts>\\S+) (?<level>\\w+) (?<msg>.*)"}},
        {"expect": {"name": "positive", "that": "amount > 0", "onFail": "reject"}},
        {"sql": {"query": "SELECT … FROM input"}},
    ],
    "output": {"format": "parquet", "compression": "none", "level": 1, "partitionBy": []},
}


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, spec: PipelineSpecInput) -> JSON:
        return JSON(spec_to_json(spec))


SCHEMA = strawberry.Schema(Query, scalar_overrides=SCALARS)
DOCUMENT = "query ($spec: PipelineSpecInput!) { echo(spec: $spec) }"


def _through_graphql(spec: dict[str, Any]) -> Any:
    result = SCHEMA.execute_sync(DOCUMENT, variable_values={"spec": spec})
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data["echo"]


def test_there_are_ten_specs() -> None:
    assert len(SPECS) == 10


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_ten_specs_pass_unchanged(path: Path) -> None:
    spec = json.loads(path.read_text())
    assert json.dumps(_through_graphql(spec), sort_keys=True) == json.dumps(spec, sort_keys=True)


def test_every_step_and_field_passes_unchanged() -> None:
    assert json.dumps(_through_graphql(EVERYTHING), sort_keys=True) == json.dumps(EVERYTHING, sort_keys=True)


def test_everything_means_everything() -> None:
    """A step added in Rust must be added above too."""
    used = {name for step in EVERYTHING["steps"] for name in step}
    from strawberry.types import get_object_definition

    definition = get_object_definition(StepInput, strict=True)
    assert used == {SCHEMA.config.name_converter.from_field(field) for field in definition.fields}


def test_literals_in_the_document_pass_like_variables() -> None:
    document = """{ echo(spec: {version: 1, onBadRow: fail, output: {format: csv},
        steps: [{join: {input: "c", how: anti, on: [{left: "a", right: "b"}]}}]}) }"""
    result = SCHEMA.execute_sync(document)
    assert result.errors is None
    assert result.data == {
        "echo": {
            "version": 1,
            "onBadRow": "fail",
            "output": {"format": "csv"},
            "steps": [{"join": {"input": "c", "how": "anti", "on": [{"left": "a", "right": "b"}]}}],
        }
    }


def test_null_means_left_out() -> None:
    spec = {"version": 1, "maxRejects": None, "steps": [{"limit": {"rows": 1, "offset": None}}], "output": None}
    assert _through_graphql(spec) == {"version": 1, "steps": [{"limit": {"rows": 1}}]}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"version": 1, "stepz": []}, "stepz"),
        ({"version": 1, "steps": [{"filtr": {"where": "a"}}]}, "filtr"),
        ({"version": 1, "steps": [{"filter": {"where": "a", "wherre": "b"}}]}, "wherre"),
        ({"version": 1, "steps": [{"filter": {}}]}, "where"),
        ({"version": 1, "steps": [{"filter": {"where": "a"}, "limit": {"rows": 1}}]}, "one"),
        ({"version": 1, "steps": [{}]}, "one"),
        ({"version": 1, "output": {"format": "xlsx"}}, "xlsx"),
        ({"version": 1, "output": {"format": "CSV"}}, "CSV"),
        ({"version": "one"}, "one"),
        ({"version": 1, "maxRejects": 1.5}, "1.5"),
    ],
)
def test_what_the_definition_does_not_have_is_refused_by_name(spec: dict[str, Any], words: str) -> None:
    result = SCHEMA.execute_sync(DOCUMENT, variable_values={"spec": spec})
    assert result.data is None
    assert result.errors
    assert any(words in str(error.message) for error in result.errors)


def test_only_input_types_are_converted() -> None:
    with pytest.raises(TypeError, match="str"):
        spec_to_json("{}")
