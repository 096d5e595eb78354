"""Jobs whose answers are known beforehand, drawn from the seed and the job's number."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SMALL_ROWS, BIG_ROWS = 6_000, 250_000
GROUPS = 7
HEADER = "id,bucket,amount,name\n"


@dataclass(frozen=True)
class Case:
    """What to run and what must come of it. `answer` makes the result's bytes; None: it fails with `code`."""

    number: int
    kind: str
    dataset: str
    spec: dict[str, Any]
    answer: Callable[[], bytes] | None
    rows_in: int = 0
    code: str | None = None


@dataclass(frozen=True)
class Row:
    id: int
    bucket: int
    amount: int
    name: str

    @property
    def line(self) -> str:
        """As it stands in the file."""
        return f"{self.id},{self.bucket},{self.amount},{self.name}\n"


def _rows(rng: random.Random, count: int, name_length: int) -> list[Row]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [
        Row(number, rng.randrange(GROUPS), rng.randrange(-999, 1000), "".join(rng.choices(letters, k=name_length)))
        for number in range(count)
    ]


class Cases:
    """All cases of a seed, and the files they read; two tenants have the same files but different jobs."""

    def __init__(self, seed: int, *, big_rows: int = BIG_ROWS) -> None:
        self.seed = seed
        rng = random.Random(seed)
        self._small = _rows(rng, SMALL_ROWS, 8)
        # about 90 bytes a row
        self._big = _rows(rng, big_rows, 72)
        lines = [row.line for row in self._small]
        bad = [*lines[: SMALL_ROWS // 2], "1,2\n", *lines[SMALL_ROWS // 2 :]]
        self.files: dict[str, bytes] = {
            "small": (HEADER + "".join(lines)).encode(),
            "big": (HEADER + "".join(row.line for row in self._big)).encode(),
            "bad": (HEADER + "".join(bad)).encode(),
        }
        self._sorted: dict[bool, bytes] = {}

    def case(self, number: int) -> Case:
        """Job number `number`."""
        rng = random.Random(f"{self.seed} {number}")
        kinds: Mapping[str, tuple[int, Callable[[random.Random, int], Case]]] = {
            "filter": (6, self._filter),
            "aggregate": (4, self._aggregate),
            "sort": (5, self._sort),
            "reject": (2, self._reject),
            "fail": (2, self._fail),
        }
        (kind,) = rng.choices(list(kinds), [weight for weight, _ in kinds.values()])
        return kinds[kind][1](rng, number)

    def _filter(self, rng: random.Random, number: int) -> Case:
        """Raw bytes from CSV to CSV; of the big file now and then."""
        big = rng.random() < 0.3
        rows = self._big if big else self._small
        divisor = rng.randrange(20, 40) if big else rng.randrange(2, 9)
        rest = rng.randrange(divisor)
        spec = {"steps": [{"filter": {"where": f"id % {divisor} = {rest}"}}], "output": {"format": "csv"}}

        def answer() -> bytes:
            return (HEADER + "".join(row.line for row in rows if row.id % divisor == rest)).encode()

        return Case(number, "filter", "big" if big else "small", spec, answer, len(rows))

    def _aggregate(self, rng: random.Random, number: int) -> Case:
        least = rng.randrange(SMALL_ROWS // 2)
        aggregates = [{"name": "n", "expr": "count(*)"}, {"name": "total", "expr": "sum(amount)"}]
        steps = [
            {"filter": {"where": f"id >= {least}"}},
            {"aggregate": {"groupBy": ["bucket"], "aggregates": aggregates}},
            {"sort": {"by": [{"column": "bucket"}]}},
        ]

        def answer() -> bytes:
            groups: dict[int, list[int]] = {}
            for row in self._small:
                if row.id >= least:
                    groups.setdefault(row.bucket, []).append(row.amount)
            lines = [f"{bucket},{len(found)},{sum(found)}\n" for bucket, found in sorted(groups.items())]
            return ("bucket,n,total\n" + "".join(lines)).encode()

        return Case(number, "aggregate", "small", {"steps": steps, "output": {"format": "csv"}}, answer, SMALL_ROWS)

    def _sort(self, rng: random.Random, number: int) -> Case:
        """More than fits into the memory limit: runs on disk, merged."""
        descending = rng.random() < 0.5
        steps = [
            {"sort": {"by": [{"column": "name", "descending": descending}]}},
            {"select": {"columns": ["id", "bucket"]}},
        ]

        def answer() -> bytes:
            if descending not in self._sorted:
                rows = sorted(self._big, key=lambda row: row.name, reverse=descending)
                lines = (f"{row.id},{row.bucket}\n" for row in rows)
                self._sorted[descending] = ("id,bucket\n" + "".join(lines)).encode()
            return self._sorted[descending]

        return Case(number, "sort", "big", {"steps": steps, "output": {"format": "csv"}}, answer, len(self._big))

    def _reject(self, rng: random.Random, number: int) -> Case:
        """Reads past the bad row, which goes to a file of its own."""
        least = rng.randrange(SMALL_ROWS)
        spec = {"steps": [{"filter": {"where": f"id >= {least}"}}], "output": {"format": "csv"}}

        def answer() -> bytes:
            return (HEADER + "".join(row.line for row in self._small if row.id >= least)).encode()

        return Case(number, "reject", "bad", spec, answer, SMALL_ROWS + 1)

    @staticmethod
    def _fail(_: random.Random, number: int) -> Case:
        """Fails for good at the bad row, whatever else happens."""
        return Case(
            number, "fail", "bad", {"onBadRow": "fail", "steps": [], "output": {"format": "csv"}}, None, code="BAD_ROW"
        )
