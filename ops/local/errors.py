"""What can go wrong with the embedded stack, each with a way out."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on. `hint` says how to mend it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
