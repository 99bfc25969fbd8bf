"""Bounds by time of day and weekday: each edge within, exactly at, and beyond; days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rule_feed import START, Feed, rules_of

from rules.definition.bands import Timetable

NIGHT = """alert: A, measure: temperature, range: {max: 32, time_zone: %s, bands: [
           {days: %s, from: "%s", to: "%s", max: 20}]}"""


def maximum(rule: str, *times: datetime) -> list[float]:
    """The highest normal value at each of these times."""
    timetable = Timetable(rules_of(rule).rules[0].levels[0].limits)
    time_ns = np.array([int(time.timestamp()) * 10**9 for time in times], np.int64)
    return np.broadcast_to(timetable.at(time_ns).max, len(times)).tolist()


def local(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"])
def test_a_band_holds_from_its_first_minute_until_before_its_last(zone: str) -> None:
    rule = NIGHT % (zone, "tue", "22:00", "06:00")
    texts = ["2026-06-16T21:59:59", "2026-06-16T22:00:00", "2026-06-17T05:59:59", "2026-06-17T06:00:00"]

    assert maximum(rule, *(local(zone, text) for text in texts)) == [32, 20, 20, 32]


def test_the_days_of_a_band_are_those_on_which_it_begins() -> None:
    rule = NIGHT % ("UTC", "[fri-sat, wed]", "22:00", "06:00")
    noon = datetime(2026, 6, 15, 3, tzinfo=UTC)  # a Monday
    nights = [noon + timedelta(days=day) for day in range(7)]

    assert maximum(rule, *nights) == [32, 32, 32, 20, 32, 20, 20]


def test_a_band_over_the_end_of_the_week_reaches_into_the_next() -> None:
    sunday = datetime(2026, 6, 21, 23, tzinfo=UTC)

    assert maximum(NIGHT % ("UTC", "sun", "22:00", "06:00"), sunday, sunday + timedelta(hours=6)) == [20, 20]


@pytest.mark.parametrize(
    ("zone", "forward", "back"),
    [("Europe/Berlin", "2026-03-29", "2026-10-25"), ("America/New_York", "2026-03-08", "2026-11-01")],
)
def test_on_days_when_clocks_change_local_time_decides(zone: str, forward: str, back: str) -> None:
    """The hour that there is twice is in its band twice; of the one that there is not, nothing is left."""
    one = "01" if zone.startswith("America") else "02"
    rule = NIGHT % (zone, "sun", f"{one}:00", f"0{int(one) + 1}:00")
    midnight = local(zone, f"{forward}T00:00:00").astimezone(UTC)
    spring = [midnight + timedelta(minutes=minutes) for minutes in range(0, 300, 10)]
    autumn = [local(zone, f"{back}T{one}:30:00", fold) for fold in (0, 1)]
    edges = [local(zone, f"{back}T00:59:59"), local(zone, f"{back}T0{int(one) + 1}:00:00")]

    assert maximum(rule, *autumn) == [20, 20]
    assert maximum(rule, edges[1]) == [32]
    assert maximum(rule, *spring).count(20) == (6 if zone.startswith("America") else 0)
    assert (autumn[1].astimezone(UTC) - autumn[0].astimezone(UTC)).seconds == 3600


def test_the_first_band_that_a_time_is_in_decides() -> None:
    rule = """alert: A, measure: temperature, range: {min: 1, max: 32, bands: [
              {from: "12:00", to: "13:00", max: 28}, {from: "08:00", to: "18:00", max: 30, min: 2}]}"""
    times = [datetime(2026, 6, 16, hour, 30, tzinfo=UTC) for hour in (7, 8, 12, 13)]

    assert maximum(rule, *times) == [32, 30, 28, 30]


@pytest.mark.parametrize(("value", "fires"), [(19.9, False), (20, False), (20.1, True)])
def test_a_value_is_judged_by_the_bounds_at_its_own_time(value: float, fires: bool) -> None:
    """And an alert names the bound of the time at which it fired, also when it resolves at another one."""
    night = datetime.fromtimestamp(START, UTC).replace(hour=23, minute=0, second=0)
    seconds = int(night.timestamp()) - START
    feed = Feed(rules_of(NIGHT % ("UTC", "mon-sun", "22:00", "06:00")))

    fired = feed.engine.evaluate(feed.batch([("a", seconds, value)]))
    resolved = feed.engine.evaluate(feed.batch([("a", seconds + 12 * 3600, value)]))

    assert [dict(found.bounds) for found in (*fired, *resolved)] == ([{"max": 20}] * 2 if fires else [])


def test_clear_is_never_wider_than_a_band() -> None:
    (rule,) = rules_of("""alert: A, measure: t, range: {max: 32, bands: [{from: "22:00", to: "06:00", max: 20},
        {from: "06:00", to: "07:00", max: 31, clear: {max: 25}}]}, clear: {max: 30}""").rules

    assert [band.clear.max for band in rule.levels[0].limits.bands] == [20, 25]
