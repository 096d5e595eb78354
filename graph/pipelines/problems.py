"""What the engine says about a specification, and how the API refuses one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from graph.core.errors import DomainError
from graph.core.remember import Remembered
from graph.pipelines.checker import Checker

# Columns by input name; None where the specification itself says how the bytes are read.
Schemas = Mapping[str, list[dict[str, Any]] | None]

CHECKER: Final = Checker()
"""The one of this process; the application ends it."""

# Digests of what was found without a problem: a pipeline that is run again and again is planned once.
_VALID: Final[Remembered[bytes, bool]] = Remembered(3600)


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing wrong with a specification: `path` is the place in its JSON (`steps[1].filter.where`)."""

    path: str
    code: str
    message: str
    hint: str | None


class InvalidPipeline(DomainError):
    """The specification cannot run; `problems` holds everything that is wrong with it, not only the first."""

    code = "INVALID_PIPELINE"

    def __init__(self, problems: Sequence[SpecProblem], *, path: Sequence[str] = ("spec",)) -> None:
        first = problems[0]
        place = f"{first.path}: " if first.path else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"The pipeline cannot run. {place}{first.message}{more}", path=path)
        self.problems = list(problems)


async def find_problems(spec: dict[str, Any], schemas: Schemas | None = None) -> list[SpecProblem]:
    """Return everything wrong with a specification; with schemas by input name, columns and types are checked too.

    The rules live in Rust alone, and the engine's library in the process of `CHECKER` alone: it would make the API's
    16 MB larger. Raises `Conflict` (CHECK_TIMEOUT, CHECK_CRASHED) when that process gives no answer.
    """
    # one unknown table makes every column behind it unknown: the run itself will tell
    known = schemas if schemas is not None and None not in schemas.values() else None
    question = (orjson.dumps(spec), b"" if known is None else orjson.dumps(known))
    digest = hashlib.blake2b(b"\0".join(question), digest_size=32).digest()
    if _VALID.get(digest):
        return []
    found = await CHECKER.problems(question[0], question[1] or None)
    if not found:
        _VALID.put(digest, True)
    return [SpecProblem(item["path"], item["code"], item["message"], item.get("hint")) for item in found]


async def require_valid(
    spec: dict[str, Any], schemas: Schemas | None = None, *, path: Sequence[str] = ("spec",)
) -> None:
    """Raise `InvalidPipeline` unless the specification can run."""
    problems = await find_problems(spec, schemas)
    if problems:
        raise InvalidPipeline(problems, path=path)
