"""When schedules run: fields that are refused by name, zones, hours left out and repeated, what an outage missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.errors import InvalidInput
from graph.schedules import ticks

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def shown(cron: str, after: str, count: int) -> list[str]:
    return [tick.isoformat() for tick in ticks.coming(cron, BERLIN, at(after), count)]


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("61 * * * *", "minute field `61`"),
        ("* 24 * * *", "hour field `24`"),
        ("* * 0 * *", "day of month field `0`"),
        ("* * * JANUARY *", "month field `JANUARY`"),
        ("* * * * 8", "day of week field `8`"),
        ("*/0 * * * *", "minute field `*/0`"),
        ("5-1 * * * *", "minute field `5-1`"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("0 0 30 2 *", "no day of the next ten years"),
        ("0 0 31 4,6 *", "no day of the next ten years"),
    ],
)
def test_a_wrong_expression_is_told_by_its_field(cron: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ticks.check_cron(cron)
    assert caught.value.code == "CRON_INVALID"
    assert caught.value.path == ["cron"]
    assert says in caught.value.message


@given(st.text(alphabet="0123456789*/-,#LW MONJAN²", max_size=40))
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        cron = ticks.check_cron(text)
    except InvalidInput:
        return
    assert ticks.next_tick(cron, BERLIN, datetime.now(UTC)) is not None


@pytest.mark.parametrize("name", ["Europe/Berlim", "../etc/passwd", "Europe", "", "GMT+25", "x" * 5000])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ticks.check_zone(name)
    assert (caught.value.code, caught.value.path) == ("TIME_ZONE_UNKNOWN", ["timeZone"])
    assert ("Did you mean Europe/Berlin?" in caught.value.message) == (name == "Europe/Berlim")


def test_the_hour_left_out_runs_once_right_after_it() -> None:
    assert shown("30 2 * * *", "2026-03-28T12:00", 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    # two times of the hour left out fall together, and run once
    assert shown("15,45 2 * * *", "2026-03-28T12:00", 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:15:00+02:00"]


def test_the_repeated_hour_runs_once_the_first_time() -> None:
    assert shown("30 2 * * *", "2026-10-24T12:00", 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    # asked between the first 02:30 and the second, it is over for the day
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert ticks.next_tick("30 2 * * *", BERLIN, second) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_what_runs_each_hour_follows_the_clock_as_it_is() -> None:
    assert shown("0 * * * *", "2026-10-25T01:30", 3) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]
    assert shown("0 * * * *", "2026-03-29T00:30", 2) == ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "0 1-3 * * *", "7 */2 L * *", "0 2 * * 0"])
@pytest.mark.parametrize("day", ["2026-03-27T00:00", "2026-10-23T00:00"])
def test_asking_anew_after_each_time_gives_the_same_times(cron: str, day: str) -> None:
    together = [tick.astimezone(UTC) for tick in islice(ticks.ticks(cron, BERLIN, at(day)), 300)]
    one_by_one = []
    moment = at(day).astimezone(UTC)
    for _ in together:
        found = ticks.next_tick(cron, BERLIN, moment)
        assert found is not None
        one_by_one.append(found)
        moment = found
    assert one_by_one == together == sorted(set(together))


@pytest.mark.parametrize(
    ("cron", "outage", "newest"),
    [
        ("* * * * *", timedelta(seconds=30), "2026-11-28T06:00"),
        ("* * * * *", timedelta(days=300), "2026-11-28T06:00"),
        ("0 5 * * *", timedelta(days=3), "2026-11-28T05:00"),
        ("0 5 1 * *", timedelta(days=90), "2026-11-01T05:00"),
        ("0 5 1 1 *", timedelta(days=900), "2026-01-01T05:00"),
    ],
)
def test_of_the_times_missed_the_newest_counts(cron: str, outage: timedelta, newest: str) -> None:
    now = datetime(2026, 11, 28, 6, 0, 30, tzinfo=UTC)
    utc = ZoneInfo("UTC")
    first = ticks.next_tick(cron, utc, now - outage - timedelta(minutes=1))
    assert first is not None
    assert ticks.newest_due(cron, utc, first, now) == datetime.fromisoformat(newest).replace(tzinfo=UTC)
