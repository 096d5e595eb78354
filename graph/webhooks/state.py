"""What becomes of a message and its receiver after an attempt, as pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

# seconds after each failed attempt: ten attempts within sixteen hours
WAITS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800)
MAX_ATTEMPTS: Final = len(WAITS) + 1
# somebody waits for the answer to a ping
PING_ATTEMPTS: Final = 1
# a webhook without one success for so long is disabled
PATIENCE: Final = timedelta(days=3)
GONE: Final = 410


def backoff(attempt: int, jitter: float) -> timedelta | None:
    """Return the wait after failed attempt `attempt` (from 1), spread by jitter in [0, 1); None after the last."""
    if attempt >= MAX_ATTEMPTS:
        return None
    return timedelta(seconds=WAITS[attempt - 1] * (0.8 + 0.4 * jitter))


def reason_to_disable(
    status: int | None, error: str | None, failing_since: datetime, now: datetime
) -> dict[str, str] | None:
    """Return {code, message} when this failure is one too many for the receiver, else None."""
    if status == GONE:
        return {"code": "GONE", "message": "The receiver answered 410 (Gone): it wants no more messages."}
    if now - failing_since >= PATIENCE:
        since = failing_since.isoformat(timespec="seconds")
        return {"code": "FAILING", "message": f"No message has arrived since {since}. The last error: {error}"}
    return None
