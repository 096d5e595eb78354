"""Validation: all problems at once, with paths and hints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import engine

SCHEMAS = json.dumps(
    {
        "input": [
            {"name": "id", "type": "int64", "nullable": True},
            {"name": "name", "type": "utf8", "nullable": True},
        ],
        "other": [{"name": "id", "type": "int64", "nullable": False}],
    }
)


def problems(spec: object, schemas: str | None = SCHEMAS) -> list[tuple[str, str]]:
    text = spec if isinstance(spec, str) else json.dumps(spec)
    return [(p.path, p.code) for p in engine.validate_pipeline(text, schemas)]


def test_valid() -> None:
    spec = {"version": 1, "steps": [{"join": {"input": "other", "on": [{"left": "id", "right": "id"}]}}]}
    assert problems(spec) == []
    assert problems(spec, None) == []


def test_shape_and_meaning_in_one_go() -> None:
    spec = {
        "version": 1,
        "inputs": [{"name": "othr"}],
        "steps": [
            {"filter": {"where": "idd = 1"}},
            {"sort": {"by": [{"column": "id", "nulls": "middle"}]}},
            {"limti": {"rows": 1}},
        ],
        "output": {"format": "csv", "level": 3},
    }
    assert set(problems(spec)) == {
        ("steps[1].sort.by[0].nulls", "INVALID_VALUE"),
        ("steps[2].limti", "UNKNOWN_STEP"),
        ("output.level", "INVALID_VALUE"),
        ("inputs[0].name", "UNKNOWN_INPUT"),
        ("steps[0].filter.where", "UNKNOWN_COLUMN"),
    }


def test_what_cannot_be_read_is_told_without_schemas() -> None:
    spec = {
        "version": 1,
        "steps": [
            {"filter": {"where": "amount >"}},
            {"derive": {"columns": [{"name": "a", "expr": "b + 1"}, {"name": "c", "expr": "b + 1 AS c"}]}},
            {"aggregate": {"aggregates": [{"name": "n", "expr": "count(*"}]}},
            {"expect": {"name": "x", "that": "(a > 0"}},
            {"extract": {"column": "line", "pattern": "(?<a>x"}},
            {"sql": {"query": "DELETE FROM input"}},
            {"sort": {"by": [{"column": "unknown"}]}},
        ],
    }
    expected = [
        ("steps[0].filter.where", "INVALID_EXPRESSION"),
        ("steps[1].derive.columns[1].expr", "INVALID_EXPRESSION"),
        ("steps[2].aggregate.aggregates[0].expr", "INVALID_EXPRESSION"),
        ("steps[3].expect.that", "INVALID_EXPRESSION"),
        ("steps[4].extract.pattern", "INVALID_EXPRESSION"),
        ("steps[5].sql.query", "INVALID_EXPRESSION"),
    ]
    assert problems(spec, None) == expected
    # with schemas, each once, and what the columns make wrong besides
    found = problems(spec)
    assert [problem for problem in found if problem in expected] == expected
    assert ("steps[1].derive.columns[0].expr", "UNKNOWN_COLUMN") in found


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"version": 1, "steps": [[]]}'])
def test_anything_gives_a_problem_never_a_crash(text: str) -> None:
    assert problems(text)


def test_all_bench_and_case_specs_are_valid_without_schemas() -> None:
    for path in (Path(__file__).parent.parent / "cases" / "specs").glob("*.json"):
        assert problems(path.read_text(), None) == [], path


def test_the_schema_is_json_schema() -> None:
    schema = json.loads(engine.pipeline_schema())
    assert schema["properties"]["steps"]["items"]["$ref"].endswith("/Step")
    committed = Path(engine.__file__).parent / "spec" / "pipeline.schema.json"
    assert committed.read_text() == engine.pipeline_schema()
