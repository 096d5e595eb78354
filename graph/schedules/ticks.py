"""When a schedule runs: cron expressions of five fields in an IANA time zone, as Debian's cron reads them.

A run at fixed times of the day (neither minute nor hour begins with `*`) that falls into the hour that a change to
summer time leaves out runs right after it; in the hour that comes twice it runs once, the first time. Any other
expression follows the clock as it is: nothing in the hour left out, twice in the hour that comes twice. `cronsim` does
the reading and the counting.
"""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Final

from cronsim import CronSim, CronSimError

from graph.core.errors import InvalidInput

MAX_EXPRESSION: Final = 200
# beyond it a schedule counts as one that never runs (`0 0 30 2 *`)
HORIZON: Final = timedelta(days=10 * 366)
# how far back to look for the newest tick missed, nearest first: an outage of months costs no walk over each minute
_WINDOWS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=35))

_FIELDS: Final = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31, or L for the last day"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of week", "0 to 7 (0 and 7 are Sunday), SUN to SAT, MON#1 for the first Monday, or 5L for the last Friday"),
)


def _bad_cron(text: str) -> InvalidInput:
    return InvalidInput(f"cron: {text}", code="CRON_INVALID", path=["cron"])


def check_cron(expression: str) -> str:
    """Return the expression with single blanks; `InvalidInput` (CRON_INVALID) says which field is wrong, and how."""
    fields = expression.split()
    if len(fields) != len(_FIELDS) or len(expression) > MAX_EXPRESSION:
        raise _bad_cron(
            f"give five fields (minute, hour, day of month, month, day of week), not {len(fields)}. "
            "For example `0 6 * * 1-5`: at 6:00 from Monday to Friday. Names like @daily are not known."
        )
    for number, (text, (name, takes)) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = " ".join(text if place == number else "*" for place in range(len(fields)))
        try:
            CronSim(alone, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise _bad_cron(
                f"the {name} field `{text}` cannot be used. It takes {takes}, and `*`, lists `1,3`, ranges `1-5` "
                "and steps `*/2`."
            ) from error
    cron = " ".join(fields)
    try:
        found = next(ticks(cron, zoneinfo.ZoneInfo("UTC"), datetime.now(UTC)), None)
    except CronSimError:
        found = None
    if found is None:
        raise _bad_cron(f"`{cron}` names no day of the next ten years. Check day of month, month and day of week.")
    return cron


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def check_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone; `InvalidInput` (TIME_ZONE_UNKNOWN) names what is close."""
    if name not in _zones():
        close = difflib.get_close_matches(name[:MAX_EXPRESSION], _zones(), n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InvalidInput(
            f"timeZone: {name[:MAX_EXPRESSION]!r} is no time zone of the IANA list. "
            f"Give a name like UTC, Europe/Berlin or Asia/Kolkata.{hint}",
            code="TIME_ZONE_UNKNOWN",
            path=["timeZone"],
        )
    return zoneinfo.ZoneInfo(name)


def ticks(cron: str, zone: zoneinfo.ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the times behind `after` in the zone, each once and in order, for `HORIZON`."""
    # compared in UTC: within one zone Python compares what the clock shows, which an hour that comes twice repeats
    last = after.astimezone(UTC)
    end = last + HORIZON
    for tick in CronSim(cron, after.astimezone(zone)):
        instant = tick.astimezone(UTC)
        if instant > end:
            return
        if instant > last:
            last = instant
            yield tick


def next_tick(cron: str, zone: zoneinfo.ZoneInfo, after: datetime) -> datetime | None:
    """Return the first time behind `after` in UTC, None when none comes."""
    tick = next(ticks(cron, zone, after), None)
    return None if tick is None else tick.astimezone(UTC)


def coming(cron: str, zone: zoneinfo.ZoneInfo, after: datetime, count: int) -> list[datetime]:
    """Return the next times, on the zone's clock; fewer when fewer come."""
    return list(islice(ticks(cron, zone, after), count))


def newest_due(cron: str, zone: zoneinfo.ZoneInfo, first: datetime, now: datetime) -> datetime:
    """Return the newest time up to `now`, where `first` is one that is due: what an outage missed runs once."""
    for window in _WINDOWS:
        start = now - window
        if start <= first:
            break
        newest = _newest(cron, zone, start, now)
        if newest is not None:
            return newest
    return _newest(cron, zone, first, now) or first


def _newest(cron: str, zone: zoneinfo.ZoneInfo, after: datetime, now: datetime) -> datetime | None:
    newest = None
    for tick in ticks(cron, zone, after):
        instant = tick.astimezone(UTC)
        if instant > now:
            break
        newest = instant
    return newest
