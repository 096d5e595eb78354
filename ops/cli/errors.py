"""Errors as the command shows them: `error[CODE]: message`, the place, `hint: …`; never a traceback."""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # what type checkers know; typing itself would be an import of 2 ms
if TYPE_CHECKING:
    from typing import Any


class CommandError(Exception):
    """A refusal of the command. `place` says where (file, field), `hint` what to do; `exit_code` 1 or 2."""

    def __init__(self, code: str, message: str, *, hint: str = "", place: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.place, self.exit_code = code, message, hint, place, exit_code


def _describe(error: BaseException) -> dict[str, Any]:
    """Return code, message, place and hint of any exception; attributes decide, so that nothing heavy is imported."""
    code = getattr(error, "code", None)
    known = isinstance(code, str) and code
    message = str(getattr(error, "message", None) or error) or type(error).__name__
    if not known:
        if type(error).__name__ == "ConfigurationError":
            code = "SETTINGS"
        elif isinstance(error, OSError) and error.strerror:
            code, message = "FILE", f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        else:
            code, message = "INTERNAL", f"{type(error).__name__}: {message}"
    places = []
    if place := getattr(error, "place", None):
        places.append(str(place))
    for name in ("step", "column", "row", "byte_offset"):
        value = getattr(error, name, None)
        if value is not None:
            places.append(f"{name.replace('_', ' ')} {value}")
    hint = getattr(error, "hint", None) or ""
    if code == "INTERNAL":
        hint = "This is a bug of Karyaksham: please report it. KARYAKSHAM_TRACEBACK=1 shows where it happened."
    return {"code": code, "message": message, "place": ", ".join(places), "hint": hint}


def report(error: BaseException, *, as_json: bool = False) -> int:
    """Write an error to stderr; returns the exit code."""
    if os.environ.get("KARYAKSHAM_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    found = _describe(error)
    if as_json:
        print(json.dumps({"error": {name: value for name, value in found.items() if value}}), file=sys.stderr)
    else:
        print(f"error[{found['code']}]: {found['message']}", file=sys.stderr)
        if found["place"]:
            print(f"  at: {found['place']}", file=sys.stderr)
        if found["hint"]:
            print(f"hint: {found['hint']}", file=sys.stderr)
    return int(getattr(error, "exit_code", 2 if found["code"] == "SETTINGS" else 1))
