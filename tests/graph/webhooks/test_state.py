"""When to try again, and when to give up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from graph.webhooks.state import MAX_ATTEMPTS, PATIENCE, backoff, reason_to_disable

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def test_waits_grow_are_spread_and_end_within_a_day() -> None:
    for jitter in (0.0, 0.5, 0.999):
        waits = [backoff(attempt, jitter) for attempt in range(1, MAX_ATTEMPTS)]
        known = [wait for wait in waits if wait is not None]
        assert known == sorted(known)
        assert len(known) == MAX_ATTEMPTS - 1 == 9
        assert timedelta(hours=12) < sum(known, timedelta()) < timedelta(hours=20)
    assert backoff(1, 0.0) != backoff(1, 0.9)
    assert backoff(MAX_ATTEMPTS, 0.5) is None


def test_who_is_given_up() -> None:
    assert reason_to_disable(500, "x", NOW, NOW) is None
    assert reason_to_disable(None, "x", NOW - PATIENCE + timedelta(seconds=1), NOW) is None
    failing = reason_to_disable(None, "No answer.", NOW - PATIENCE, NOW)
    assert failing is not None
    assert (failing["code"], "No answer." in failing["message"]) == ("FAILING", True)
    gone = reason_to_disable(410, "x", NOW, NOW)
    assert gone is not None
    assert gone["code"] == "GONE"
