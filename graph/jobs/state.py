"""The states of a job as pure functions: which transition is allowed, and what it makes of the row.

    PENDING ──claim──► RUNNING ──publish──► SUCCEEDED
       ▲                 │ fail, expire (attempts left), hand_back
       └─────────────────┤
                         ├─ fail, expire (none left, or not worth repeating) ──► FAILED
       cancel            └─ cancel, then the worker's word, or its lease's end ──► CANCELLED
    PENDING ──cancel──► CANCELLED        PENDING ──refuse──► FAILED        FAILED, CANCELLED ──retry──► PENDING
    RUNNING, PENDING, FAILED, CANCELLED ──requeue (administrators)──► PENDING

Every function returns the new state, or None when the transition is refused. The repository applies the same
conditions in SQL: `claim`, `renew` and `publish` as one conditional UPDATE each, the others on a locked row.
Invariants (tests/graph/jobs/test_state.py): a token that is not the newest changes nothing; a job on which cancel
was asked never succeeds; `sequence`, `attempt` and `lease_token` never fall; every job ends after finitely many faults.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

Status = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
TERMINAL: Final[frozenset[str]] = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
BACKOFF_FIRST_SECONDS: Final = 1.0
BACKOFF_MOST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class JobState:
    """The part of a job's row that decides what may happen next."""

    status: Status
    attempt: int
    max_attempts: int
    lease_token: int
    lease_until: datetime | None
    next_attempt_at: datetime
    cancel_requested: bool
    sequence: int

    @property
    def ended(self) -> bool:
        """Whether nothing but a retry by a person changes it."""
        return self.status in TERMINAL


def backoff(attempt: int, jitter: float) -> timedelta:
    """Return the wait after failed attempt number `attempt` (from 1): doubling, capped, spread by jitter in [0, 1)."""
    seconds = min(BACKOFF_FIRST_SECONDS * 2.0 ** min(max(attempt, 1) - 1, 30), BACKOFF_MOST_SECONDS)
    return timedelta(seconds=seconds * (0.5 + 0.5 * jitter))


def holds(state: JobState, token: int) -> bool:
    """Tell whether this token is the one that may write."""
    return state.status == "RUNNING" and state.lease_token == token


def claim(state: JobState, now: datetime, lease: timedelta) -> JobState | None:
    """Begin the next attempt under a new token."""
    if state.status != "PENDING" or state.next_attempt_at > now or state.attempt >= state.max_attempts:
        return None
    return replace(
        state,
        status="RUNNING",
        attempt=state.attempt + 1,
        lease_token=state.lease_token + 1,
        lease_until=now + lease,
        sequence=state.sequence + 1,
    )


def renew(state: JobState, token: int, now: datetime, lease: timedelta) -> JobState | None:
    """Keep the lease; also after its end, as long as nobody has taken the job away."""
    return replace(state, lease_until=now + lease) if holds(state, token) else None


def publish(state: JobState, token: int) -> JobState | None:
    """End with a result."""
    if not holds(state, token) or state.cancel_requested:
        return None
    return replace(state, status="SUCCEEDED", lease_until=None, sequence=state.sequence + 1)


def fail(state: JobState, token: int, *, retryable: bool, now: datetime, jitter: float) -> JobState | None:
    """End the attempt with an error: again later, for good, or as cancelled when that was asked."""
    return _end_attempt(state, retryable, now, jitter) if holds(state, token) else None


def expire(state: JobState, now: datetime, jitter: float) -> JobState | None:
    """Take the job from a worker that has not renewed its lease."""
    if state.status != "RUNNING" or state.lease_until is None or state.lease_until >= now:
        return None
    return _end_attempt(state, retryable=True, now=now, jitter=jitter)


def hand_back(state: JobState, token: int, now: datetime) -> JobState | None:
    """Give the job back because the worker stops; this attempt does not count against the job."""
    if not holds(state, token):
        return None
    if state.cancel_requested:
        return replace(state, status="CANCELLED", lease_until=None, sequence=state.sequence + 1)
    return replace(
        state,
        status="PENDING",
        max_attempts=state.max_attempts + 1,
        lease_until=None,
        next_attempt_at=now,
        sequence=state.sequence + 1,
    )


def refuse(state: JobState) -> JobState | None:
    """End a waiting job that no worker could ever run."""
    return replace(state, status="FAILED", sequence=state.sequence + 1) if state.status == "PENDING" else None


def cancel(state: JobState) -> JobState | None:
    """Ask for the end: at once where nobody works on it, otherwise the worker's to carry out."""
    if state.ended:
        return None
    if state.status == "PENDING":
        return replace(state, status="CANCELLED", cancel_requested=True, sequence=state.sequence + 1)
    if state.cancel_requested:
        return state
    return replace(state, cancel_requested=True, sequence=state.sequence + 1)


def retry(state: JobState, allowance: int, now: datetime) -> JobState | None:
    """Give a failed or cancelled job `allowance` further attempts."""
    if state.status not in {"FAILED", "CANCELLED"}:
        return None
    return replace(
        state,
        status="PENDING",
        max_attempts=state.attempt + allowance,
        cancel_requested=False,
        next_attempt_at=now,
        sequence=state.sequence + 1,
    )


def requeue(state: JobState, allowance: int, now: datetime) -> JobState | None:
    """Let an administrator have the job run anew: at once, and whoever runs it now is fenced off.

    An ended job gets `allowance` further attempts, a running one another attempt for the one that is taken away.
    """
    if state.ended:
        return retry(state, allowance, now)
    if state.cancel_requested:
        return None
    more = 1 if state.status == "RUNNING" else 0
    return replace(
        state,
        status="PENDING",
        max_attempts=state.max_attempts + more,
        lease_until=None,
        next_attempt_at=min(state.next_attempt_at, now) if state.status == "PENDING" else now,
        sequence=state.sequence + 1,
    )


def _end_attempt(state: JobState, retryable: bool, now: datetime, jitter: float) -> JobState:
    after = replace(state, lease_until=None, sequence=state.sequence + 1)
    if state.cancel_requested:
        return replace(after, status="CANCELLED")
    if retryable and state.attempt < state.max_attempts:
        return replace(after, status="PENDING", next_attempt_at=now + backoff(state.attempt, jitter))
    return replace(after, status="FAILED")
