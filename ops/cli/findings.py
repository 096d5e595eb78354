"""What the doctor finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

MARKS = {"ok": "✓", "warn": "!", "fail": "✗", "skip": "-"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `hint` says how to mend it; `skip` means that there was nothing to look at."""

    name: str
    status: Literal["ok", "warn", "fail", "skip"]
    message: str
    hint: str = ""

    def document(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)
