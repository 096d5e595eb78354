"""The job's state machine under any order of workers, faults, cancels and retries, with a clock of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from graph.jobs import state as machine
from graph.jobs.state import JobState

LEASE = timedelta(seconds=30)
START = datetime(2026, 1, 1, tzinfo=UTC)
jitters = st.floats(0, 1, exclude_max=True)


class Jobs(RuleBasedStateMachine):
    """One job, any number of workers with old and new tokens."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.history: list[JobState] = []
        self.published: list[int] = []
        self.cancelled_since_retry = False
        self.state = JobState("PENDING", 0, 3, 0, None, START, cancel_requested=False, sequence=0)

    def move(self, after: JobState | None) -> bool:
        if after is None:
            return False
        self.history.append(self.state)
        self.state = after
        return True

    @rule(seconds=st.floats(0, 120))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(target=tokens)
    def claim(self) -> int:
        before = self.state
        claimed = self.move(machine.claim(self.state, self.now, LEASE))
        assert claimed == (before.status == "PENDING" and before.next_attempt_at <= self.now)
        return self.state.lease_token

    @rule(token=tokens)
    def renew(self, token: int) -> None:
        before = self.state
        renewed = self.move(machine.renew(self.state, token, self.now, LEASE))
        assert renewed == (before.status == "RUNNING" and token == before.lease_token)
        assert self.state.sequence == before.sequence

    @rule(token=tokens)
    def publish(self, token: int) -> None:
        if self.move(machine.publish(self.state, token)):
            self.published.append(token)
            assert token == self.state.lease_token
            assert not self.cancelled_since_retry

    @rule(token=tokens, retryable=st.booleans(), jitter=jitters)
    def fail(self, token: int, retryable: bool, jitter: float) -> None:
        before = self.state
        if self.move(machine.fail(self.state, token, retryable=retryable, now=self.now, jitter=jitter)):
            assert token == before.lease_token
            if self.state.status == "PENDING":
                assert retryable
                assert self.state.next_attempt_at > self.now

    @rule(jitter=jitters)
    def sweep(self, jitter: float) -> None:
        before = self.state
        if self.move(machine.expire(self.state, self.now, jitter)):
            assert before.lease_until is not None
            assert before.lease_until < self.now

    @rule(token=consumes(tokens))
    def hand_back(self, token: int) -> None:
        before = self.state
        if self.move(machine.hand_back(self.state, token, self.now)):
            assert before.max_attempts - before.attempt <= self.state.max_attempts - self.state.attempt

    @rule()
    def cancel(self) -> None:
        if self.move(machine.cancel(self.state)):
            self.cancelled_since_retry = True

    @rule(allowance=st.integers(1, 5))
    def retry(self, allowance: int) -> None:
        if self.move(machine.retry(self.state, allowance, self.now)):
            self.cancelled_since_retry = False

    @rule(allowance=st.integers(1, 5))
    def requeue(self, allowance: int) -> None:
        before = self.state
        if self.move(machine.requeue(self.state, allowance, self.now)):
            assert self.state.status == "PENDING"
            assert self.state.next_attempt_at <= self.now
            assert not machine.holds(self.state, before.lease_token)  # whoever ran it is fenced off
            self.cancelled_since_retry = False
        else:
            assert before.status == "SUCCEEDED" or before.cancel_requested

    @invariant()
    def numbers_never_fall(self) -> None:
        if self.history:
            last = self.history[-1]
            assert self.state.sequence >= last.sequence
            assert self.state.attempt >= last.attempt
            assert self.state.lease_token >= last.lease_token

    @invariant()
    def published_at_most_once(self) -> None:
        assert len(self.published) <= 1
        assert bool(self.published) == (self.state.status == "SUCCEEDED")

    @invariant()
    def lease_exists_only_while_running(self) -> None:
        assert (self.state.lease_until is not None) == (self.state.status == "RUNNING")
        assert self.state.attempt <= self.state.max_attempts

    @invariant()
    def cancelled_jobs_end_cancelled(self) -> None:
        if self.cancelled_since_retry and self.state.ended:
            assert self.state.status == "CANCELLED"

    def teardown(self) -> None:
        """From any state, workers that only ever crash bring the job to its end."""
        for _ in range(2 * self.state.max_attempts + 2):
            if self.state.ended:
                return
            self.now += timedelta(hours=1)
            after = machine.claim(self.state, self.now, LEASE) or machine.expire(self.state, self.now, 0.5)
            assert after is not None
            self.state = after
        raise AssertionError(f"still {self.state.status} after {self.state.attempt} attempts")


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_backoff_doubles_with_jitter_and_is_capped() -> None:
    assert [machine.backoff(n, 0.999999).total_seconds() for n in (1, 2, 3)] == [
        pytest.approx(seconds, rel=1e-3) for seconds in (1, 2, 4)
    ]
    assert machine.backoff(3, 0).total_seconds() == 2
    assert machine.backoff(10_000, 0.999).total_seconds() <= machine.BACKOFF_MOST_SECONDS
