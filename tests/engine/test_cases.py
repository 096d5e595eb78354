"""The cases of tests/cases, each through the real binding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import engine
from engine.exceptions import EngineError
from tests.engine.conftest import request
from tests.processes import PATIENCE

CASES = Path(__file__).parent.parent / "cases"


def cases() -> list[Any]:
    """All cases, named by file and case."""
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(CASES.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    ]


def same(found: str, expected: str, *, unordered: bool) -> bool:
    if not unordered:
        return found == expected
    first, *rest = found.splitlines()
    expected_first, *expected_rest = expected.splitlines()
    return first == expected_first and sorted(rest) == sorted(expected_rest)


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    main = tmp_path / f"input.{case.get('inputFormat', 'csv')}"
    main.write_bytes(case["input"].encode())
    inputs = {"input": main}
    for name, text in case.get("inputs", {}).items():
        inputs[name] = tmp_path / f"{name}.csv"
        inputs[name].write_bytes(text.encode())
    spec = {"steps": case["steps"], "output": case.get("output", {"format": "csv"}), **case.get("spec", {})}
    output = tmp_path / "result"
    job = engine.submit(request(spec, inputs, output))
    if "error" in case:
        with pytest.raises(EngineError) as raised:
            job.wait(PATIENCE)
        found = {name: getattr(raised.value, name) for name in case["error"]}
        assert found == case["error"], raised.value
        if "problems" in case:
            assert [[p.path, p.code] for p in raised.value.problems] == case["problems"]
        assert not output.exists()
        assert [path.name for path in tmp_path.iterdir() if "partial" in path.name or "rejects" in path.name] == []
        return
    report = json.loads(job.wait(PATIENCE))
    text = output.read_bytes().decode()
    assert same(text, case["expect"], unordered=case.get("unordered", False)), text
    rejects = Path(f"{output}.rejects.csv")
    if "rejectCount" in case:
        assert report["rowsRejected"] == report["rejects"]["rows"] == case["rejectCount"]
    elif "rejects" in case:
        assert rejects.read_bytes().decode() == case["rejects"]
        assert report["rejects"]["rows"] == report["rowsRejected"] > 0
    else:
        assert report["rejects"] is None
        assert not rejects.exists()
    mixing = {"aggregate", "join", "union", "sql"}
    if not any(next(iter(step)) in mixing for step in case["steps"]):
        assert report["rowsIn"] == report["rowsOut"] + report["rowsFiltered"] + report["rowsRejected"]
