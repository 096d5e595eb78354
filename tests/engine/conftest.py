"""Helpers for tests of the engine: they run jobs through the real binding on local files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engine
from tests.processes import PATIENCE

Run = Callable[..., dict[str, Any]]


def request(spec: dict[str, Any], inputs: dict[str, Path], output: Path, **options: Any) -> str:
    """A run request for local files."""
    return json.dumps(
        {
            "spec": {"version": 1, **spec},
            "inputs": {name: {"url": str(path)} for name, path in inputs.items()},
            "output": {"url": str(output), "overwrite": options.pop("overwrite", False)},
            **options,
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `run(spec, text_or_path, name="out.csv", **options)`; returns the report, with `path` of the output."""

    def call(
        spec: dict[str, Any], data: str | bytes | Path, name: str = "out.csv", file: str = "input.csv", **options: Any
    ) -> dict[str, Any]:
        if isinstance(data, Path):
            source = data
        else:
            source = tmp_path / file
            source.write_bytes(data.encode() if isinstance(data, str) else data)
        output = tmp_path / name
        report = json.loads(engine.submit(request(spec, {"input": source}, output, **options)).wait(PATIENCE))
        return {**report, "path": output}

    return call


def inspect(path: Path, **fields: Any) -> dict[str, Any]:
    """The inspection of a local file."""
    report: dict[str, Any] = json.loads(engine.inspect(json.dumps({"input": {"url": str(path), **fields}})))
    return report


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file of this name."""

    def call(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return call
