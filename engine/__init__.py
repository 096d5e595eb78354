"""The engine: inspects files, checks and runs pipelines over them. JSON in, JSON out; the work is done in Rust.

>>> import engine
>>> engine.validate_pipeline('{"version": 1, "steps": [{"fliter": {}}]}')[0].hint
'did you mean `filter`?'
"""

from __future__ import annotations

from engine import _engine
from engine._engine import JobHandle, __version__, inspect, pipeline_schema, preview, profile, schema_diff, submit

TYPE_CHECKING = False  # what type checkers know; typing itself would be an import of 2 ms
if TYPE_CHECKING:
    from engine.exceptions import EngineError, KaryakshamError, Problem

__all__ = [
    "EngineError",
    "JobHandle",
    "KaryakshamError",
    "Problem",
    "__version__",
    "inspect",
    "pipeline_schema",
    "preview",
    "profile",
    "schema_diff",
    "submit",
    "validate_pipeline",
]


def __getattr__(name: str) -> object:
    """Import the exceptions at first use: dataclasses take a third of the time in which the engine itself loads."""
    if name in {"EngineError", "KaryakshamError", "Problem"}:
        from engine import exceptions

        return getattr(exceptions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def validate_pipeline(spec: str, schemas: str | None = None) -> list[Problem]:
    """Return everything that is wrong with a specification (JSON), an empty list if nothing is.

    `schemas` is a JSON object from the inputs' names to their columns, `[{"name", "type", "nullable"}]`. Without it,
    only what needs no columns is checked.
    """
    import json

    from engine.exceptions import Problem

    return [Problem(**problem) for problem in json.loads(_engine.validate_pipeline(spec, schemas))]
