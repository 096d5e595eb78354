"""A small memory of answers: entries live a fixed time, and the oldest go first when there are too many.

And answers that many wait for at once: they are asked for once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers by their question, each for so many seconds, at most `size` of them; of one process."""

    def __init__(self, seconds: float, size: int = 5000) -> None:
        self._seconds = seconds
        self._size = size
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is remembered, None when that is nothing or too old."""
        entry = self._entries.get(key)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    def put(self, key: K, value: V) -> None:
        """Remember from now on."""
        self._entries[key] = (time.monotonic() + self._seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget(self, key: K) -> None:
        """Ask anew next time."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class Shared:
    """Reads that many wait for: whoever asks the same within so many seconds gets the answer of the first."""

    def __init__(self, seconds: float) -> None:
        self._reads: Remembered[Hashable, asyncio.Future[Any]] = Remembered(seconds)

    async def get(self, question: Hashable, read: Callable[[], Awaitable[V]]) -> V:
        """Return the answer, which `read` gives if nobody has asked yet; a failure is everybody's, and forgotten."""
        asked = self._reads.get(question)
        if asked is None:
            asked = asyncio.ensure_future(read())
            asked.add_done_callback(_seen)
            self._reads.put(question, asked)
        try:
            # the one who asked first may leave before the answer comes
            answer: V = asked.result() if asked.done() else await asyncio.shield(asked)
        except Exception:
            self._reads.forget(question)
            raise
        return answer


def _seen(answer: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()
