"""The model of jobs under test: `graph.jobs.state` over several jobs, and what an operation answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from graph.jobs import state as machine
from graph.jobs.leases import WAIT_FOR_MEMORY
from graph.jobs.state import JobState

LEASE = timedelta(seconds=30)
ALLOWANCE = 3
JOBS = 2
# the last job asks for more memory than the largest worker has
ASKED_MEMORY, LARGEST_WORKER = 2**33, 2**32
LARGE = JOBS - 1
SWEEPS = frozenset({"expire", "refuse"})
# What takes jobs from the queue passes over one that somebody else has locked: the next look takes it.
TAKES = SWEEPS | {"claim"}


@dataclass(frozen=True)
class Op:
    """What somebody does: `job` is an index, `token` that of a claim, `flag` whether an error may be retried.

    `passed_over` is a job that a sweep or a claim finds locked.
    """

    kind: str
    job: int = 0
    token: int = 0
    flag: bool = False
    passed_over: int | None = None


@dataclass(frozen=True)
class Model:
    """The states of all jobs, and the answer to the last operation."""

    jobs: tuple[JobState, ...]
    answer: object = None

    def after(self, op: Op, now: datetime) -> Model:
        """What the state machine says; jitter is left out: 0."""
        if op.kind in SWEEPS:
            found = [self.swept(op, n, now) for n in range(JOBS)]
            refused = tuple(n for n, new in enumerate(found) if new is not None)
            changed = tuple(new or old for new, old in zip(found, self.jobs, strict=True))
            return Model(changed, refused if op.kind == "refuse" else None)
        number = op.job
        if op.kind == "claim any":
            free = [n for n, state in enumerate(self.jobs) if machine.claim(state, now, LEASE)]
            if not free:
                return replace(self, answer=None)
            number = min(free)  # the oldest
        state = self.jobs[number]
        new: JobState | None
        match op.kind:
            case "claim" | "claim any":
                new = None if op.passed_over == number else machine.claim(state, now, LEASE)
                answer: object = None if new is None else (number, new.lease_token)
            case "renew":
                new = machine.renew(state, op.token, now, LEASE)
                answer = None if new is None else new.cancel_requested
            case "progress":
                new = machine.renew(state, op.token, now, LEASE)
                new = new and replace(new, sequence=new.sequence + 1)
                answer = None if new is None else new.cancel_requested
            case "publish":
                new = machine.publish(state, op.token)
                answer = new is not None or (state.status == "SUCCEEDED" and state.lease_token == op.token)
            case "fail":
                new = machine.fail(state, op.token, retryable=op.flag, now=now, jitter=0)
                answer = None if new is None else new.status
            case "hand back":
                new = machine.hand_back(state, op.token, now)
                answer = None if new is None else new.status
            case "cancel":
                new = machine.cancel(state)
                answer = state.status in {"SUCCEEDED", "FAILED"}
                new = None if answer else new
            case "retry":
                new = machine.retry(state, ALLOWANCE, now)
                answer = new is None
            case "requeue":
                new = machine.requeue(state, ALLOWANCE, now)
                answer = new is None
            case _:
                raise AssertionError(op.kind)
        jobs = list(self.jobs)
        jobs[number] = new or state
        return Model(tuple(jobs), answer)

    def swept(self, op: Op, number: int, now: datetime) -> JobState | None:
        """What a sweep makes of a job, None when it leaves it alone."""
        state = self.jobs[number]
        if number == op.passed_over:
            return None
        if op.kind == "expire":
            return machine.expire(state, now, 0)
        waited = state.next_attempt_at < now - WAIT_FOR_MEMORY
        return machine.refuse(state) if number == LARGE and waited else None


def timeless(states: tuple[JobState, ...]) -> tuple[JobState, ...]:
    """States without their times, which are compared by themselves."""
    epoch = datetime.min.replace(tzinfo=UTC)
    return tuple(replace(state, next_attempt_at=epoch, lease_until=state.lease_until and epoch) for state in states)
