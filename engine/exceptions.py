"""What can go wrong in the engine: one class for each kind, one stable code for each case."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

__all__ = [
    "CODES",
    "CancelledError",
    "EngineError",
    "InputError",
    "InternalError",
    "KaryakshamError",
    "Problem",
    "ResourcesExhaustedError",
    "SpecError",
    "StorageError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a specification: where, what, and how to mend it."""

    path: str
    code: str
    message: str
    hint: str | None = None


class KaryakshamError(Exception):
    """The base of all exceptions of this project's libraries."""


class EngineError(KaryakshamError):
    """The engine could not do what was asked.

    Attributes: `code` (stable), `message`, `step` (index from 0), `column`, `row` (line in the decoded text, from 1),
    `byte_offset` (in the decoded text, from 0), `retryable`, `hint`, `problems` (of a specification).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        step: int | None = None,
        column: str | None = None,
        row: int | None = None,
        byte_offset: int | None = None,
        retryable: bool = False,
        hint: str | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.step = step
        self.column = column
        self.row = row
        self.byte_offset = byte_offset
        self.retryable = retryable
        self.hint = hint
        self.problems = problems

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the exception from the JSON that the engine writes for an error."""
        raw: dict[str, Any] = json.loads(text)
        problems = tuple(Problem(**problem) for problem in raw.pop("problems", ()))
        byte_offset = raw.pop("byteOffset", None)
        return cls(raw.pop("code"), raw.pop("message"), byte_offset=byte_offset, problems=problems, **raw)


class SpecError(EngineError):
    """The specification or the request is wrong."""


class InputError(EngineError):
    """An input is missing, damaged, or holds what cannot be read."""


class StorageError(EngineError):
    """The storage cannot be reached, refuses, or holds something where the output should go."""


class ResourcesExhaustedError(EngineError):
    """Memory or disk do not suffice."""


class CancelledError(EngineError):
    """The job was cancelled."""


class InternalError(EngineError):
    """A bug in the engine."""


CODES: dict[str, type[EngineError]] = {
    "INVALID_SPEC": SpecError,
    "INVALID_REQUEST": SpecError,
    "INPUT_NOT_FOUND": InputError,
    "INPUT_EMPTY": InputError,
    "INPUT_BINARY": InputError,
    "INPUT_ENCODING": InputError,
    "INPUT_FORMAT": InputError,
    "INPUT_CHANGED": InputError,
    "SCHEMA_DRIFT": InputError,
    "BAD_ROW": InputError,
    "TOO_MANY_REJECTS": InputError,
    "RECORD_TOO_LONG": InputError,
    "EXPECTATION_FAILED": InputError,
    "VALUE_ERROR": InputError,
    "TOO_MANY_PARTITIONS": SpecError,
    "OUTPUT_EXISTS": StorageError,
    "OUTPUT_NOT_WRITABLE": StorageError,
    "STORAGE_UNAVAILABLE": StorageError,
    "STORAGE_DENIED": StorageError,
    "DISK_FULL": ResourcesExhaustedError,
    "RESOURCES_EXHAUSTED": ResourcesExhaustedError,
    "CANCELLED": CancelledError,
    "LEDGER_MISMATCH": InternalError,
    "INTERNAL": InternalError,
}
"""All codes and the classes they come as; the same table stands in `engine/src/error.rs`."""
