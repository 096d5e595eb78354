"""The policy: days by kind, from the settings, with what a workspace has of its own. 0 keeps for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from graph.core.settings import Settings
from graph.models import RetentionPolicy

Kind = Literal["results", "rejects", "datasets", "logs", "events"]
KINDS: Final[tuple[Kind, ...]] = ("results", "rejects", "datasets", "logs", "events")
DAYS_MAX: Final = 36_500


@dataclass(frozen=True, slots=True)
class Policy:
    """Days that a workspace keeps each kind."""

    results: int
    rejects: int
    datasets: int
    logs: int
    events: int


def default_days(settings: Settings, kind: Kind) -> int:
    """Return the installation's days for a kind."""
    days: int = getattr(settings, f"retention_{kind}_days")
    return days


def effective(settings: Settings, own: RetentionPolicy | None) -> Policy:
    """Return what holds for a workspace with this row, or without one."""
    days: dict[str, int] = {}
    for kind in KINDS:
        override: int | None = None if own is None else getattr(own, f"{kind}_days")
        days[kind] = default_days(settings, kind) if override is None else override
    return Policy(**days)
