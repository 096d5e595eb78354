"""The generator of GraphQL inputs, on a schema shaped as schemars writes it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry

from ops.codegen.spec_inputs import UnsupportedSchemaError, render

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Pipeline",
    "description": 'What happens to a file.\n\nMore "words" with a \\ in them.',
    "type": "object",
    "properties": {
        "version": {"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255},
        "maxRejects": {"description": "Most rows.", "type": ["integer", "null"], "format": "uint64"},
        "onBadRow": {"anyOf": [{"$ref": "#/$defs/OnBadRow"}, {"type": "null"}]},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}, "default": []},
        "encoding": {"$ref": "#/$defs/Encoding"},
    },
    "additionalProperties": False,
    "required": ["version"],
    "$defs": {
        "OnBadRow": {
            "description": "Bad rows.",
            "oneOf": [
                {"description": "Ends the job.", "type": "string", "const": "fail"},
                {"type": "string", "const": "reject"},
            ],
        },
        "Encoding": {"type": "string", "enum": ["utf-8", "latin-1"]},
        "JoinHow": {"type": "string", "enum": ["left", "is", "none"]},
        "Step": {
            "description": "One step.",
            "oneOf": [
                {
                    "description": "Keeps rows.",
                    "type": "object",
                    "properties": {"filter": {"$ref": "#/$defs/Filter"}},
                    "required": ["filter"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"fillNull": {"$ref": "#/$defs/FillNull"}},
                    "required": ["fillNull"],
                },
                {"type": "object", "properties": {"branch": {"$ref": "#/$defs/Branch"}}, "required": ["branch"]},
            ],
        },
        "Filter": {
            "type": "object",
            "properties": {"where": {"type": "string"}, "how": {"$ref": "#/$defs/JoinHow"}, "from": {"type": "string"}},
            "required": ["where", "from"],
        },
        "FillNull": {
            "type": "object",
            "properties": {"value": True, "fraction": {"type": "number", "format": "double"}},
            "required": ["value", "fraction"],
        },
        "Branch": {
            "type": "object",
            "properties": {"steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}}, "on": {"type": "boolean"}},
            "required": ["steps"],
        },
    },
}


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    made = types.ModuleType("generated_spec_inputs")
    sys.modules[made.__name__] = made
    exec(compile(render(SCHEMA), "generated_spec_inputs.py", "exec"), made.__dict__)
    yield made
    del sys.modules[made.__name__]


def _sdl(module: types.ModuleType) -> str:
    spec: Any = module.PipelineSpecInput

    def echo(spec: Any) -> str:
        return repr(spec)

    echo.__annotations__["spec"] = spec
    query = strawberry.type(type("Query", (), {"echo": strawberry.field(resolver=echo), "__annotations__": {}}))
    from graph.api.scalars import SCALARS

    return str(strawberry.Schema(query, scalar_overrides=SCALARS))


def test_types_names_and_descriptions(module: types.ModuleType) -> None:
    sdl = _sdl(module)
    for line in (
        "version: Int!",
        "maxRejects: Int64",
        "onBadRow: OnBadRow",
        "steps: [StepInput!]",
        "encoding: String",  # "utf-8" is no GraphQL name: Rust checks it
        "input StepInput @oneOf {",
        "filter: FilterInput",
        "from: String!",
        "how: JoinHow",
        "value: JSON",
        "fraction: Float!",
        "steps: [StepInput!]!",
        'What happens to a file. More "words" with a \\ in them.',
        '"""Ends the job."""',
        '"""Keeps rows."""',
    ):
        assert line in sdl
    assert "enum JoinHow {\n  left\n  is\n  none\n}" in sdl


def test_an_object_without_a_name_is_refused_with_its_place() -> None:
    schema = {**SCHEMA, "properties": {"output": {"type": "object", "properties": {"format": {"type": "string"}}}}}
    with pytest.raises(UnsupportedSchemaError, match=r"PipelineSpec\.output"):
        render(schema)
