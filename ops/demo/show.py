"""How the demo shows progress: one living line on a terminal, single lines anywhere else."""

from __future__ import annotations

import sys
import time

_WIDTH = 24


class Progress:
    """Shows the way of one task from 0 to 1."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._live = sys.stdout.isatty()
        self._shown = -1.0
        self._at = 0.0

    def update(self, fraction: float, note: str = "") -> None:
        """Show a state; on a terminal in place, else a line for each fifth of the way."""
        if self._live:
            if time.monotonic() - self._at < 0.05 and fraction < 1:
                return
            self._at = time.monotonic()
            filled = round(min(fraction, 1) * _WIDTH)
            line = f"  {self._label:12} [{'█' * filled}{'·' * (_WIDTH - filled)}] {fraction:4.0%}  {note}"
            sys.stdout.write(f"\r\x1b[K{line}")
        else:
            if fraction < 1 and fraction - self._shown < 0.2 and self._shown >= 0:
                return
            sys.stdout.write(f"  {self._label:12} {fraction:4.0%}  {note}\n")
        self._shown = fraction
        sys.stdout.flush()

    def end(self) -> None:
        """Leave the last state standing."""
        if self._live:
            sys.stdout.write("\n")
            sys.stdout.flush()
