"""How long a job of a killed worker waits for its next attempt, by the clock of this process."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from tests.faults.truth import Truth

RUNNING = "SELECT id, lease_token, attempt, worker_id FROM jobs WHERE status = 'RUNNING'"
NOW = "SELECT id, lease_token, status FROM jobs WHERE id = ANY($1::uuid[])"
PROMISE_SECONDS = 45.0


@dataclass
class Loss:
    """An attempt whose worker was killed; `seconds` until the next one began, None when the job ended instead."""

    job_id: UUID
    token: int
    attempt: int
    at: float
    seconds: float | None = None
    over: bool = False


class Recoveries:
    """Asks twice a second, in a thread, for the next attempt of every loss."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._stop = threading.Event()
        self.losses: list[Loss] = []
        self._thread = threading.Thread(target=self._watch, name="recoveries", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def before_kill(self, target: str, pids: Sequence[int]) -> None:
        """Note which jobs a worker takes with it."""
        if not target.startswith("worker"):
            return
        try:
            rows = self._truth.rows(RUNNING, seconds=2)
        except (OSError, TimeoutError):
            return  # the database is away as well: nobody can tell
        self.losses += [
            Loss(row["id"], row["lease_token"], row["attempt"], time.monotonic())
            for row in rows
            if int(row["worker_id"].split(":")[-2]) in pids
        ]

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.look()

    def look(self) -> None:
        """See which losses are over."""
        open_losses = [loss for loss in self.losses if not loss.over]
        if not open_losses:
            return
        try:
            rows = self._truth.rows(NOW, [loss.job_id for loss in open_losses], seconds=3)
        except (OSError, TimeoutError):
            return
        states: dict[UUID, dict[str, Any]] = {row["id"]: row for row in rows}
        for loss in open_losses:
            state = states[loss.job_id]
            if state["lease_token"] > loss.token:
                loss.seconds, loss.over = time.monotonic() - loss.at, True
            elif state["status"] not in {"PENDING", "RUNNING"}:
                loss.over = True


def figures(losses: Iterable[Loss]) -> str:
    """Median and greatest number of seconds."""
    seconds = sorted(loss.seconds for loss in losses if loss.seconds is not None)
    if not seconds:
        return "no killed worker had a job"
    late = sum(one > PROMISE_SECONDS for one in seconds)
    return (
        f"{len(seconds)} attempts were lost with their worker; the next began after {statistics.median(seconds):.1f} s "
        f"(median), {seconds[-1]:.1f} s (max); {late} after more than {PROMISE_SECONDS:.0f} s"
    )
