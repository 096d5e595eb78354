"""What a running attempt has to tell: the newest progress and the log lines not yet written.

The child reports about five times a second; the database hears of it at most twice a second, so a reporter keeps only
the newest counters, and every line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from graph.jobs.history_repository import LogLine
from graph.jobs.requests import progress_from_engine

WRITE_SECONDS: Final = 0.5
# lines kept while the database cannot be reached
PENDING_LINES_MAX: Final = 200


class Reporter:
    """Collects between two writes; `take` gives what is new since the last one."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._raw: Mapping[str, Any] = {}
        self._fresh = False
        self._stage: str | None = None
        self._lines: list[LogLine] = []
        self._rejected_seen = False

    @property
    def seconds(self) -> float:
        """Seconds since the attempt began."""
        return time.monotonic() - self._started

    @property
    def progress(self) -> dict[str, Any]:
        """The newest counters as stored on the job."""
        return progress_from_engine(self._raw, self.seconds)

    @property
    def fresh(self) -> bool:
        """Whether anything has changed since the last `take`."""
        return self._fresh or bool(self._lines)

    def line(self, level: str, message: str, fields: dict[str, Any] | None = None) -> None:
        """Add a line to the job's log."""
        if len(self._lines) < PENDING_LINES_MAX:
            self._lines.append((level, message, fields))

    def update(self, raw: Mapping[str, Any]) -> None:
        """Take the engine's counters; a change of stage and the first rejected row become log lines."""
        self._fresh = self._fresh or raw != self._raw
        self._raw = raw
        stage = raw.get("stage")
        if stage and stage != self._stage:
            self._stage = stage
            self.line("INFO", f"Engine: {stage}.", {"stage": stage})
        rejected = raw.get("rowsRejected") or 0
        if rejected and not self._rejected_seen:
            self._rejected_seen = True
            self.line("WARNING", "Rows are being rejected; they are kept in a file of their own with the reason.")

    def take(self) -> list[LogLine]:
        """Return the lines not yet written and count everything as written."""
        lines, self._lines, self._fresh = self._lines, [], False
        return lines

    def give_back(self, lines: list[LogLine]) -> None:
        """Keep lines whose write failed for the next one."""
        self._lines = [*lines, *self._lines][:PENDING_LINES_MAX]
        self._fresh = True
