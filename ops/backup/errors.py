"""What can go wrong with a backup, each with a way out."""

from __future__ import annotations


class BackupError(Exception):
    """A backup or restore that cannot be done, or is not whole."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
